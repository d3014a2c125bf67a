"""The result of a self-test: each check with its expectation, its observation and its status."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

HEAD = ("check", "expected", "observed", "holds")
"""Header of the table."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One claim about the auditor.

    Args:
        name: What is checked.
        expected: What must hold, or what is known not to hold.
        observed: What was observed, with counts.
        holds: False: the auditor is broken. None: a known limit, no claim is made.
        value, low, high: The figure with exact one-sided 95 % bounds, where there is one.
    """

    name: str
    expected: str
    observed: str
    holds: bool | None
    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        # numpy's False is not `False`, and would be taken for a known limit.
        assert self.holds is None or isinstance(self.holds, bool)


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """All checks of one run.

    Args:
        suite_version: Version of the attacks.
        quick: Whether this is the short self-test, whose figures are coarse.
        checks: In the order of the table.
        seconds: Wall time.
    """

    suite_version: str
    quick: bool
    checks: tuple[Check, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether there is a check and none has failed."""
        return bool(self.checks) and all(check.holds is not False for check in self.checks)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table's rows, under `HEAD`."""
        labels = {True: "yes", False: "NO", None: "known limit"}
        return [(c.name, c.expected, c.observed, labels[c.holds]) for c in self.checks]

    def headline(self) -> str:
        """One sentence."""
        claims = [check for check in self.checks if check.holds is not None]
        broken = [check.name for check in claims if not check.holds]
        limits = len(self.checks) - len(claims)
        if broken or not claims:
            return f"The auditor is broken: {', '.join(broken) or 'nothing was checked'}."
        return (
            f"All {len(claims)} checks hold; {limits} known limits are listed"
            f" (suite {self.suite_version}, {self.seconds:.0f} s)."
        )

    def caution(self) -> str:
        """The limits of these figures."""
        if not self.quick:
            return (
                "Each figure holds for these fixtures and these numbers of people."
                " docs/auditor.md has more."
            )
        return (
            "The short test detects an auditor that is badly broken. Its counts are too small to"
            " distinguish a false alarm rate of 5 % from one of 10 %: use --full, or see"
            " docs/auditor.md."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, for programs."""
        return {"holds": self.holds, **asdict(self)}
