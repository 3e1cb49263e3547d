"""Which addresses and flows are between TRex and Weir?

                      ┌─────────────── Weir ───────────────┐
    TRex port 0 ─memif┤ front 198.51.100.1   back 10.0.0.1 ├memif─ TRex port 1
    a router, behind  │    frontend 203.0.113.10           │      the members
    it the clients    └────────────────────────────────────┘      10.0.0.11, .12, …
    198.18.0.1, …

A flow is a client's address and port. They are numbered, so that a table of flows is a table of
numbers and every figure of a run can be told before it.

Not here: the packets of a flow (`frames.py`), and how Weir is told of all this (`appliance.py`).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

FRONTEND = "203.0.113.10"
WEIR_FRONT = "198.51.100.1"
WEIR_BACK = "10.0.0.1"
ROUTER = "198.51.100.254"
FIRST_MEMBER = "10.0.0.11"
FIRST_CLIENT = "198.18.0.1"
FIRST_CLIENT_PORT = 1024

WEIR_FRONT_MAC = "02:00:00:00:01:01"
WEIR_BACK_MAC = "02:00:00:00:02:01"
ROUTER_MAC = "02:00:00:00:01:fe"

# Ports of the frontend and of the members, by protocol.
FRONTEND_PORTS = {"tcp": 80, "udp": 53}
MEMBER_PORTS = {"tcp": 8080, "udp": 5353}

# A port for the packets that carry time stamps, so that no counted flow is one of theirs.
TIMED_CLIENT = "198.19.255.1"
TIMED_CLIENT_PORT = 4000

# An address has this many flows before the next one begins.
FLOWS_PER_ADDRESS = 256
# A tour of so many is captured whole by TRex, which keeps 9 KiB for each packet of a capture.
FLOWS_MAX = 65_280
MEMBERS_MAX = 64


@dataclass(frozen=True)
class Member:
    """A server of the pool: TRex answers for it, with a MAC address of its own."""

    address: str
    mac: str


def members(count):
    """The first `count` members, 1 to `MEMBERS_MAX`."""
    first = int(IPv4Address(FIRST_MEMBER))
    return [
        Member(str(IPv4Address(first + number)), f"02:00:00:00:03:{number:02x}")
        for number in range(count)
    ]


@dataclass(frozen=True)
class Flows:
    """`count` flows of one protocol: every client's address with each of its ports."""

    protocol: str
    count: int

    def __post_init__(self):
        if not 1 <= self.count <= FLOWS_MAX:
            raise ValueError(f"between 1 and {FLOWS_MAX} flows, not {self.count}")
        if self.count > FLOWS_PER_ADDRESS and self.count % FLOWS_PER_ADDRESS:
            raise ValueError(
                f"above {FLOWS_PER_ADDRESS} flows, a multiple of it: not {self.count}"
            )

    @property
    def addresses(self):
        return max(1, self.count // FLOWS_PER_ADDRESS)

    @property
    def ports(self):
        return min(self.count, FLOWS_PER_ADDRESS)

    @property
    def first_address(self):
        return int(IPv4Address(FIRST_CLIENT))

    def client(self, number):
        """Address and port of a flow."""
        address, port = divmod(number, self.ports)
        return str(IPv4Address(self.first_address + address)), FIRST_CLIENT_PORT + port

    def number(self, address, port):
        """The flow of an address and port, or None when no flow has them."""
        row = int(IPv4Address(address)) - self.first_address
        column = port - FIRST_CLIENT_PORT
        if 0 <= row < self.addresses and 0 <= column < self.ports:
            return row * self.ports + column
        return None
