"""What a rule is, and what comes of rules: findings, of which a verdict is made."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

OK: Final = "ok"
UNKNOWN: Final = "unknown"
WARNING: Final = "warning"
CRITICAL: Final = "critical"

ALL: Final = "all"
"""The component that stands for the whole of a GPU."""

VALUES: Final[Mapping[str, int]] = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}
"""The number of a state in records and metrics, which is also that of a monitoring plugin's exit."""

RANKS: Final[Mapping[str, int]] = {OK: 0, UNKNOWN: 1, WARNING: 2, CRITICAL: 3}
"""Which of two states is worse."""

CONDITIONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "is": operator.eq,
}
MAX_REASONS: Final = 3

Lookup = Callable[[str], Any]
"""An input's value by its name, None where it could not be read."""


class Rule(NamedTuple):
    """`state` for a component where an input meets a condition, for as long as `lasting` (seconds).

    `threshold`: a number or a threshold's name; with the condition "is" the very text. `reason` and `action` may show
    inputs by their names, in braces. `evidence`: inputs that are shown beside the rule's own. A rule whose input is
    unknown finds nothing. `topic`: of several rules on one thing, which is the input where nothing else is given, only
    the worst is told.
    """

    component: str
    input: str
    condition: str
    threshold: float | str
    state: str
    reason: str
    action: str
    evidence: tuple[str, ...] = ()
    lasting: float | str = 0.0
    topic: str = ""


class Unread(NamedTuple):
    """A component is not fully known where `input` is unknown though `sign` is `value`. Without `sign`: always."""

    component: str
    input: str
    reason: str
    action: str = ""
    sign: str = ""
    value: float = 0


class Finding(NamedTuple):
    """What one rule says of one component."""

    component: str
    state: str
    reason: str
    evidence: str
    action: str


class Rules:
    """A table of rules with its thresholds in place, and since when each condition holds on each device."""

    def __init__(self, rules: Sequence[Rule], unread: Sequence[Unread], values: Mapping[str, float]) -> None:
        self._rows = tuple(
            (
                number,
                rule,
                CONDITIONS[rule.condition],
                rule.threshold if rule.condition == "is" else _number(rule.threshold, values),
                _number(rule.lasting, values),
            )
            for number, rule in enumerate(rules)
        )
        self._unread = tuple(unread)
        self._since: dict[str, dict[int, float]] = {}

    def findings(self, device: str, lookup: Lookup, now: float) -> list[Finding]:
        """What holds of `device` at `now` (monotonic seconds): of each topic of a component the worst."""
        since = self._since.setdefault(device, {})
        found: dict[tuple[str, str], Rule] = {}
        for number, rule, holds, threshold, lasting in self._rows:
            value = lookup(rule.input)
            if value is None or not holds(value, threshold):
                if since:
                    since.pop(number, None)
            elif now - since.setdefault(number, now) >= lasting:
                key = (rule.component, rule.topic or rule.input)
                if key not in found or RANKS[found[key].state] < RANKS[rule.state]:
                    found[key] = rule
        return [_finding(rule, lookup) for rule in found.values()]

    def unread(self, lookup: Lookup) -> Iterator[Finding]:
        """What should be there and could not be read."""
        for row in self._unread:
            if lookup(row.input) is None and (not row.sign or lookup(row.sign) == row.value):
                yield Finding(row.component, UNKNOWN, row.reason, "", row.action)

    def forget(self, keep: Iterable[str]) -> None:
        """Forgets all devices but those."""
        self._since = {device: since for device in keep if (since := self._since.get(device)) is not None}


def merged(findings: Sequence[Finding]) -> tuple[str, str, str, str]:
    """State, reason, evidence and action of a component. The worst come first, and the worst says what to do.

    What could not be read is told only where nothing worse was found.
    """
    bad = [finding for finding in findings if finding.state != UNKNOWN] or findings
    if not bad:
        return OK, "", "", ""
    ordered = sorted(bad, key=lambda finding: -RANKS[finding.state])
    reasons = dict.fromkeys(finding.reason for finding in ordered)
    evidence = dict.fromkeys(word for finding in ordered for word in finding.evidence.split(", ") if word)
    more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
    return ordered[0].state, "; ".join(list(reasons)[:MAX_REASONS]) + more, ", ".join(evidence), ordered[0].action


def shown(value: Any) -> str:
    """A number without needless digits; texts as they are."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


class _Shown(dict[str, str]):
    """Inputs as text, for a sentence; "?" for one that is unknown."""

    def __init__(self, lookup: Lookup) -> None:
        super().__init__()
        self._lookup = lookup

    def __missing__(self, name: str) -> str:
        value = self._lookup(name)
        return "?" if value is None else shown(value)


def _finding(rule: Rule, lookup: Lookup) -> Finding:
    text = _Shown(lookup)
    names = (rule.input, *rule.evidence)
    evidence = ", ".join(f"{name}={text[name]}" for name in names if lookup(name) is not None)
    return Finding(rule.component, rule.state, rule.reason.format_map(text), evidence, rule.action.format_map(text))


def _number(threshold: float | str, values: Mapping[str, float]) -> float:
    return values[threshold] if isinstance(threshold, str) else threshold
