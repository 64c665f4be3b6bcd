"""What two proxies let each far end receive, compared; and the list of differences that are known and justified."""

import fnmatch
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .normal import Message, parse
from .script import Scenario

PROXIES = ("kamailio", "sipfront")


@dataclass(frozen=True)
class Difference:
    """`what`: a header field's long name in lower case, or (start line), (body), (message), (copies), (order)."""

    scenario: str
    end: str
    message: str
    what: str
    kamailio: str
    sipfront: str

    def __str__(self) -> str:
        def shown(text: str) -> str:
            return "\n             ".join(text.splitlines()) or "-"
        return (f"{self.scenario}: {self.end} receives {self.message}: {self.what}\n"
                f"   Kamailio: {shown(self.kamailio)}\n   sipfront: {shown(self.sipfront)}")


def _by_label(received: Iterable[bytes]) -> dict[str, list[tuple[Message, int]]]:
    """Distinct messages in their order, each with the number of its copies."""
    found: dict[str, list[tuple[Message, int]]] = {}
    for message in map(parse, received):
        same = found.setdefault(message.label, [])
        for i, (known, count) in enumerate(same):
            if known == message:
                same[i] = (known, count + 1)
                break
        else:
            same.append((message, 1))
    # Several messages of one kind: the second and later ones have a number.
    return {label if i == 0 else f"{label} #{i + 1}": [one] for label, same in found.items() for i, one in enumerate(same)}


def _of_message(ours: Message, theirs: Message) -> Iterable[tuple[str, str, str]]:
    if theirs.start != ours.start:
        yield "(start line)", theirs.start, ours.start
    for name in sorted({*theirs.headers, *ours.headers}):
        k, s = theirs.headers.get(name, []), ours.headers.get(name, [])
        if k != s:
            yield name, "\n".join(k), "\n".join(s)
    if theirs.body != ours.body:
        yield "(body)", repr(theirs.body)[2:-1], repr(ours.body)[2:-1]


def compare(scenario: Scenario, received: dict[str, dict[str, list[bytes]]]) -> list[Difference]:
    """`received`: by proxy and far end."""
    found = []
    for end in received["kamailio"]:
        kamailio, sipfront = (_by_label(received[proxy][end]) for proxy in PROXIES)
        for label in [*kamailio, *(label for label in sipfront if label not in kamailio)]:
            def add(what: str, k: str, s: str):
                found.append(Difference(scenario.name, end, label, what, k, s))
            theirs, ours = kamailio.get(label), sipfront.get(label)
            if not theirs or not ours:
                add("(message)", theirs[0][0].start if theirs else "", ours[0][0].start if ours else "")
                continue
            for what, k, s in _of_message(ours[0][0], theirs[0][0]):
                add(what, k, s)
            if scenario.counted and theirs[0][1] != ours[0][1]:
                add("(copies)", str(theirs[0][1]), str(ours[0][1]))
        common = [label for label in kamailio if label in sipfront]
        if common != (order := [label for label in sipfront if label in kamailio]):
            found.append(Difference(scenario.name, end, "(all)", "(order)", ", ".join(common), ", ".join(order)))
    return found


@dataclass
class Rule:
    """Where an entry applies. Patterns of the shell, but for the two texts, which are regular expressions over the whole text;
    groups that `kamailio` names may stand in `sipfront` as (?P=name)."""

    scenarios: list[str]
    ends: list[str]
    messages: list[str]
    what: list[str]
    kamailio: str
    sipfront: str
    used: int = 0

    def covers(self, d: Difference) -> bool:
        return (all(any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns) for text, patterns in
                    ((d.scenario, self.scenarios), (d.end, self.ends), (d.message, self.messages), (d.what, self.what)))
                and re.fullmatch(f"{self.kamailio}\0{self.sipfront}", f"{d.kamailio}\0{d.sipfront}", re.DOTALL) is not None)

    def __str__(self) -> str:
        return (f"scenarios {self.scenarios}, ends {self.ends}, messages {self.messages}, what {self.what}, "
                f"kamailio '{self.kamailio}', sipfront '{self.sipfront}'")


def _rule(where: dict) -> Rule:
    unknown = where.keys() - {"scenarios", "ends", "messages", "what", "kamailio", "sipfront"}
    if unknown or not {"kamailio", "sipfront"} <= where.keys():
        raise ValueError(f"a place has scenarios, ends, messages, what, and always kamailio and sipfront, not {', '.join(sorted(unknown)) or 'less'}")
    patterns = [[found] if isinstance(found := where.get(key, ["*"]), str) else found for key in ("scenarios", "ends", "messages", "what")]
    return Rule(*patterns, kamailio=where["kamailio"], sipfront=where["sipfront"])


@dataclass
class Entry:
    title: str
    kamailio: str   # what it does, in words
    sipfront: str
    because: str    # the clause, or why it is a choice
    rules: list[Rule]


class Listed:
    """The differences that are known: every one has a reason."""

    def __init__(self, text: str):
        self.entries = []
        for one in tomllib.loads(text)["difference"]:
            missing = {"title", "kamailio", "sipfront", "because", "where"} - one.keys()
            if missing or not one.get("because", "").strip() or not one.get("where"):
                raise ValueError(f"entry '{one.get('title', '?')}' lacks {', '.join(sorted(missing)) or 'a reason or a place'}")
            self.entries.append(Entry(one["title"], one["kamailio"], one["sipfront"], one["because"], [_rule(where) for where in one["where"]]))

    @classmethod
    def read(cls, file: Path) -> "Listed":
        return cls(file.read_text())

    def unlisted(self, differences: Iterable[Difference]) -> list[Difference]:
        """Those that no entry covers. Every rule that covers one counts it."""
        left = []
        for difference in differences:
            covering = [rule for entry in self.entries for rule in entry.rules if rule.covers(difference)]
            for rule in covering:
                rule.used += 1
            if not covering:
                left.append(difference)
        return left

    def forget(self):
        """What was seen so far."""
        for entry in self.entries:
            for rule in entry.rules:
                rule.used = 0

    def stale(self) -> list[str]:
        return [f"{entry.title}: {rule}" for entry in self.entries for rule in entry.rules if rule.used == 0]

    def table(self) -> list[str]:
        """As docs/CONFORMANCE.md prints it."""
        cell = lambda text: " ".join(text.split()).replace("|", "\\|")  # noqa: E731
        return ["| difference | Kamailio | sipfront | why |", "|---|---|---|---|",
                *(f"| {cell(e.title)} | {cell(e.kamailio)} | {cell(e.sipfront)} | {cell(e.because)} |" for e in self.entries)]
