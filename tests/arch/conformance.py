#!/usr/bin/env python3
"""Holds docs/CONFORMANCE.md to the tests: every row is there once, in order, with a test or marked OPEN, and every test it names exists.

Usage: conformance.py REPOSITORY
"""

import re
import sys
from pathlib import Path

ROWS = 127


def known_tests(tests: Path) -> set[str]:
    names = set()
    for source in (*tests.glob("unit/**/*.cpp"), *tests.glob("sim/*.cpp")):
        names.update(f"{suite}.{case}" for suite, case in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", source.read_text(), re.M))
    for source in tests.glob("smoke/*_test.py"):
        names.update(f"{source.stem}.{case}" for case in re.findall(r"^    def (test_\w+)\(", source.read_text(), re.M))
    return names


def main() -> int:
    root = Path(sys.argv[1])
    known = known_tests(root / "tests")
    faults, numbers = [], []
    for line in (root / "docs" / "CONFORMANCE.md").read_text().splitlines():
        row = re.match(r"\| (\d+)(?: \[[MSm]\])? \|", line)
        if not row:
            continue
        numbers.append(int(row[1]))
        named = re.findall(r"`([A-Z]\w*\.\w+|\w+_test\.\w+)`", line)
        faults += [f"row {row[1]}: no test is named {name}" for name in named if name not in known]
        if not line.endswith("` |") and "**OPEN**" not in line:
            faults.append(f"row {row[1]} names no test")
    if numbers != list(range(1, ROWS + 1)):
        faults.append(f"the rows are not 1 to {ROWS}, each once: {numbers}")
    print("\n".join(faults) or f"{len(numbers)} rows, all answered")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
