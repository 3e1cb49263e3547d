"""How does a run look to a person, and to a program?

Not here: what the figures mean (`README.md`).
"""

import json

TOUR_COLUMNS = ("step", "direction", "frame", "expected", "received", "result")
TRIAL_COLUMNS = (
    "direction",
    "asked pps",
    "out pps",
    "offered",
    "not sent",
    "forwarded",
    "lost",
    "lost %",
    "reordered",
    "duplicated",
    "latency min/avg/max µs",
)


def table(columns, rows):
    """Columns as wide as their widest cell; numbers to the right, words to the left."""
    cells = [list(columns)] + [[cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    right = [
        bool(rows) and all(isinstance(row[column], (int, float)) for row in rows)
        for column in range(len(columns))
    ]
    lines = [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right)
        ).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def cell(value):
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def tour_row(tour):
    verdict = tour.verdict
    # Lengths are told as on the wire, with the frame check sequence.
    length = tour.length + 4
    return (tour.name, tour.direction, length, verdict.expected, verdict.received, result(verdict))


def result(verdict):
    """One line: right, or everything that is not."""
    if verdict.passed:
        return "right in every byte"
    faults = [
        f"{count} {name}"
        for name, count in (
            ("missing", verdict.missing),
            ("duplicated", verdict.duplicated),
            ("strange", verdict.strange),
            ("moved to another member", verdict.moved),
        )
        if count
    ]
    faults += [f"{count} with a wrong {name}" for name, count in verdict.wrong_fields.items()]
    return "WRONG: " + ", ".join(faults)


def trial_row(load, trial):
    latency = trial.timed["latency_us"]
    return (
        trial.direction,
        load.requested_pps,
        round(trial.forwarded / load.seconds),
        trial.offered,
        trial.not_sent,
        trial.forwarded,
        trial.lost,
        trial.lost_percent,
        trial.timed["out_of_order"],
        trial.timed["duplicated"],
        f"{latency['min']:,} / {latency['average']:,} / {latency['max']:,}",
    )


def tours_table(tours):
    return table(TOUR_COLUMNS, [tour_row(tour) for tour in tours])


def loads_table(loads):
    rows = [trial_row(load, trial) for load in loads for trial in load.trials]
    return table(TRIAL_COLUMNS, rows)


def drops_lines(loads):
    """Reasons by which Weir itself dropped packets."""
    return [
        f"at {load.requested_pps:,} pps Weir dropped {count:,}: {reason}"
        for load in loads
        for reason, count in sorted(load.tally.drops.items())
    ]


def failures(tours, loads, loss_allowed_percent):
    """Every check that failed, in a sentence each; an empty list is a good run."""
    sentences = []
    for tour in tours:
        if not tour.verdict.passed:
            what = f"{tour.name}, {tour.direction} of {tour.length + 4} bytes"
            sentences.append(f"{what}: {result(tour.verdict)}")
            sentences += [f"  {example}" for example in tour.verdict.examples]
    for load in loads:
        what = f"load at {load.requested_pps:,} pps"
        if vanished := load.tally.vanished:
            sentences.append(f"{what}: {vanished:,} packets vanished in Weir, without a reason")
        for trial in load.trials:
            faults = trial_failures(trial, loss_allowed_percent)
            sentences += [f"{what}, {trial.direction}: {fault}" for fault in faults]
    return sentences


def trial_failures(trial, loss_allowed_percent):
    if trial.offered == 0:
        yield "TRex sent nothing"
    if trial.not_sent:
        yield f"TRex could not send {trial.not_sent:,} of {trial.offered:,}: ask for less"
    if trial.lost_percent > loss_allowed_percent:
        yield (
            f"lost {trial.lost:,} of {trial.offered:,} "
            f"({trial.lost_percent:.3f} %, allowed {loss_allowed_percent} %)"
        )
    if trial.lost < 0:
        yield f"{-trial.lost:,} packets more came out than went in"
    for name in ("out_of_order", "duplicated"):
        if trial.timed[name]:
            yield f"{trial.timed[name]} {name.replace('_', ' ')}"


def document(figures, options, failed):
    """The run as JSON."""
    run = {
        "protocol": options.protocol,
        "flows": options.flows.count,
        "imix": options.imix,
        "workers": options.workers,
        "idle": options.idle,
        "flows_of_members": figures.shares,
        "flow_records": figures.flow_records,
        "tours": [tour_object(tour) for tour in figures.tours],
        "loads": [load_object(load) for load in figures.loads],
        "failures": failed,
    }
    return json.dumps(run, indent=2) + "\n"


def tour_object(tour):
    verdict = tour.verdict
    return {
        "step": tour.name,
        "direction": tour.direction,
        "frame_bytes": tour.length + 4,
        "expected": verdict.expected,
        "received": verdict.received,
        "missing": verdict.missing,
        "duplicated": verdict.duplicated,
        "strange": verdict.strange,
        "moved": verdict.moved,
        "wrong_fields": dict(verdict.wrong_fields),
        "passed": verdict.passed,
    }


def load_object(load):
    return {
        "requested_pps": load.requested_pps,
        "seconds": load.seconds,
        "drops": load.tally.drops,
        "vanished": load.tally.vanished,
        "directions": {
            trial.direction: {
                "offered": trial.offered,
                "not_sent": trial.not_sent,
                "forwarded": trial.forwarded,
                "lost": trial.lost,
                "timed": trial.timed,
            }
            for trial in load.trials
        },
    }
