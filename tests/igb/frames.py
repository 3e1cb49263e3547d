"""How are frames made, read and answered? Ethernet, ARP, IPv4, IPv6, TCP and UDP.

Not here: where they go (`guest.py`).
"""

import ipaddress
import struct
from collections import namedtuple

SMALLEST = 60
TCP, UDP = 6, 17
SYN, ACK = 2, 16

Segment = namedtuple("Segment", "source destination ports flags ttl checksums_right macs")


def mac_of(address):
    """The Ethernet address of a host on a wire."""
    return b"\x02\x00" + ipaddress.ip_address(address).packed[-4:]


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def frame(macs, ends, ports, number=0, protocol=TCP, flags=SYN, spoil=()):
    """One frame from `ends[0]` to `ends[1]`. `spoil` names checksums that shall be wrong: `ip`,
    `transport`. `number` is the identification of IPv4 and the flow label of IPv6."""
    source, destination = (ipaddress.ip_address(end) for end in ends)
    addresses = source.packed + destination.packed
    payload = b"weir" * 4
    if protocol == TCP:
        body = struct.pack("!HHIIBBHHH", *ports, number, 1, 5 << 4, flags, 65535, 0, 0) + payload
        at = 16
    else:
        body = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
        at = 6
    pseudo = addresses + struct.pack("!II", len(body), protocol)
    wrong = 0x1111 if "transport" in spoil else 0
    value = checksum(pseudo + body) ^ wrong
    body = body[:at] + struct.pack("!H", value) + body[at + 2 :]
    if source.version == 4:
        fields = (0x45, 0, 20 + len(body), number, 0x4000, 64, protocol)
        header = struct.pack("!BBHHHBB", *fields)
        wrong = 0x1111 if "ip" in spoil else 0
        value = checksum(header + bytes(2) + addresses) ^ wrong
        packet, kind = header + struct.pack("!H", value) + addresses + body, 0x0800
    else:
        header = struct.pack("!IHBB", 6 << 28 | number, len(body), protocol, 64)
        packet, kind = header + addresses + body, 0x86DD
    return (macs[1] + macs[0] + struct.pack("!H", kind) + packet).ljust(SMALLEST, b"\0")


def segment(data):
    """What an IPv4 frame with TCP or UDP says."""
    header, length = data[14:34], struct.unpack("!H", data[16:18])[0]
    body = data[34 : 14 + length]
    pseudo = header[12:20] + struct.pack("!II", len(body), header[9])
    right = checksum(header) == 0 and checksum(pseudo + body) == 0
    source, destination = (str(ipaddress.ip_address(header[at : at + 4])) for at in (12, 16))
    ports = struct.unpack("!HH", body[:4])
    flags = body[13] if header[9] == TCP else 0
    return Segment(source, destination, ports, flags, header[8], right, (data[6:12], data[:6]))


def is_ours(data):
    """Whether a frame is IPv4 with TCP or UDP: no ARP, no discovery by the guest's kernel."""
    return data[12:14] == b"\x08\x00" and data[23] in (TCP, UDP)


def arp_answer(data, addresses):
    """The answer to an ARP request for one of `addresses`."""
    if data[12:14] != b"\x08\x06" or data[20:22] != b"\x00\x01":
        return None
    wanted = str(ipaddress.ip_address(data[38:42]))
    if wanted not in addresses:
        return None
    mac, asker = mac_of(wanted), data[22:32]
    answer = asker[:6] + mac + data[12:20] + b"\x00\x02" + mac + data[38:42] + asker
    return answer.ljust(SMALLEST, b"\0")
