"""Is what TRex received what it had to receive, and was it the same member as before?

A tour sends one packet of every flow. Each received frame names its flow by the client's address
and port; the frame that this flow must have become is computed and compared byte by byte.

Not here: the frames (`frames.py`), and the order of the tours (`session.py`).
"""

from collections import Counter
from dataclasses import dataclass, field

import frames
import network

EXAMPLES_MAX = 5


@dataclass
class Verdict:
    """What a tour's receiver got."""

    expected: int
    received: int = 0
    missing: int = 0
    duplicated: int = 0
    # Of flows that nobody sent, or on the wrong port.
    strange: int = 0
    # To another member than the flow had before.
    moved: int = 0
    wrong_fields: Counter = field(default_factory=Counter)
    examples: list = field(default_factory=list)

    @property
    def passed(self):
        faults = (self.missing, self.duplicated, self.strange, self.moved)
        return not any(faults) and not self.wrong_fields

    def note(self, sentence):
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(sentence)

    def receive(self, protocol, received):
        """The frames of this protocol, each with its ends, counted."""
        for data in received:
            flow = frames.ends_of(data)
            if flow is not None and flow.protocol == protocol:
                self.received += 1
                yield flow, data

    def hold_against(self, flow, data, expected):
        wrong = frames.differences(flow.protocol, data, expected)
        self.wrong_fields.update(wrong)
        if wrong:
            self.note(f"{flow}: {', '.join(wrong)}: {data[:64].hex()}")

    def count_flows(self, seen):
        self.missing = self.expected - len(seen)
        self.duplicated = sum(count - 1 for count in seen.values())


def requests(flows, numbers, members, received, owners, **fields):
    """Frames that arrived at the members, of the flows `numbers`. `owners` holds the member of
    each flow; a flow that is not in it gets its member from here."""
    verdict = Verdict(len(numbers))
    by_address = {member.address: member for member in members}
    seen = Counter()
    for flow, data in verdict.receive(flows.protocol, received):
        number = flows.number(flow.source, flow.source_port)
        member = by_address.get(flow.destination)
        if number not in numbers or member is None:
            verdict.strange += 1
            verdict.note(f"{flow}: no flow or member of ours")
            continue
        seen[number] += 1
        sent = frames.request(flow.protocol, flow.source, flow.source_port, **fields)
        verdict.hold_against(flow, data, frames.forwarded_request(sent, member).bytes())
        if owners.setdefault(number, member) != member:
            verdict.moved += 1
            verdict.note(f"{flow}: went to {owners[number].address} before")
    verdict.count_flows(seen)
    return verdict


def replies(flows, numbers, owners, received, **fields):
    """Frames that arrived at the clients, sent by the owners of the flows `numbers`."""
    verdict = Verdict(len(numbers))
    seen = Counter()
    for flow, data in verdict.receive(flows.protocol, received):
        number = flows.number(flow.destination, flow.destination_port)
        if number not in numbers or number not in owners:
            verdict.strange += 1
            verdict.note(f"{flow}: no flow of ours")
            continue
        seen[number] += 1
        client, port = flow.destination, flow.destination_port
        sent = frames.reply(flow.protocol, owners[number], client, port, **fields)
        verdict.hold_against(flow, data, frames.forwarded_reply(sent).bytes())
    verdict.count_flows(seen)
    return verdict


def timed_owner(members, received):
    """The member that the time-stamped requests reach, or None when none arrived."""
    by_address = {member.address: member for member in members}
    for data in received:
        flow = frames.ends_of(data)
        if flow and (flow.source, flow.source_port) == TIMED:
            return by_address.get(flow.destination)
    return None


def shares(members, owners):
    """How many flows each member has, most first."""
    counts = Counter(member.address for member in owners.values())
    return {member.address: counts[member.address] for member in members}


TIMED = (network.TIMED_CLIENT, network.TIMED_CLIENT_PORT)
