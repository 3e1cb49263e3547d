"""How do the rows look to a person, and to a program?

Not here: what they mean (`perf/results/README.md`).
"""

import json
import os
import textwrap
from pathlib import Path

COLUMNS = 100


def machine(dpdk):
    """The first line, as of the other tables."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.split(": ", 1)[1] for line in cpu.splitlines() if line.startswith("model name")]
    load = os.getloadavg()
    return (
        f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} processors, "
        f"kernel {os.uname().release}, {dpdk}; ordinary pages (--no-huge)\n"
        f"load when it began {load[0]:.1f} (1 min), {load[1]:.1f} (5 min); two workers; wall clock, "
        "milliseconds from request to reply"
    )


def head():
    names = ("count", "p50", "p99", "max", "published", "target", "")
    return f"{'what':<46}" + "".join(f"{name:>{width}}" for name, width in zip(names, WIDTHS))


WIDTHS = (6, 8, 8, 8, 10, 7, 7)


def lines(row):
    """A row and its notes."""
    cells = ["–"] * 5
    if row.times:
        ranks = [row.rank(0.5), row.rank(0.99), max(row.times)]
        cells[:4] = [str(len(row.times)), *map(number, ranks)]
    if row.published:
        cells[4] = str(sorted(row.published)[len(row.published) // 2])
    cells.append("–" if row.target is None else str(row.target))
    cells.append({None: "", True: "met", False: "MISSED"}[row.met])
    text = f"{row.name:<46}" + "".join(f"{it:>{width}}" for it, width in zip(cells, WIDTHS))
    notes = textwrap.wrap("; ".join(row.notes), COLUMNS - 4)
    return "\n".join([text.rstrip(), *("    " + line for line in notes)])


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def document(machine_line, rows):
    return json.dumps({"machine": machine_line.split("\n"), "rows": list(map(as_json, rows))}, indent=2)


def as_json(row):
    times = {}
    if row.times:
        times = {
            "count": len(row.times),
            "p50_milliseconds": round(row.rank(0.5), 3),
            "p99_milliseconds": round(row.rank(0.99), 3),
            "max_milliseconds": round(max(row.times), 3),
        }
    return {
        "name": row.name.strip(),
        **times,
        "target_milliseconds": row.target,
        "met": row.met,
        "notes": row.notes,
    }
