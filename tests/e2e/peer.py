"""What do clients and servers say where no ready-made program says it? Echo, streams, floods.

Runs inside a namespace: `peer.py ROLE …`. Clients print one JSON object.

Not here: HTTP, DNS and bulk TCP, for which the lab uses curl, nginx, dig, dnsmasq and iperf3.
"""

import argparse
import asyncio
import json
import select
import signal
import socket
import struct
import time

# linux/udp.h: the kernel cuts one send into datagrams of this size.
UDP_SEGMENT = 103
SEGMENTS = 60
FLOOD_BYTES = 18
WINDOW = 32
LOST_AFTER_SECONDS = 2.0


def main():
    arguments = parse()
    result = arguments.role(arguments)
    if result is not None:
        print(json.dumps(result))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    roles = parser.add_subparsers(required=True)
    for role, action in (
        ("echo", echo),
        ("udp-stream", udp_stream),
        ("tcp-stream", tcp_stream),
        ("hold", hold),
        ("requests", requests),
        ("flood", flood),
        ("reset", reset),
        ("collect", collect),
    ):
        one = roles.add_parser(role)
        one.add_argument("address")
        one.add_argument("port", type=int)
        one.add_argument("--seconds", type=float, default=10.0)
        one.add_argument("--rate", type=float, default=1000.0)
        one.add_argument("--connections", type=int, default=1)
        one.set_defaults(role=action)
    return parser.parse_args()


def echo(arguments):
    """Returns every datagram and every byte to its sender, until it is ended."""
    asyncio.run(serve_echo(arguments.address, arguments.port))


async def serve_echo(address, port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(EchoDatagrams, local_addr=(address, port))
    server = await asyncio.start_server(echo_stream, address, port, backlog=1024)
    await server.serve_forever()


class EchoDatagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


async def echo_stream(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Ending:
    """When a stream ends: at its time, or earlier when it is told to by SIGTERM."""

    def __init__(self, seconds):
        self.told = False
        self.at = time.monotonic() + seconds
        signal.signal(signal.SIGTERM, self.tell)

    def tell(self, *_):
        self.told = True

    def reached(self):
        return self.told or time.monotonic() >= self.at


def udp_stream(arguments):
    """Numbered datagrams at a steady rate, at most `WINDOW` unanswered; counts what is lost."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((arguments.address, arguments.port))
    waiting, sent, received, lost = {}, 0, 0, 0
    ending = Ending(arguments.seconds)
    due = time.monotonic()
    while not ending.reached() or waiting:
        now = time.monotonic()
        if not ending.reached() and now >= due and len(waiting) < WINDOW:
            client.send(sent.to_bytes(8, "big"))
            waiting[sent] = now
            sent += 1
            due = max(due + 1 / arguments.rate, now - 0.01)
        late = [number for number, when in waiting.items() if now - when > LOST_AFTER_SECONDS]
        lost += len(late)
        for number in late:
            del waiting[number]
        pause = min(max(due - now, 0.0), 0.01) if len(waiting) < WINDOW else 0.01
        while select.select([client], [], [], pause)[0]:
            pause = 0.0
            number = int.from_bytes(client.recv(64), "big")
            received += waiting.pop(number, None) is not None
    return {"sent": sent, "received": received, "lost": lost}


def tcp_stream(arguments):
    """One connection that echoes numbered lines for the whole time; it must never break."""
    sent = 0
    ending = Ending(arguments.seconds)
    with socket.create_connection((arguments.address, arguments.port), timeout=10) as client:
        lines = client.makefile("rb")
        while not ending.reached():
            message = b"%d\n" % sent
            client.sendall(message)
            answer = lines.readline()
            if answer != message:
                return {"echoed": sent, "broken": True}
            sent += 1
            time.sleep(1 / arguments.rate)
    return {"echoed": sent, "broken": False}


def hold(arguments):
    """Connections that say nothing. Their own ports are printed at once."""
    ending = Ending(arguments.seconds)
    peer = (arguments.address, arguments.port)
    held = [socket.create_connection(peer, timeout=10) for _ in range(arguments.connections)]
    print(json.dumps([one.getsockname()[1] for one in held]), flush=True)
    while not ending.reached():
        time.sleep(0.05)
    for one in held:
        one.close()


def requests(arguments):
    """HTTP requests one after the other, each on a connection of its own, with the clock time of
    each start: so that a failure can be held against the time a probe saw it coming."""
    done = []
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        started = time.time()
        done.append({"started": started, "answer": request(arguments.address, arguments.port)})
        time.sleep(1 / arguments.rate)
    return {"requests": done}


def request(address, port):
    """The body of one answer, or None."""
    try:
        with socket.create_connection((address, port), timeout=3) as client:
            client.sendall(b"GET / HTTP/1.0\r\nHost: weir\r\n\r\n")
            answer = b""
            while part := client.recv(4096):
                answer += part
    except OSError:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode().strip() if b" 200 " in head.splitlines()[0] else None


def reset(arguments):
    """One connection that is reset. Its own port is the answer."""
    with socket.create_connection((arguments.address, arguments.port), timeout=10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return client.getsockname()[1]


def collect(arguments):
    """Prints every datagram as a line of hexadecimal digits, until it is ended."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((arguments.address, arguments.port))
    print("ready", flush=True)
    while True:
        print(server.recv(65536).hex(), flush=True)


def flood(arguments):
    """As many small datagrams as this kernel can send, cut from large ones by the kernel."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, FLOOD_BYTES)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    client.connect((arguments.address, arguments.port))
    payload = bytes(FLOOD_BYTES * SEGMENTS)
    sent = refused = 0
    begin = time.monotonic()
    while time.monotonic() - begin < arguments.seconds:
        for _ in range(64):
            try:
                client.send(payload)
                sent += SEGMENTS
            except (ConnectionRefusedError, BlockingIOError, OSError):
                refused += SEGMENTS
    seconds = time.monotonic() - begin
    return {"sent": sent, "refused": refused, "seconds": seconds, "per_second": sent / seconds}


if __name__ == "__main__":
    main()
