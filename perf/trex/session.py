"""In which order is what sent, and what must come of each step?

    open      a SYN of every flow           ► the members: learns each flow's member
    accept    a SYN-ACK of every flow       ◄ the members
    data      a packet of every flow and length, both ways, every byte checked
    load      both ways at once for some seconds at each rate: counted, timed, order checked
    data      again: every flow still has its member

UDP has no first two steps; its first data packets tell the members.

Not here: the packets (`profile_flows.py`), the comparison (`checks.py`), the table (`report.py`).
"""

from dataclasses import dataclass

import checks
import frames
import network
from appliance import Tally
from processes import Failure

CLIENTS, MEMBERS = 0, 1
# Slow enough for TRex's capture on a processor that it shares.
TOUR_PPS = 20_000
TIMED_PPS = 100
# A load ends by TRex's clock, which runs behind when its processor is wanted elsewhere.
LATE_SECONDS = 30
# Marks by which TRex counts packets where they arrive, by sender.
TIMED = {CLIENTS: 1, MEMBERS: 2}
COUNTED = {CLIENTS: 3, MEMBERS: 4}
SENDERS = {CLIENTS: "requests", MEMBERS: "replies"}


@dataclass
class Tour:
    """One packet of every flow in one direction, checked."""

    name: str
    direction: str
    length: int
    verdict: checks.Verdict


@dataclass
class Trial:
    """One direction of a load: what TRex's streams offered and what came out of Weir. Above what it
    can do, TRex counts packets that its port never sent."""

    direction: str
    offered: int
    not_sent: int
    forwarded: int
    timed: dict

    @property
    def lost(self):
        """Exact while `not_sent` is 0, else too high by the ARP packets of the load."""
        return self.offered - self.not_sent - self.forwarded

    @property
    def lost_percent(self):
        return 100 * self.lost / self.offered if self.offered else 0.0


@dataclass
class Load:
    """Both directions at once, and Weir's own account of that time."""

    requested_pps: int
    seconds: int
    trials: list
    tally: Tally


class Session:
    """The steps of a run with one protocol."""

    def __init__(self, generator, appliance, profile, flows, imix):
        self.generator = generator
        self.appliance = appliance
        self.profile = profile
        self.flows = flows
        self.sizes = profile.sizes(imix)
        self.owners = {}
        self.timed_owner = None

    @property
    def members(self):
        return self.appliance.members

    def answer_arp(self):
        """All the time, beside everything else: the kernel asks again now and then."""
        arp, mine = self.profile.arp_reply, network
        router = [arp(mine.ROUTER, mine.ROUTER_MAC, mine.WEIR_FRONT, mine.WEIR_FRONT_MAC)]
        members = [
            arp(member.address, member.mac, mine.WEIR_BACK, mine.WEIR_BACK_MAC)
            for member in self.members
        ]
        self.generator.start_streams({f"{CLIENTS}.arp": router, f"{MEMBERS}.arp": members})

    def tours(self, name):
        """Both directions once for each length."""
        for length, _ in self.sizes:
            yield self.request_tour(name, length=length)
            yield self.reply_tour(name, length=length)

    def open(self):
        yield self.request_tour("open", flags=frames.SYN)
        yield self.reply_tour("accept", flags=frames.SYN | frames.ACK)

    def request_tour(self, name, length=frames.SHORTEST, **fields):
        streams = self.profile.requests(
            self.flows, TOUR_PPS, once=True, length=length, **fields
        )
        received = self.generator.send({f"{CLIENTS}.tour": streams}, MEMBERS, self.capture_limit())
        numbers = self.profile.numbers(self.flows, length)
        verdict = checks.requests(
            self.flows, numbers, self.members, received, self.owners, length=length, **fields
        )
        return Tour(name, "requests", length, verdict)

    def reply_tour(self, name, length=frames.SHORTEST, **fields):
        streams = self.profile.replies(
            self.flows, self.owners, TOUR_PPS, once=True, length=length, **fields
        )
        received = self.generator.send({f"{MEMBERS}.tour": streams}, CLIENTS, self.capture_limit())
        numbers = self.profile.numbers(self.flows, length)
        verdict = checks.replies(
            self.flows, numbers, self.owners, received, length=length, **fields
        )
        return Tour(name, "replies", length, verdict)

    def capture_limit(self):
        """Room for twice what is sent, so that duplicates are seen, and for ARP."""
        return 2 * self.flows.count + 1000

    def learn_timed_owner(self):
        """Which member has the flow of the time-stamped packets."""
        probe = self.profile.timed_probe()
        received = self.generator.send({f"{CLIENTS}.tour": probe}, MEMBERS, limit=100)
        self.timed_owner = checks.timed_owner(self.members, received)
        if not self.timed_owner:
            raise Failure("the datagrams of the timed flow reach no member")

    def load(self, pps, seconds):
        """Both directions at `pps` each."""
        client = self.generator.client
        streams = self.load_streams(pps)
        before = self.appliance.tally()
        client.clear_stats()
        self.generator.start_streams(streams, seconds)
        self.generator.wait_for_end(streams, seconds + LATE_SECONDS)
        counted = client.get_pgid_stats()
        ports, tally = client.get_stats(), self.appliance.tally().since(before)
        self.generator.remove_streams(streams)
        trials = [trial(counted, ports, sender) for sender in (CLIENTS, MEMBERS)]
        return Load(pps, seconds, trials, tally)

    def load_streams(self, pps):
        """Streams by port: those that are counted, and the timed ones."""
        profile, bulk = self.profile, pps - TIMED_PPS
        requests = [profile.timed_request(TIMED_PPS, TIMED[CLIENTS])]
        replies = [profile.timed_reply(self.timed_owner, TIMED_PPS, TIMED[MEMBERS])]
        for length, share in self.sizes:
            requests += profile.requests(
                self.flows, bulk * share, count_as=profile.counted(COUNTED[CLIENTS]), length=length
            )
            replies += profile.replies(
                self.flows,
                self.owners,
                bulk * share,
                count_as=profile.counted(COUNTED[MEMBERS]),
                length=length,
            )
        return {f"{CLIENTS}.load": requests, f"{MEMBERS}.load": replies}


def trial(counted, ports, sender):
    """One direction's figures from TRex's, by mark and by port."""
    receiver = MEMBERS if sender == CLIENTS else CLIENTS
    offered = forwarded = 0
    for mark in (COUNTED[sender], TIMED[sender]):
        stream = counted["flow_stats"][mark]
        offered += stream["tx_pkts"].get(sender, 0)
        forwarded += stream["rx_pkts"].get(receiver, 0)
    not_sent = max(0, offered - ports[sender]["opackets"])
    timed = timed_figures(counted["latency"][TIMED[sender]])
    return Trial(SENDERS[sender], offered, not_sent, forwarded, timed)


def timed_figures(stream):
    """Latency in microseconds, and what the sequence numbers say."""
    latency, errors = stream["latency"], stream["err_cntrs"]
    return {
        "latency_us": {
            "min": latency["total_min"],
            "average": round(latency["average"]),
            "max": latency["total_max"],
        },
        "lost": errors["dropped"],
        "out_of_order": errors["out_of_order"] + errors["seq_too_low"],
        "duplicated": errors["dup"],
    }
