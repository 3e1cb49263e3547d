"""How do the rows look to a person, and to a program?

Not here: what they mean (`perf/results/README.md`).
"""

import json
import os
import textwrap
from pathlib import Path

from steps import rank

COLUMNS = 100


def machine(dpdk):
    """The first line, as of the other tables."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.split(": ", 1)[1] for line in cpu.splitlines() if line.startswith("model name")]
    load = os.getloadavg()
    return (
        f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} processors, "
        f"kernel {os.uname().release}, {dpdk}; ordinary pages (--no-huge)\n"
        f"load when it began {load[0]:.1f} (1 min), {load[1]:.1f} (5 min); two workers\n"
        "wall clock, milliseconds: from request until in force, and until the reply (stored, too)"
    )


def head():
    names = ("count", "p50", "p99", "max", "reply", "its p99", "target", "")
    return cells("what", names)


def lines(row):
    """A row and its notes."""
    shown = ["–"] * 7 + [{None: "", True: "met", False: "MISSED"}[row.met]]
    if row.times:
        ranks = [rank(row.times, 0.5), rank(row.times, 0.99), max(row.times)]
        shown[:4] = [str(len(row.times)), *map(number, ranks)]
    if row.replies:
        shown[4:6] = number(rank(row.replies, 0.5)), number(rank(row.replies, 0.99))
    if row.target is not None:
        shown[6] = str(row.target)
    notes = textwrap.wrap("; ".join(row.notes), COLUMNS - 4)
    return "\n".join([cells(row.name, shown), *("    " + line for line in notes)])


def cells(name, others):
    """A line of the table: words to the left, numbers to the right."""
    return (f"{name:<40}" + "".join(map(str.rjust, others, WIDTHS))).rstrip()


WIDTHS = (5, 8, 8, 8, 9, 8, 7, 7)


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def document(first_lines, rows):
    figures = {"machine": first_lines.split("\n"), "rows": list(map(as_json, rows))}
    return json.dumps(figures, indent=2) + "\n"


def as_json(row):
    return {
        "name": row.name.strip(),
        "count": len(row.times),
        "milliseconds": ranks(row.times),
        "reply_milliseconds": ranks(row.replies),
        "target_milliseconds": row.target,
        "met": row.met,
        "notes": row.notes,
    }


def ranks(times):
    if not times:
        return None
    found = {"p50": rank(times, 0.5), "p99": rank(times, 0.99), "max": max(times)}
    return {name: round(value, 3) for name, value in found.items()}
