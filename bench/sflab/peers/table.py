"""Medians and spread of the rounds, peers side by side."""

import statistics

# (key, what it is, format). In the order of the table; a row that no peer has is left out.
ROWS = [
    ("calls_per_second", "calls/s at the maximum", "{:,.0f}"),
    ("macswap", "testpmd macswap on the port, frames/s", "{:,.0f}"),
    ("share", "  share of it at the maximum", "{:.1%}"),
    ("rate", "fixed rate of the rows below, calls/s", "{:,.0f}"),
    ("cpu_us", "CPU per call, us", "{:,.2f}"),
    ("common_cpu_us", "  at the common rate, us", "{:,.1f}"),
    ("kernel_share", "  of it in the kernel", "{:.0%}"),
    ("polling_us", "  with idle polling, us", "{:,.1f}"),
    ("softirq_us", "ksoftirqd per call, us", "{:,.2f}"),
    ("generator_us", "generator's work per call, us", "{:,.1f}"),
    ("database_us", "database's CPU per call, us", "{:,.1f}"),
    ("database_writes", "database writes per call", "{:,.2f}"),
    ("added_p50", "INVITE in to INVITE out, p50, us", "{:,.0f}"),
    ("added_p99", "INVITE in to INVITE out, p99, us", "{:,.0f}"),
    ("answer_p50", "INVITE to its 200, p50, us", "{:,.0f}"),
    ("answer_p99", "INVITE to its 200, p99, us", "{:,.0f}"),
    ("failed", "failed calls at the fixed rate", "{:,.0f}"),
    ("bytes_per_dialog", "bytes per held dialog", "{:,.0f}"),
]
_RATIOS = [("calls_per_second", "calls/s"), ("cpu_us", "CPU per call"), ("common_cpu_us", "CPU per call at the common rate"), ("bytes_per_dialog", "bytes per held dialog")]


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def summarize(results: dict[str, list[dict]]) -> dict[str, dict]:
    """results: rounds by peer; each round has some of the keys."""
    return {peer: {key: spread(values) for key, _, _ in ROWS if (values := [r[key] for r in rounds if key in r])} for peer, rounds in results.items()}


def _cell(found: dict | None, form: str) -> str:
    if not found:
        return "-"
    median = form.format(found["median"])
    if len(found["values"]) == 1 or found["min"] == found["max"]:
        return median
    return f"{median} ({form.format(found['min'])} to {form.format(found['max'])})"


def lines(summary: dict[str, dict], labels: dict[str, str]) -> list[str]:
    table = [["", *(labels[peer] for peer in summary)]]
    for key, what, form in ROWS:
        if any(key in of for of in summary.values()):
            table.append([what, *(_cell(of.get(key), form) for of in summary.values())])
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    out = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))) for row in table]
    rule = "-" * len(out[0])
    return [rule, out[0], rule, *out[1:], rule]


def ratios(results: dict[str, list[dict]], labels: dict[str, str], reference: str) -> list[str]:
    """Of the reference to each other peer, formed inside a round: the machine's bad minutes hit both."""
    out = []
    for peer, rounds in results.items():
        if peer == reference:
            continue
        for key, what in _RATIOS:
            pairs = [(a[key], b[key]) for a, b in zip(results[reference], rounds) if key in a and b.get(key)]
            if pairs:
                found = spread([a / b for a, b in pairs])
                out.append(f"{what}: {labels[reference]} / {labels[peer]} = {_cell(found, '{:,.2f}')}")
    return out
