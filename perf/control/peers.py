"""What is at the two ends of the appliance? Members that are probed and echo, clients that ask.

    peers.py members    answers probes and echoes, as every member at once
    peers.py clients    connections through the appliance that send numbered messages

Each reads a command a line, and answers every command by one line of JSON.

Not here: who sends the commands (`stage.py`).
"""

import asyncio
import json
import math
import socket
import struct
import sys
import time

import document as plan

PROBE_PORTS = range(plan.FIRST_PORT, plan.FIRST_PORT + plan.POOLS)
# Rules of the first pools that no probe shares a port with.
ECHO_PORTS = range(plan.FIRST_PORT + plan.POOLS, plan.FIRST_PORT + plan.POOLS + 20)
BACKLOG = 1024
MESSAGE = struct.Struct("!Q56x")
MESSAGE_EVERY_SECONDS = 0.02
# Where the counts stand in the kernel's `struct tcp_info`.
TCP_INFO_BYTES = 232
TCP_INFO = {
    "retransmitted": 100,
    "sent": 136,
    "received": 140,
    "reordered": 220,
    "out_of_order": 224,
}


def tell(**what):
    print(json.dumps(what), flush=True)


def tcp_counts(connections):
    """Sums over connections, of the kernel's own account of segments."""
    sums = dict.fromkeys(TCP_INFO, 0)
    for connection in connections:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        for name, offset in TCP_INFO.items():
            sums[name] += struct.unpack_from("=I", info, offset)[0]
    return sums


class Probes:
    """When each probe came, and how much later than its interval after the one before."""

    def __init__(self):
        self.last = {}
        self.forget()
        # The one member whose answer is being changed, its new one, and whether that was given.
        self.refused = None
        self.is_changing = False

    def forget(self):
        self.late = []

    def came(self, member, port):
        now = time.monotonic()
        before = self.last.get((member, port))
        self.last[member, port] = now
        # The last member of a pool comes and goes, and begins a new rhythm each time.
        is_watched = not member.endswith(f".{plan.MEMBERS_OF_A_POOL}") and member != plan.SHARED[1]
        if before is not None and is_watched:
            interval = plan.TCP_INTERVAL_S
            if port == plan.FIRST_PORT:
                interval = plan.HTTP_INTERVAL_MS / 1000
            self.late.append(now - before - interval)

    def report(self):
        late = sorted(self.late)
        count = len(late)
        self.forget()
        rank = min(count - 1, count * 99 // 100)
        p99, most = (late[rank] * 1e3, late[-1] * 1e3) if late else (math.inf, math.inf)
        return {"probes": count, "late_p99_ms": p99, "late_max_ms": most}


class TcpProbe(asyncio.Protocol):
    """Takes a connection and closes it when the other side has."""

    def __init__(self, probes):
        self.probes = probes

    def connection_made(self, transport):
        self.transport = transport
        self.probes.came(*transport.get_extra_info("sockname"))


class HttpProbe(TcpProbe):
    """Says 200, or 503 as the member that is refused."""

    def data_received(self, _):
        member, _ = self.transport.get_extra_info("sockname")
        refused = member == self.probes.refused
        line = b"503 Unavailable" if refused else b"200 OK"
        self.transport.write(b"HTTP/1.1 " + line + b"\r\nContent-Length: 0\r\n\r\n")
        answered = time.monotonic_ns()
        self.transport.close()
        if self.probes.is_changing and member == plan.address(0, 0):
            self.probes.is_changing = False
            tell(answered=answered)


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def __init__(self, connections):
        self.connections = connections

    def connection_made(self, transport):
        self.transport = transport
        self.socket = transport.get_extra_info("socket")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(self.socket)

    def data_received(self, data):
        self.transport.write(data)

    def connection_lost(self, _):
        self.connections.discard(self.socket)


async def members():
    loop = asyncio.get_running_loop()
    probes, connections = Probes(), set()
    for port in PROBE_PORTS:
        kind = HttpProbe if port == plan.FIRST_PORT else TcpProbe
        make = lambda kind=kind: kind(probes)  # noqa: E731
        await loop.create_server(make, "0.0.0.0", port, backlog=BACKLOG)
    for port in ECHO_PORTS:
        await loop.create_server(lambda: Echo(connections), "0.0.0.0", port, backlog=BACKLOG)
    tell(ready=True)
    async for command in commands():
        match command:
            case "refuse" | "accept":
                probes.refused = plan.address(0, 0) if command == "refuse" else None
                probes.is_changing = True  # answered when the change has been seen
            case "probes":
                tell(**probes.report())
            case "connections":
                tell(**tcp_counts(connections))


class Client:
    """One connection that sends a numbered message now and then and awaits each echo."""

    def __init__(self):
        self.sent = self.echoed = self.wrong = 0
        self.longest = 0.0
        self.connection = None

    async def run(self, port, stop):
        reader, writer = await asyncio.open_connection(plan.FRONTEND, port)
        self.connection = writer.get_extra_info("socket")
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not stop.is_set():
            self.sent += 1
            began = time.monotonic()
            writer.write(MESSAGE.pack(self.sent))
            (number,) = MESSAGE.unpack(await reader.readexactly(MESSAGE.size))
            self.longest = max(self.longest, time.monotonic() - began)
            self.echoed += 1
            self.wrong += number != self.sent
            await asyncio.sleep(MESSAGE_EVERY_SECONDS)
        return writer


async def clients():
    stop = asyncio.Event()
    tell(ready=True)
    running, every, living = [], [], []
    async for command in commands():
        match command:
            case "begin":
                every = [Client() for _ in ECHO_PORTS]
                stop.clear()
                pairs = zip(every, ECHO_PORTS)
                running = [asyncio.create_task(one.run(port, stop)) for one, port in pairs]
                while not all(one.echoed or task.done() for one, task in zip(every, running)):
                    await asyncio.sleep(0.01)
                tell(connections=sum(bool(one.echoed) for one in every))
            case "end":
                stop.set()
                ended = await asyncio.gather(*running, return_exceptions=True)
                broken = [one for one in ended if isinstance(one, Exception)]
                living = [writer for writer in ended if not isinstance(writer, Exception)]
                counts = tcp_counts(one.get_extra_info("socket") for one in living)
                tell(
                    messages=sum(one.sent for one in every),
                    echoed=sum(one.echoed for one in every),
                    wrong=sum(one.wrong for one in every),
                    longest_ms=max(one.longest for one in every) * 1e3,
                    broken=[repr(one) for one in broken],
                    **counts,
                )
            case "close":
                for writer in living:
                    writer.close()
                tell()


async def commands():
    """Lines from stdin, until whoever sends them is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


if __name__ == "__main__":
    asyncio.run({"members": members, "clients": clients}[sys.argv[1]]())
