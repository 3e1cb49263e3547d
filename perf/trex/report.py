"""How does a run look to a person, and to a program?

Not here: what the figures mean (`README.md`).
"""

import json

TOUR_COLUMNS = ("step", "direction", "frame", "expected", "received", "result")
TRIAL_COLUMNS = (
    "direction",
    "asked pps",
    "sent pps",
    "out pps",
    "sent",
    "out",
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


def trial_row(trial):
    latency = trial.timed["latency_us"]
    return (
        trial.direction,
        trial.requested_pps,
        round(trial.sent / trial.seconds),
        round(trial.forwarded / trial.seconds),
        trial.sent,
        trial.forwarded,
        trial.lost,
        trial.lost_percent,
        trial.timed["out_of_order"],
        trial.timed["duplicated"],
        f"{latency['min']:,} / {latency['average']:,} / {latency['max']:,}",
    )


def tours_table(tours):
    return table(TOUR_COLUMNS, [tour_row(tour) for tour in tours])


def trials_table(trials):
    return table(TRIAL_COLUMNS, [trial_row(trial) for trial in trials])


def drops_lines(trials):
    """Reasons by which Weir itself dropped packets, once for each load."""
    return [
        f"at {trial.requested_pps:,} pps Weir dropped {count:,}: {reason}"
        for trial in trials
        if trial.direction == "requests"
        for reason, count in sorted(trial.drops.items())
    ]


def failures(tours, trials, loss_allowed_percent):
    """Every check that failed, in a sentence each; an empty list is a good run."""
    sentences = []
    for tour in tours:
        if not tour.verdict.passed:
            what = f"{tour.name}, {tour.direction} of {tour.length + 4} bytes"
            sentences.append(f"{what}: {result(tour.verdict)}")
            sentences += [f"  {example}" for example in tour.verdict.examples]
    for trial in trials:
        what = f"load at {trial.requested_pps:,} pps, {trial.direction}"
        if trial.sent == 0:
            sentences.append(f"{what}: TRex sent nothing")
        if trial.lost_percent > loss_allowed_percent:
            sentences.append(
                f"{what}: lost {trial.lost:,} of {trial.sent:,} "
                f"({trial.lost_percent:.3f} %, allowed {loss_allowed_percent} %)"
            )
        if trial.lost < 0:
            sentences.append(f"{what}: {-trial.lost:,} packets more came out than went in")
        for name in ("out_of_order", "duplicated"):
            if trial.timed[name]:
                sentences.append(f"{what}: {trial.timed[name]} {name.replace('_', ' ')}")
    return sentences


def document(run):
    """The run as JSON."""
    return json.dumps(run, indent=2, sort_keys=True) + "\n"


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


def trial_object(trial):
    return {
        "direction": trial.direction,
        "requested_pps": trial.requested_pps,
        "seconds": trial.seconds,
        "sent": trial.sent,
        "forwarded": trial.forwarded,
        "lost": trial.lost,
        "timed": trial.timed,
        "drops": trial.drops,
    }
