"""What is measured, step by step? Each gives rows.

Times are wall clock, from the first byte of a request on its way until the event that says that
the change is in force: published to all workers. A polling worker takes it with its next burst; one
that sleeps wakes within 0.2 ms. The reply comes later, when the change is stored as well.

Not here: what is changed (`document.py`), how rows look (`report.py`).
"""

import gc
import json
import math
import re
import select
import time
from dataclasses import dataclass, field

import document as plan
from processes import Failure

MEBIBYTE = 1 << 20
MEMBER_TARGET_MS = 10
WHOLE_TARGET_MS = 500
# What one more thing to do may do to a probe: noise of a machine that others use, not a change.
PROBE_DELAY_MS = 5
# A thousand a minute.
PACE_SECONDS = 0.06
GENERATION = re.compile(rb'"generation":(\d+)')
REPLY_SECONDS = 30
# Pools with connections whose members must not end while these are counted.
POOLS_WITH_CONNECTIONS = 20


@dataclass
class Row:
    """One line of the table; times in milliseconds."""

    name: str
    times: list = field(default_factory=list)
    # Until the reply, where `times` end before.
    replies: list = field(default_factory=list)
    target: float | None = None
    # Whether what has no time is as it must be.
    holds: bool | None = None
    notes: list = field(default_factory=list)

    @property
    def met(self):
        verdicts = [self.holds] if self.holds is not None else []
        if self.target is not None and self.times:
            verdicts.append(rank(self.times, 0.99) <= self.target)
        return all(verdicts) if verdicts else None


def rank(times, share):
    """The least time that at least this share of all does not exceed."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


class Asking:
    """One connection that is asked in turn, and one that hears what comes in force."""

    def __init__(self, stage):
        self.control, self.events = stage.connect(), stage.connect()
        self.number = 0
        self.hear("configuration")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in (self.control, self.events):
            connection.__exit__()

    def hear(self, topic):
        self.events.call("subscribe", events=[topic])

    def request(self, method, parameters):
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": parameters}
        return json.dumps(request).encode() + b"\n"

    def timed(self, method, parameters):
        """The reply's bytes, and milliseconds until the first event and until the reply. What this
        side writes and reads is not timed."""
        request = self.request(method, parameters)
        reply = event = None
        gc.disable()
        began = time.perf_counter()
        self.control.connection.sendall(request)
        while reply is None:
            both = [self.events.connection, self.control.connection]
            ready, _, _ = select.select(both, [], [], REPLY_SECONDS)
            now = (time.perf_counter() - began) * 1e3
            if not ready:
                raise Failure(f"no reply within {REPLY_SECONDS} s")
            if self.events.connection in ready:
                self.events.lines.readline()
                event = event or now
            else:
                reply = self.control.lines.readline()
                took = (time.perf_counter() - began) * 1e3
        gc.enable()
        if not reply:
            raise Failure("weir closed the control connection")
        return reply, event, took

    def change(self, row, method, parameters, changes=True):
        """A change that must be made, or, if `changes` is false, must be found to be none."""
        reply, event, took = self.timed(method, parameters)
        reply = json.loads(reply)
        result = reply.get("result")
        if result is None:
            raise Failure(f"{method}: {reply.get('error')}")
        if result["changed"] is not changes or (event is not None) is not changes:
            number = len(row.times) + 1
            raise Failure(f"{row.name}, number {number}: changed is {not changes}")
        if changes:
            row.times.append(event)
            row.replies.append(took)
        else:
            row.times.append(took)
        return result


def starts(stage):
    """A small start, the whole from text into it, and a start with the whole; memory beside."""
    small = Row("start with one rule", [stage.start_weir(stage.small) * 1e3])
    before = stage.resident_bytes()
    whole = Row("whole from text, into an empty process", target=WHOLE_TARGET_MS)
    with Asking(stage) as asking:
        asking.change(whole, "apply", {"configuration": stage.whole})
    time.sleep(1)
    after = stage.resident_bytes()
    tables = plan.distinct_tables(stage.whole)
    whole.notes += [
        f"{len(json.dumps(stage.whole)):,} bytes of JSON",
        f"{tables} selection tables of {plan.TABLE_BYTES:,} B: "
        f"{tables * plan.TABLE_BYTES / MEBIBYTE:.1f} MiB",
        say_resident(before, after),
    ]
    stage.weir.process.stop()
    started = Row("start with the whole", [stage.start_weir(stage.whole) * 1e3])
    started.notes.append(
        "from the command to the first answer; resident "
        f"{stage.resident_bytes() / MEBIBYTE:.1f} MiB then"
    )
    return [small, whole, started]


def one_member(stage, asking, effort):
    """One member in one pool."""
    admin, weight = member_row("setMember adminState"), member_row("setMember weight")
    removed, added = member_row("removeMember"), member_row("addMember")
    for number in range(effort.changes):
        pool = number % plan.POOLS
        member = {"pool": plan.pool_id(pool), "member": f"m{number % 8 + 1}"}
        state = "Down" if number // plan.POOLS % 2 == 0 else "None"
        member_again = {"pool": plan.pool_id(pool), "member": f"m{pool % 8 + 1}"}
        asking.change(admin, "setMember", member_again | {"adminState": state})
        asking.change(weight, "setMember", member | {"weight": 2 + number // plan.POOLS})
        leave_and_return(asking, pool, removed, added)
    return [admin, weight, removed, added]


def member_row(name):
    return Row(name, target=MEMBER_TARGET_MS)


def leave_and_return(asking, pool, removed, added):
    """A pool's last member leaves and comes back."""
    last = plan.MEMBERS_OF_A_POOL - 1
    name, member = f"m{last}", plan.address(pool, last)
    of = {"pool": plan.pool_id(pool)}
    asking.change(removed, "removeMember", of | {"member": name})
    asking.change(added, "addMember", of | {"name": name, "ipAddress": member})


def shared_member(stage, asking, effort):
    """One member in all pools: by one `put` of the load balancer, and by a call for each pool."""
    without = plan.without_last(stage.whole)
    # Each and the plain one in turn: the numbers of changes are even.
    named = {
        "adminState": ({"adminState": "Down"}, {}),
        "weight": ({"extensions": {"weight": 2}}, {}),
    }
    asking.change(Row(""), "apply", {"configuration": plan.with_shared(without)})
    stage.wait_until_quiet()
    rows = []
    for what, states in named.items():
        row = member_row(f"in 100 pools, one put: {what}")
        for number in range(effort.shared_changes):
            put(asking, row, plan.with_shared(without, **states[number % 2]))
        rows.append(row)
    calls = Row("in 100 pools, 100 calls: adminState")
    for number in range(effort.rounds):
        calls.times.append(call_for_each_pool(asking, ("Down", "None")[number % 2]))
    calls.notes.append("all 100, one after the other; 100 publications")
    leaves = member_row("in 100 pools, one put: leaves")
    returns = member_row("in 100 pools, one put: returns")
    for _ in range(effort.shared_changes):
        put(asking, leaves, without)
        put(asking, returns, plan.with_shared(without))
    put(asking, Row(""), without)
    return [*rows, leaves, returns, calls]


def put(asking, row, document):
    resource = document["resources"][1]
    asking.change(row, "put", {"id": plan.BALANCER, "resource": resource})


def call_for_each_pool(asking, state):
    """Milliseconds of a hundred calls."""
    row = Row("")
    began = time.perf_counter()
    for pool in range(plan.POOLS):
        member = {"pool": plan.pool_id(pool), "member": plan.SHARED[0]}
        asking.change(row, "setMember", member | {"adminState": state})
    return (time.perf_counter() - began) * 1e3


def wholes(stage, asking, effort):
    """The whole from text, with a change in every pool, and with none."""
    changed = Row("whole from text, a weight in every pool", target=WHOLE_TARGET_MS)
    before = stage.resident_bytes()
    for number in range(effort.wholes):
        document = plan.with_first_weights(stage.whole, 2 + number % 2)
        asking.change(changed, "apply", {"configuration": document})
    changed.notes.append(say_resident(before, stage.resident_bytes()))
    asking.change(Row(""), "apply", {"configuration": stage.whole})
    stage.wait_until_quiet()
    same = Row("whole from text, the same as in force")
    first = stage.generation()
    last = first
    for _ in range(effort.wholes):
        last = asking.change(same, "apply", {"configuration": stage.whole}, changes=False)
    last = last["generation"]
    same.holds = first == last == stage.generation()
    same.notes.append(f"generation {first} before and {last} after: nothing was published")
    return [changed, same]


def flaps(stage, asking, effort):
    """A member answers its probe otherwise: until it is known, and until it is published."""
    told = Row("flap: from answer to event")
    published = Row("flap: from answer to generation, at most")
    asking.hear("health")
    rises = []
    for number in range(effort.flaps):
        generation = read_generation(asking)
        stage.member_peer.say(("refuse", "accept")[number % 2])
        asking.events.lines.readline()
        event = time.monotonic_ns()
        answered = stage.member_peer.answer()["answered"]
        # The other rules of the pool tell the same.
        for _ in range(plan.RULES // plan.POOLS - 1):
            asking.events.lines.readline()
        while (now := read_generation(asking)) == generation:
            pass
        risen = time.monotonic_ns()
        told.times.append((event - answered) / 1e6)
        published.times.append((risen - answered) / 1e6)
        rises.append(now - generation)
    own = rank([asking.timed("status", {})[2] for _ in range(effort.flaps)], 0.5)
    published.notes += [
        f"seen by `status`, whose own time is in it: {own:.1f} ms (p50)",
        f"the generation rose by {min(rises)} to {max(rises)}",
    ]
    return [told, published]


def read_generation(asking):
    reply, _, _ = asking.timed("status", {})
    return int(GENERATION.search(reply)[1])


def a_thousand_in_a_minute(stage, asking, effort):
    """Changes at that rate, with connections through the appliance and probes beside."""
    changes = Row(f"{effort.paced_changes:,} changes at 1,000 a minute", target=MEMBER_TARGET_MS)
    quiet = Row("  probes, while nothing changes")
    probes = Row("  probes meanwhile")
    packets = Row("  packets of connections meanwhile")
    stage.member_peer.ask("probes")
    time.sleep(effort.quiet_seconds)
    undisturbed = stage.member_peer.ask("probes")
    quiet.notes.append(say_probes(undisturbed))
    begun = stage.client_peer.ask("begin")["connections"]
    late = stage.weir.counters()["probes_late"]
    resident = stage.resident_bytes()
    due = time.monotonic()
    for number in range(effort.paced_changes):
        time.sleep(max(0, due - time.monotonic()))
        due += PACE_SECONDS
        one_change(asking, changes, number)
    changes.notes.append(say_resident(resident, stage.resident_bytes()))
    seen = stage.member_peer.ask("probes")
    client = stage.client_peer.ask("end")
    member = stage.member_peer.ask("connections")
    stage.client_peer.ask("close")
    late = stage.weir.counters()["probes_late"] - late
    delay = seen["late_p99_ms"] - undisturbed["late_p99_ms"]
    probes.holds = late == 0 and delay <= PROBE_DELAY_MS
    probes.notes += [
        say_probes(seen),
        f"probes_late rose by {late}; p99 may be {PROBE_DELAY_MS} ms worse than above",
    ]
    faults = {
        name: client[name] + member[name] for name in ("retransmitted", "reordered", "out_of_order")
    }
    packets.holds = not any([*faults.values(), client["wrong"], client["broken"]])
    packets.notes += say_packets(begun, client, member, faults)
    return [quiet, changes, probes, packets]


def one_change(asking, row, number):
    """Of four kinds in turn. Members that leave are of pools without connections."""
    kind, place = number % 4, number // 4
    pool = place % plan.POOLS
    member = {"pool": plan.pool_id(pool), "member": f"m{pool % 8 + 1}"}
    turn = place // plan.POOLS
    if kind == 0:
        asking.change(row, "setMember", member | {"adminState": ("Down", "None")[turn % 2]})
    elif kind == 1:
        asking.change(row, "setMember", member | {"weight": 10 + turn})
    else:
        pools = plan.POOLS - POOLS_WITH_CONNECTIONS
        pool = POOLS_WITH_CONNECTIONS + place % pools
        last = plan.MEMBERS_OF_A_POOL - 1
        of = {"pool": plan.pool_id(pool)}
        if kind == 2:
            asking.change(row, "removeMember", of | {"member": f"m{last}"})
        else:
            added = {"name": f"m{last}", "ipAddress": plan.address(pool, last)}
            asking.change(row, "addMember", of | added)


def say_resident(before, after):
    return f"resident {before / MEBIBYTE:.1f} MiB before, {after / MEBIBYTE:.1f} MiB after"


def say_probes(seen):
    late = f"{seen['late_p99_ms']:.1f} ms (p99), {seen['late_max_ms']:.1f} ms (max)"
    return f"{seen['probes']:,} came; later than their interval by {late}"


def say_packets(begun, client, member, faults):
    segments = client["sent"] + member["sent"]
    return [
        f"{begun} connections, {client['messages']:,} messages of 64 B, {client['echoed']:,} came "
        f"back, {client['wrong']} wrong; the longest took {client['longest_ms']:.1f} ms",
        f"of {segments:,} segments {faults['retransmitted']} were sent again, "
        f"{faults['out_of_order']} came out of order",
        *client["broken"],
    ]
