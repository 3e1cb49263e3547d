"""How are more connections held than one process may have files for?

    Crowd ──pipe── 8 processes, each with both ends of its share

Every process has a listening socket of its own in the world outside, and destinations of its own.
Towards one destination, the callers' ends are in a process of their own: `called`.

Not here: what a socket is made of (`sockets.py`).
"""

import collections
import contextlib
import multiprocessing
import resource
import select
import signal
import socket
import time

import sockets
from processes import Failure

PROCESSES = 8
# So many packets of each process are under way at once: a TAP's queue holds a thousand.
BURST = 64
BURST_SECONDS = 0.005
FIRST_PORT = 7000
# Beside the connections' own: what the test runner has open.
SPARE_FILES = 500
ANSWER_SECONDS = 60
PR_SET_PDEATHSIG = 1


class Crowd:
    """Connections from one namespace to many destinations in another, all open at once."""

    def __init__(self, clients, outside, destinations, each):
        self.shares = []
        for number in range(PROCESSES):
            here, there = multiprocessing.Pipe()
            share = Share(clients, outside, destinations[number::PROCESSES], each, number)
            process = multiprocessing.Process(target=serve, args=(share, there), daemon=True)
            process.start()
            there.close()
            self.shares.append((process, here))

    def open(self):
        """Opens every connection; returns how often the world outside sees each address and
        port."""
        return sum(self.ask("open"), collections.Counter())

    def exchange(self):
        """Every connection carries bytes of its own there and back; returns how many did."""
        return sum(self.ask("exchange"))

    def end(self):
        """Resets every connection, and ends the processes."""
        for _, pipe in self.shares:
            with contextlib.suppress(OSError):
                pipe.send("end")
        for process, pipe in self.shares:
            process.join(ANSWER_SECONDS)
            if process.exitcode is None:
                process.kill()
            pipe.close()
        self.shares = []

    def ask(self, word):
        for _, pipe in self.shares:
            pipe.send(word)
        return [self.answer(word, pipe) for _, pipe in self.shares]

    def answer(self, word, pipe):
        if not pipe.poll(ANSWER_SECONDS):
            raise Failure(f"a process of the crowd does not answer `{word}`")
        try:
            answer = pipe.recv()
        except EOFError:
            raise Failure(f"a process of the crowd has died of `{word}`") from None
        if isinstance(answer, Exception):
            raise Failure(f"`{word}` of the crowd: {answer!r}") from answer
        return answer


@contextlib.contextmanager
def called(namespace, listening, number):
    """So many connections to one listening socket, open during the block: how often it sees each
    address and port. Those for which nobody answers are missing."""
    allow_files(number + SPARE_FILES)
    here, there = multiprocessing.Pipe()
    arguments = (namespace, listening.getsockname(), number, there)
    caller = multiprocessing.Process(target=call, args=arguments, daemon=True)
    caller.start()
    there.close()
    accepted, seen = [], collections.Counter()
    try:
        with contextlib.suppress(TimeoutError):
            while len(accepted) < number:
                server, address = listening.accept()
                accepted.append(server)
                seen[address] += 1
        yield seen
    finally:
        here.send("end")
        caller.join(ANSWER_SECONDS)
        reset_slowly(accepted)


def call(namespace, address, number, pipe):
    """What the callers' process does: it holds its connections until it is told to end."""
    sockets.LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    allow_files(number + SPARE_FILES)
    clients = []
    with sockets.inside(namespace):
        for places in bursts(range(number)):
            clients += [calling(address) for _ in places]
            for client in clients[-len(places) :]:
                wait_until_connected(client)
    pipe.recv()
    reset_slowly(clients)


def wait_until_connected(client):
    """Not select: it knows no descriptor beyond 1,023."""
    poll = select.poll()
    poll.register(client, select.POLLOUT)
    poll.poll(sockets.REPLY_SECONDS * 1000)


def calling(address):
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    client.connect_ex(address)
    return client


def serve(share, pipe):
    """What a process of the crowd does, until it is told to end."""
    sockets.LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    while (word := pipe.recv()) != "end":
        try:
            pipe.send(getattr(share, word)())
        except Exception as failure:
            pipe.send(failure)
    reset_slowly(share.clients)
    reset_slowly(share.servers)


class Share:
    """What one process has of a crowd."""

    def __init__(self, namespace, outside, destinations, each, number):
        self.namespace = namespace
        self.outside = outside
        self.port = FIRST_PORT + number
        self.towards = [address for address in destinations for _ in range(each)]
        self.clients = []
        self.servers = []

    def open(self):
        allow_files(2 * len(self.towards) + SPARE_FILES)
        seen = collections.Counter()
        listening = sockets.listen(self.outside, "0.0.0.0", self.port)
        with listening, sockets.inside(self.namespace):
            for addresses in bursts(self.towards):
                seen.update(self.open_burst(listening, addresses))
        return seen

    def open_burst(self, listening, addresses):
        self.clients += [calling((address, self.port)) for address in addresses]
        for _ in addresses:
            server, seen = listening.accept()
            self.servers.append(server)
            yield seen

    def exchange(self):
        """Who is connected to a wrong server gets bytes that are another's."""
        carried = 0
        for places in bursts(range(len(self.clients))):
            for place in places:
                client, server = self.clients[place], self.servers[place]
                client.settimeout(sockets.REPLY_SECONDS)
                server.settimeout(sockets.REPLY_SECONDS)
                client.sendall(place.to_bytes(4, "big"))
            for place in places:
                self.servers[place].sendall(sockets.read(self.servers[place], 4))
            for place in places:
                carried += sockets.read(self.clients[place], 4) == place.to_bytes(4, "big")
        return carried


def bursts(everything):
    return (everything[start : start + BURST] for start in range(0, len(everything), BURST))


def reset_slowly(connections):
    """A reset that is lost, of both ends, leaves a connection to its idle timeout."""
    for some in bursts(connections):
        sockets.reset(*some)
        time.sleep(BURST_SECONDS)


def allow_files(number):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        raise Failure(f"a process may open {hard} files, and {number} are needed: ulimit -Hn")
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
