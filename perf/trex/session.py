"""In which order is what sent, and what must come of each step?

    open      a SYN of every flow           ► the members: learns each flow's member
    accept    a SYN-ACK of every flow       ◄ the members
    data      a packet of every flow and length, both ways, every byte checked
    load      both ways at once for some seconds at each rate: counted, timed, order checked
    data      again: every flow still has its member

UDP has no first two steps; its first data packets tell the members.

Not here: the packets (`profile_flows.py`), the comparison (`checks.py`), the table (`report.py`).
"""

from dataclasses import dataclass, field

import checks
import frames
import network

CLIENTS, MEMBERS = 0, 1
# Slow enough for TRex's capture on a processor that it shares.
TOUR_PPS = 20_000
TIMED_PPS = 100
# A load ends by TRex's clock, which runs behind when its processor is wanted elsewhere.
LATE_SECONDS = 30
TIMED_REQUESTS, TIMED_REPLIES, FIRST_COUNTED = 1, 2, 10
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
    """One direction of a load: what was sent and what came out of Weir."""

    direction: str
    requested_pps: int
    seconds: float
    sent: int
    forwarded: int
    timed: dict
    drops: dict = field(default_factory=dict)

    @property
    def lost(self):
        return self.sent - self.forwarded

    @property
    def lost_percent(self):
        return 100 * self.lost / self.sent if self.sent else 0.0


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

    def request_tour(self, name, **fields):
        mode = self.profile.burst(self.flows.count, TOUR_PPS)
        streams = [self.profile.requests(self.flows, mode, **fields)]
        received = self.generator.send({f"{CLIENTS}.tour": streams}, MEMBERS, self.capture_limit())
        verdict = checks.requests(self.flows, self.members, received, self.owners, **fields)
        return Tour(name, "requests", fields.get("length", frames.SHORTEST), verdict)

    def reply_tour(self, name, **fields):
        streams = [
            self.profile.replies(
                self.flows,
                member,
                numbers,
                self.profile.burst(len(numbers), TOUR_PPS * len(numbers) / len(self.owners)),
                **fields,
            )
            for member, numbers in self.flows_of_members()
        ]
        received = self.generator.send({f"{MEMBERS}.tour": streams}, CLIENTS, self.capture_limit())
        verdict = checks.replies(self.flows, self.owners, received, **fields)
        return Tour(name, "replies", fields.get("length", frames.SHORTEST), verdict)

    def capture_limit(self):
        """Room for twice what is sent, so that duplicates are seen, and for ARP."""
        return 2 * self.flows.count + 1000

    def flows_of_members(self):
        """Members that have flows, each with the numbers of its own."""
        numbers = {}
        for number, member in sorted(self.owners.items()):
            numbers.setdefault(member, []).append(number)
        return numbers.items()

    def learn_timed_owner(self):
        """Which member has the flow of the time-stamped packets."""
        request = self.profile.timed_probe()
        received = self.generator.send({f"{CLIENTS}.tour": [request]}, MEMBERS, limit=100)
        self.timed_owner = checks.timed_owner(self.members, received)

    def load(self, pps, seconds):
        """Both directions at `pps` each; one trial a direction."""
        client = self.generator.client
        streams, marks = self.load_streams(pps)
        drops_before = self.appliance.drops()
        client.clear_stats()
        self.generator.start_streams(streams, seconds)
        self.generator.wait_for_end(streams, seconds + LATE_SECONDS)
        counted = client.get_pgid_stats()
        self.generator.remove_streams(streams)
        drops = difference(self.appliance.drops(), drops_before)
        return [
            trial(counted, sender, marks[sender], pps, seconds, drops)
            for sender in (CLIENTS, MEMBERS)
        ]

    def load_streams(self, pps):
        """Streams by port, and the marks that their packets are counted by."""
        profile = self.profile
        marks = {CLIENTS: [], MEMBERS: []}

        def mark(port):
            marks[port].append(FIRST_COUNTED + sum(map(len, marks.values())))
            return profile.counted(marks[port][-1])

        bulk = pps - TIMED_PPS
        requests = [
            profile.requests(
                self.flows, profile.endless(bulk * share), mark(CLIENTS), length=length
            )
            for length, share in self.sizes
        ]
        replies = [
            profile.replies(
                self.flows,
                member,
                numbers,
                profile.endless(bulk * share * len(numbers) / len(self.owners)),
                mark(MEMBERS),
                length=length,
            )
            for member, numbers in self.flows_of_members()
            for length, share in self.sizes
        ]
        requests.append(profile.timed_request(TIMED_PPS, TIMED_REQUESTS))
        replies.append(profile.timed_reply(self.timed_owner, TIMED_PPS, TIMED_REPLIES))
        return {f"{CLIENTS}.load": requests, f"{MEMBERS}.load": replies}, marks


def trial(counted, sender, marks, pps, seconds, drops):
    """One direction's figures from TRex's."""
    receiver = MEMBERS if sender == CLIENTS else CLIENTS
    timed_mark = TIMED_REQUESTS if sender == CLIENTS else TIMED_REPLIES
    sent = forwarded = 0
    for mark in [*marks, timed_mark]:
        stream = counted["flow_stats"][mark]
        sent += stream["tx_pkts"].get(sender, 0)
        forwarded += stream["rx_pkts"].get(receiver, 0)
    timed = timed_figures(counted["latency"][timed_mark])
    return Trial(SENDERS[sender], pps, seconds, sent, forwarded, timed, drops)


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


def difference(after, before):
    """What grew, by name."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}
