"""Tables of medians and spread on standard output."""

import statistics


def cell(values: list[float], form: str) -> str:
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def table(rows: list[list[str]]):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print("  ".join(value.rjust(width) for value, width in zip(row, widths)))
        if number == 0:
            print("-" * (sum(widths) + 2 * (len(widths) - 1)))
