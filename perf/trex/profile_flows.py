"""What does TRex send? A stateless profile: many flows to one frontend, and their replies.

Port 0 sends requests: the field engine counts through the clients' ports and, each time they wrap,
on to the next address, so `flows.count` packets are exactly one of every flow. Port 1 sends
replies: which member a flow has is Weir's choice, so the replies of a member are a list, learnt
from the requests that it received. Long frames have no field engine: see `WHOLE_MAX`. The console
can load this file too (requests only):

    start -f profile_flows.py -p 0 -t --flows 4096 --protocol tcp --imix

Not here: when what is sent and what is checked (`session.py`).
"""

import argparse
import sys
from ipaddress import IPv4Address
from pathlib import Path

from trex.stl.api import (
    CTRexVmInsFixHwCs,
    STLFlowLatencyStats,
    STLFlowStats,
    STLPktBuilder,
    STLScVmRaw,
    STLStream,
    STLStreamDstMAC_PKT,
    STLTXCont,
    STLTXSingleBurst,
    STLVmFixChecksumHw,
    STLVmFlowVar,
    STLVmWrFlowVar,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))
import frames  # noqa: E402
import network  # noqa: E402

SOURCE_ADDRESS = 26
DESTINATION_ADDRESS = 30
SOURCE_PORT = 34
# Of a longer frame the field engine changes a copy of the head and chains the rest to it. TRex's
# memif driver never takes back the flag that chains two buffers of the ring: from the ring's second
# turn on, its peer takes whole packets for chained ones and receives without end. Hence longer
# frames are sent as they are, by one stream a flow, and not of every flow.
WHOLE_MAX = 128
LONG_FLOWS_MAX = 64
# TRex takes no stream of more than a megabyte of JSON; a value of a list is some 20 bytes of it.
VALUES_MAX = 16_384
L4_TYPES = {
    "tcp": CTRexVmInsFixHwCs.L4_TYPE_TCP,
    "udp": CTRexVmInsFixHwCs.L4_TYPE_UDP,
}


def stream(packet, mode, program=None, count_as=None):
    """A stream that sends `packet` with its own MAC addresses."""
    return STLStream(
        packet=STLPktBuilder(pkt_buffer=packet, vm=program, remove_fcs=False),
        mode=mode,
        flow_stats=count_as,
        mac_src_override_by_pkt=True,
        mac_dst_override_mode=STLStreamDstMAC_PKT,
    )


def checksums(protocol):
    """TRex computes both checksums after the field engine, in software where a port cannot."""
    return STLVmFixChecksumHw(
        l3_offset=frames.ETHERNET,
        l4_offset=frames.ETHERNET + frames.IP,
        l4_type=L4_TYPES[protocol],
    )


def numbers(flows, length):
    """The flows that have packets of this length: all, or a few of long ones."""
    if length <= WHOLE_MAX:
        return range(flows.count)
    return range(0, flows.count, -(-flows.count // LONG_FLOWS_MAX))


def requests(flows, pps, once=False, count_as=None, length=frames.SHORTEST, **fields):
    """Streams that send `pps` packets a second in all, in the order of the flows' numbers; with
    `once`, one packet of each flow."""
    if length <= WHOLE_MAX:
        packets = flows.count if once else None
        packet = request_packet(flows, 0, length=length, **fields)
        program = STLScVmRaw([*client_variables(flows), checksums(flows.protocol)])
        return [stream(packet, pace(pps, packets), program, count_as)]
    some = numbers(flows, length)
    mode = pace(pps / len(some), 1 if once else None)
    return [
        stream(request_packet(flows, number, length=length, **fields), mode, count_as=count_as)
        for number in some
    ]


def request_packet(flows, number, **fields):
    address, port = flows.client(number)
    return frames.request(flows.protocol, address, port, **fields).bytes()


def client_variables(flows):
    """The port counts up; when it wraps, so does the address."""
    last_port = network.FIRST_CLIENT_PORT + flows.ports - 1
    last_address = flows.first_address + flows.addresses - 1
    return [
        STLVmFlowVar(
            "port",
            min_value=network.FIRST_CLIENT_PORT,
            max_value=last_port,
            size=2,
            op="inc",
            next_var="address",
        ),
        STLVmFlowVar(
            "address",
            min_value=flows.first_address,
            max_value=last_address,
            size=4,
            op="inc",
        ),
        STLVmWrFlowVar("address", SOURCE_ADDRESS),
        STLVmWrFlowVar("port", SOURCE_PORT),
    ]


def replies(flows, owners, pps, once=False, count_as=None, length=frames.SHORTEST, **fields):
    """The same in the other direction, each flow's packets from the member that `owners` has for
    its number."""
    some = [number for number in numbers(flows, length) if number in owners]
    if length > WHOLE_MAX:
        mode = pace(pps / len(some), 1 if once else None)
        return [
            stream(
                reply_packet(flows, owners[number], number, length=length, **fields),
                mode,
                count_as=count_as,
            )
            for number in some
        ]
    return [
        stream(
            reply_packet(flows, member, mine[0], length=length, **fields),
            pace(pps * len(mine) / len(some), len(mine) if once else None),
            reply_program(flows, mine),
            count_as,
        )
        for member, mine in parts_of_members(some, owners)
    ]


def parts_of_members(some, owners):
    """Each member with the numbers of its flows, in parts that fit into one list."""
    by_member = {}
    for number in some:
        by_member.setdefault(owners[number], []).append(number)
    for member, mine in by_member.items():
        for first in range(0, len(mine), VALUES_MAX):
            yield member, mine[first : first + VALUES_MAX]


def reply_packet(flows, member, number, **fields):
    address, port = flows.client(number)
    return frames.reply(flows.protocol, member, address, port, **fields).bytes()


def reply_program(flows, mine):
    """From the destination address on, eight bytes hold all that differs between two flows of a
    member, with the member's own port in their middle: one variable, taken from a list."""
    values = [reply_value(flows, number) for number in mine]
    return STLScVmRaw(
        [
            STLVmFlowVar("client", size=8, op="inc", value_list=values),
            STLVmWrFlowVar("client", DESTINATION_ADDRESS),
            checksums(flows.protocol),
        ]
    )


def reply_value(flows, number):
    """Destination address, source port and destination port of a flow's replies, as one number."""
    address, port = flows.client(number)
    member_port = network.MEMBER_PORTS[flows.protocol]
    return int(IPv4Address(address)) << 32 | member_port << 16 | port


def timed_request(pps, count_as):
    """Requests of one flow of its own that carry a time stamp and a sequence number."""
    return stream(timed_packet(), pace(pps), count_as=STLFlowLatencyStats(pg_id=count_as))


def timed_probe():
    """The same few packets without a stamp: where they arrive, the stamped ones will."""
    return [stream(timed_packet(), pace(10, 3))]


def timed_packet():
    # TRex stamps the payload after checksums are made: these datagrams have none.
    client, port = network.TIMED_CLIENT, network.TIMED_CLIENT_PORT
    return frames.request("udp", client, port, checksummed=False).bytes()


def timed_reply(member, pps, count_as):
    """The same in the other direction."""
    client, port = network.TIMED_CLIENT, network.TIMED_CLIENT_PORT
    packet = frames.reply("udp", member, client, port, checksummed=False).bytes()
    return stream(packet, pace(pps), count_as=STLFlowLatencyStats(pg_id=count_as))


def arp_reply(owner, owner_mac, asker, asker_mac):
    """One answer a second: TRex answers ARP for one address a port, and members are many."""
    packet = frames.arp_reply(owner, owner_mac, asker, asker_mac)
    return stream(packet, pace(1))


def counted(number):
    """Packets of a stream with this mark are counted by TRex where they are received."""
    return STLFlowStats(pg_id=number)


def pace(pps, packets=None):
    """So many packets a second, to a number of packets or without end."""
    if packets is None:
        return STLTXCont(pps=pps)
    return STLTXSingleBurst(total_pkts=packets, pps=pps)


def sizes(imix):
    """Frame lengths, and the share of the packets that each has."""
    mix = frames.IMIX if imix else ((frames.SHORTEST, 1),)
    whole = sum(parts for _, parts in mix)
    return [(length, parts / whole) for length, parts in mix]


class FlowsProfile:
    """For TRex's console."""

    def get_streams(self, direction, tunables, **_options):
        parser = argparse.ArgumentParser(prog="profile_flows.py")
        parser.add_argument("--flows", type=int, default=4096)
        parser.add_argument("--protocol", choices=sorted(frames.PROTOCOLS), default="tcp")
        parser.add_argument("--imix", action="store_true")
        parser.add_argument("--pps", type=float, default=1000)
        options = parser.parse_args(tunables)
        if direction != 0:
            return []
        flows = network.Flows(options.protocol, options.flows)
        return [
            one
            for length, share in sizes(options.imix)
            for one in requests(flows, options.pps * share, length=length)
        ]


def register():
    return FlowsProfile()
