"""What is in a frame before Weir, and what must be in it after?

    request   client:port  ► frontend:80    to Weir      becomes   client:port ► member:8080
    reply     member:8080  ► client:port    to Weir      becomes   frontend:80 ► client:port

The frame expected behind Weir is computed anew, checksums from nothing, so that it shares no
arithmetic with the appliance; a received frame must be the same in every byte.

Not here: which flows there are (`network.py`), and sending and receiving (`generator.py`).
"""

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import network

ETHERNET = 14
IP = 20
TIME_TO_LIVE = 64
PROTOCOLS = {"tcp": 6, "udp": 17}
# Lengths without the frame check sequence, which no virtual device carries.
SHORTEST = 60
LONGEST = 1514
# The usual mix: seven short, four middle, one long.
IMIX = ((60, 7), (590, 4), (1514, 1))
CHECKSUM_OFFSETS = {"tcp": 16, "udp": 6}

FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclass(frozen=True)
class Frame:
    """The fields that Weir may change, and those that it must not."""

    protocol: str
    source_mac: str
    destination_mac: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    flags: int = ACK
    time_to_live: int = TIME_TO_LIVE
    length: int = SHORTEST
    # A UDP sender may leave the checksum out; a translator must not put one in.
    checksummed: bool = True

    def bytes(self):
        """The frame as it is on the wire."""
        payload_length = self.length - ETHERNET - IP - transport_length(self.protocol)
        transport = self.transport(payload_of(payload_length))
        ethernet = mac(self.destination_mac) + mac(self.source_mac) + b"\x08\x00"
        return ethernet + self.ip_header(len(transport)) + transport

    def ip_header(self, transport_bytes):
        fields = (0x45, 0, IP + transport_bytes, 1, 0x4000, self.time_to_live)
        addresses = ip(self.source) + ip(self.destination)
        head = struct.pack("!BBHHHBB", *fields, PROTOCOLS[self.protocol])
        return head + struct.pack("!H", checksum(head + b"\0\0" + addresses)) + addresses

    def transport(self, payload):
        ports = (self.source_port, self.destination_port)
        if self.protocol == "tcp":
            words = (1000, 2000, 5 << 4, self.flags, 0xFFFF, 0, 0)
            segment = struct.pack("!HHIIBBHHH", *ports, *words) + payload
        else:
            segment = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
        if not self.checksummed:
            return segment
        pseudo = ip(self.source) + ip(self.destination)
        pseudo += struct.pack("!BBH", 0, PROTOCOLS[self.protocol], len(segment))
        value = checksum(pseudo + segment)
        if self.protocol == "udp" and value == 0:
            value = 0xFFFF
        at = CHECKSUM_OFFSETS[self.protocol]
        return segment[:at] + struct.pack("!H", value) + segment[at + 2 :]


def request(protocol, client, port, **fields):
    """A client's frame on its way to Weir."""
    return Frame(
        protocol,
        network.ROUTER_MAC,
        network.WEIR_FRONT_MAC,
        client,
        port,
        network.FRONTEND,
        network.FRONTEND_PORTS[protocol],
        **fields,
    )


def forwarded_request(frame, member):
    """The same frame as `member` must see it."""
    return replace(
        frame,
        source_mac=network.WEIR_BACK_MAC,
        destination_mac=member.mac,
        destination=member.address,
        destination_port=network.MEMBER_PORTS[frame.protocol],
        time_to_live=frame.time_to_live - 1,
    )


def reply(protocol, member, client, port, **fields):
    """A member's frame on its way to Weir."""
    return Frame(
        protocol,
        member.mac,
        network.WEIR_BACK_MAC,
        member.address,
        network.MEMBER_PORTS[protocol],
        client,
        port,
        **fields,
    )


def forwarded_reply(frame):
    """The same frame as the client must see it."""
    return replace(
        frame,
        source_mac=network.WEIR_FRONT_MAC,
        destination_mac=network.ROUTER_MAC,
        source=network.FRONTEND,
        source_port=network.FRONTEND_PORTS[frame.protocol],
        time_to_live=frame.time_to_live - 1,
    )


def arp_reply(owner, owner_mac, asker, asker_mac):
    """`owner` is at `owner_mac`, said to `asker`; padded to the shortest frame."""
    ethernet = mac(asker_mac) + mac(owner_mac) + b"\x08\x06"
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    body += mac(owner_mac) + ip(owner) + mac(asker_mac) + ip(asker)
    return (ethernet + body).ljust(SHORTEST, b"\0")


@dataclass(frozen=True)
class Ends:
    """What tells a received frame's flow."""

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int

    def __str__(self):
        source, destination = (f"{self.source}:{self.source_port}", self.destination)
        return f"{self.protocol} {source} -> {destination}:{self.destination_port}"


def ends_of(data):
    """The ends of a TCP or UDP frame over IPv4; None for every other frame (ARP, ICMP, …)."""
    if len(data) < ETHERNET + IP + 4 or data[12:14] != b"\x08\x00" or data[14] != 0x45:
        return None
    protocol = {number: name for name, number in PROTOCOLS.items()}.get(data[23])
    if protocol is None:
        return None
    source_port, destination_port = struct.unpack_from("!HH", data, ETHERNET + IP)
    source, destination = (str(IPv4Address(data[at : at + 4])) for at in (26, 30))
    return Ends(protocol, source, source_port, destination, destination_port)


# Where each field of a frame begins, for both protocols.
COMMON_FIELDS = (
    (0, "destination MAC"),
    (6, "source MAC"),
    (12, "EtherType"),
    (14, "IP version, type of service or length"),
    (18, "IP identification or fragment"),
    (22, "time to live"),
    (23, "IP protocol"),
    (24, "IP checksum"),
    (26, "source address"),
    (30, "destination address"),
    (34, "source port"),
    (36, "destination port"),
)
TRANSPORT_FIELDS = {
    "tcp": ((38, "TCP sequence, flags or window"), (50, "TCP checksum"), (52, "urgent pointer")),
    "udp": ((38, "UDP length"), (40, "UDP checksum")),
}


def differences(protocol, received, expected):
    """The names of the fields in which a received frame is not what it must be."""
    if len(received) != len(expected):
        return [f"length {len(received)} instead of {len(expected)}"]
    if received == expected:
        return []
    payload = (ETHERNET + IP + transport_length(protocol), "payload")
    fields = [*COMMON_FIELDS, *TRANSPORT_FIELDS[protocol], payload]
    bounds = [start for start, _ in fields[1:]] + [len(expected)]
    return [
        name
        for (start, name), end in zip(fields, bounds)
        if received[start:end] != expected[start:end]
    ]


def checksum(data):
    """The Internet checksum (RFC 1071) of some bytes."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport_length(protocol):
    return 20 if protocol == "tcp" else 8


def payload_of(length):
    """A pattern without a period of two bytes, which a checksum would not see swapped."""
    return bytes((number * 7 + (number >> 8)) & 0xFF for number in range(length))


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ip(text):
    return IPv4Address(text).packed
