"""What is measured, step by step? Each gives rows.

Times are wall clock, from the first byte of a request on its way to the last byte of its reply,
in which the appliance says that the workers have the change and that it is stored.

Not here: what is changed (`document.py`), how rows look (`report.py`).
"""

import gc
import json
import re
import time
from dataclasses import dataclass, field

import document as plan
from processes import Failure

MEBIBYTE = 1 << 20
MEMBER_TARGET_MS = 10
WHOLE_TARGET_MS = 500
# A thousand a minute.
PACE_SECONDS = 0.06
GENERATION = re.compile(rb'"generation":(\d+)')
FLAP_SECONDS = 10
# Pools with connections whose members must not end while these are counted.
POOLS_WITH_CONNECTIONS = 20


@dataclass
class Row:
    """One line of the table; times in milliseconds."""

    name: str
    times: list = field(default_factory=list)
    # Until the snapshot was published, as the replies say; whole milliseconds.
    published: list = field(default_factory=list)
    target: float | None = None
    # Whether what has no time is as it must be.
    holds: bool | None = None
    notes: list = field(default_factory=list)

    def rank(self, share):
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def met(self):
        verdicts = [self.holds] if self.holds is not None else []
        if self.target is not None and self.times:
            verdicts.append(self.rank(0.99) <= self.target)
        return all(verdicts) if verdicts else None


class Asking:
    """One connection that is asked in turn, and how long each answer took."""

    def __init__(self, stage):
        self.control = stage.connect()
        self.number = 0

    def timed(self, method, parameters):
        """The reply's bytes and milliseconds. What this side writes and reads is not timed."""
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": parameters}
        line = json.dumps(request).encode() + b"\n"
        gc.disable()
        began = time.perf_counter()
        self.control.connection.sendall(line)
        reply = self.control.lines.readline()
        took = (time.perf_counter() - began) * 1e3
        gc.enable()
        if not reply:
            raise Failure("weir closed the control connection")
        return reply, took

    def change(self, row, method, parameters, changes=True):
        """A change that must be made, or, if `changes` is false, must be found to be none."""
        reply, took = self.timed(method, parameters)
        reply = json.loads(reply)
        result = reply.get("result")
        if result is None:
            raise Failure(f"{method}: {reply.get('error')}")
        if result["changed"] is not changes:
            said = f"{row.name}, number {len(row.times) + 1}: changed is {not changes}"
            raise Failure(said)
        row.times.append(took)
        row.published.append(result["milliseconds"])
        return result


def starts(stage):
    """A small start, the whole from text into it, and a start with the whole; memory beside."""
    small = Row("start with one rule", [stage.start_weir(stage.small) * 1e3])
    before = stage.resident_bytes()
    asking = Asking(stage)
    whole = Row("whole from text, into an empty process", target=WHOLE_TARGET_MS)
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


def one_member(stage, effort):
    """One member in one pool."""
    asking = Asking(stage)
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


def shared_member(stage, effort):
    """One member in all pools: by one `put` of the load balancer, and by a call for each pool."""
    asking = Asking(stage)
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
    calls = Row("in 100 pools, 100 setMember calls: adminState")
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


def wholes(stage, effort):
    """The whole from text, with a change in every pool, and with none."""
    asking = Asking(stage)
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


def flaps(stage, effort):
    """A member answers its probe otherwise: until it is known, and until it is published."""
    told = Row("flap: answer to event")
    published = Row("flap: answer to generation, at most")
    asking, status = Asking(stage), Asking(stage)
    asking.timed("subscribe", {"events": ["health"]})
    asking.control.connection.settimeout(FLAP_SECONDS)
    rises = []
    for number in range(effort.flaps):
        generation = read_generation(status)
        stage.member_peer.say(("refuse", "accept")[number % 2])
        asking.control.lines.readline()
        event = time.monotonic_ns()
        answered = stage.member_peer.answer()["answered"]
        while (now := read_generation(status)) == generation:
            pass
        risen = time.monotonic_ns()
        told.times.append((event - answered) / 1e6)
        published.times.append((risen - answered) / 1e6)
        rises.append(now - generation)
        drain(asking)
    own = sorted(status.timed("status", {})[1] for _ in range(effort.flaps))
    published.notes += [
        f"seen by `status`, whose own time is in it: {own[len(own) // 2]:.1f} ms (p50)",
        f"the generation rose by {min(rises)} to {max(rises)}",
    ]
    return [told, published]


def read_generation(asking):
    reply, _ = asking.timed("status", {})
    return int(GENERATION.search(reply)[1])


def drain(asking):
    """Reads the events of the member's other rules."""
    for _ in range(plan.RULES // plan.POOLS - 1):
        asking.control.lines.readline()


def a_thousand_in_a_minute(stage, effort):
    """Changes at that rate, with connections through the appliance and probes beside."""
    asking = Asking(stage)
    changes = Row(f"{effort.paced_changes:,} changes at 1,000 a minute", target=MEMBER_TARGET_MS)
    quiet = Row("  probes, while nothing changes")
    probes = Row("  probes meanwhile", holds=False)
    packets = Row("  packets of connections meanwhile", holds=False)
    stage.member_peer.ask("probes")
    time.sleep(effort.quiet_seconds)
    quiet.notes.append(say_probes(stage.member_peer.ask("probes")))
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
    probes.holds = late == 0
    probes.notes += [say_probes(seen), f"probes_late rose by {late}"]
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
    if not seen["probes"]:
        return "no probe came twice"
    return (
        f"{seen['probes']:,} came; later than their interval by {seen['late_p99_ms']:.1f} ms (p99), "
        f"{seen['late_max_ms']:.1f} ms (max)"
    )


def say_packets(begun, client, member, faults):
    segments = client["sent"] + member["sent"]
    return [
        f"{begun} connections, {client['messages']:,} messages of 64 B, {client['echoed']:,} came "
        f"back, {client['wrong']} wrong; the longest took {client['longest_ms']:.1f} ms",
        f"of {segments:,} segments {faults['retransmitted']} were sent again, "
        f"{faults['out_of_order']} came out of order",
        *client["broken"],
    ]
