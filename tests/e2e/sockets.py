"""How does one test hold both ends of a conversation?

A socket belongs to the network namespace in which it was made, wherever it is used. So a test goes
into a namespace, makes a socket there, comes back, and has the member's end and that of the world
outside in its own hands:

    server = listen(lab.client, plan.OUTSIDE, 7000)
    client = connect(member.namespace, plan.OUTSIDE, 7000)
    seen, (address, port) = server.accept()

Not here: crowds of connections that one process cannot hold (`crowd.py`).
"""

import ctypes
import os
import select
import socket
import struct

CLONE_NEWNET = 0x40000000
# include/uapi/linux/in.h
IP_RECVERR = 11
ECHO_REQUEST = 8
# A reply through two TAPs takes about a millisecond; four workers may share one processor.
REPLY_SECONDS = 5.0
# Who says that nothing comes waits as long as a hundred replies would take.
SILENCE_SECONDS = 0.5
BACKLOG = 4096
LIBRARY = ctypes.CDLL(None, use_errno=True)


class inside:
    """What is made in this block is made in the namespace. For the calling thread only."""

    def __init__(self, namespace):
        self.path = f"/run/netns/{namespace.name}"

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(self.path, os.O_RDONLY)
        enter(there)
        os.close(there)

    def __exit__(self, *_):
        enter(self.before)
        os.close(self.before)


def enter(descriptor):
    if LIBRARY.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def listen(namespace, address, port):
    """A TCP server's socket."""
    with inside(namespace):
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(BACKLOG)
    server.settimeout(REPLY_SECONDS)
    return server


def stream(namespace, source=None):
    """A TCP client's socket that has not yet connected; `source` is its own address and port."""
    with inside(namespace):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(REPLY_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if source:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(source)
    return client


def connect(namespace, address, port, seconds=REPLY_SECONDS, source=None):
    """A TCP client's socket, connected; `TimeoutError` if nobody answers."""
    client = stream(namespace, source)
    client.settimeout(seconds)
    try:
        client.connect((address, port))
    except OSError:
        client.close()
        raise
    client.settimeout(REPLY_SECONDS)
    return client


def datagrams(namespace, address="", port=0):
    """A UDP socket, bound."""
    with inside(namespace):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, port))
    one.settimeout(REPLY_SECONDS)
    return one


def pings(namespace, identifier=0):
    """An ICMP echo client's socket: the kernel writes identifier and checksum, and finds the
    replies."""
    namespace.sysctl("net.ipv4.ping_group_range=0 0")
    with inside(namespace):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    one.bind(("", identifier))
    one.settimeout(REPLY_SECONDS)
    return one


def ping(one, address, content=b"weir"):
    """Asks once."""
    one.sendto(struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, 0, 1) + content, (address, 0))


def pong(one):
    """Who answers, and with which content."""
    message, (address, _) = one.recvfrom(2048)
    return address, message[8:]


def errors_wanted(one):
    """The socket keeps the ICMP errors that concern it: see `error`."""
    one.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def error(one, seconds=REPLY_SECONDS):
    """The next ICMP error that concerns a socket: who sent it, its type and code, and what it says
    of the MTU (ip(7), `struct sock_extended_err`)."""
    poll = select.poll()
    poll.register(one, 0)
    if not poll.poll(seconds * 1000):
        raise TimeoutError("no ICMP error")
    _, messages, _, _ = one.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    data = next(data for _, kind, data in messages if kind == IP_RECVERR)
    _, _, kind, code, mtu, _ = struct.unpack_from("=IBBBxII", data)
    sender = socket.inet_ntoa(data[20:24])
    return sender, kind, code, mtu


def reset(*connections):
    """Ends TCP connections that are still open by RST, as a process does that gives up."""
    for one in (it for it in connections if it.fileno() >= 0):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


def silent(one, seconds=SILENCE_SECONDS):
    """Whether nothing can be read for so long."""
    poll = select.poll()
    poll.register(one, select.POLLIN)
    return not poll.poll(seconds * 1000)


def read(connection, length):
    """Exactly so many bytes, or fewer if the other side ends before."""
    parts, missing = [], length
    while missing and (part := connection.recv(min(missing, 1 << 16))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_line(connection):
    """Up to a line feed, in whatever pieces it comes, and nothing beyond."""
    line = b""
    while not line.endswith(b"\n") and (part := connection.recv(1)):
        line += part
    return line


def read_to_end(connection):
    """Everything up to the other side's FIN."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
