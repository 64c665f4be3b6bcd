"""bench/differential: see its head."""

import argparse
import os
import signal
import sys
from pathlib import Path

from .. import build
from ..shell import LabError
from . import plan, run
from .compare import Listed


def arguments():
    parser = argparse.ArgumentParser(prog="bench/differential", description="The same sipp scenarios through sipfront and Kamailio: what far ends receive.")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="scenarios by name; stale entries are not looked for")
    parser.add_argument("--show", action="store_true", help="print every difference, the listed ones too")
    parser.add_argument("--messages", action="store_true", help="print every message that a far end receives")
    parser.add_argument("--table", action="store_true", help="print the list as docs/CONFORMANCE.md has it, and do nothing else")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    listed = Listed.read(plan.DIFFERENCES)
    if args.table:
        print("\n".join(listed.table()))
        return 0
    if os.geteuid() != 0:
        raise LabError("needs root: sudo bench/differential")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcome = run.run(Path(build.daemon()), listed, args.only)
    if args.messages:
        print("\n".join(map(str, outcome.heard)))
    differences = outcome.differences()
    if args.show:
        print("\n".join(map(str, differences)))
    print(f"{len(outcome.heard)} scenarios, {sum(one.count for one in outcome.heard)} messages received by far ends, {len(differences)} differences, "
          f"{len(listed.entries)} entries in the list")
    print(outcome.wrong or "every difference is listed, every entry is seen")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LabError, ValueError) as error:
        sys.exit(f"differential: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
