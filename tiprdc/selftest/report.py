"""What a self-test found: each check with what was wanted, what was found, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

Say = Callable[[str, float], None]
"""What is being done, and the share of the whole that is done, in [0, 1]."""

HEAD = ("check", "wanted", "found", "holds")
"""Of the table."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One claim about the auditor.

    Args:
        name: What is checked.
        wanted: What must hold, or what is known not to.
        found: What was found, with counts.
        holds: False: the auditor is broken. None: a known limit, no claim is made.
        value, low, high: The figure behind it with exact one-sided 95 % bounds, where there is one.
    """

    name: str
    wanted: str
    found: str
    holds: bool | None
    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        # numpy's False is not False, and would be read as a known limit.
        assert self.holds is None or isinstance(self.holds, bool)


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """All checks of one run.

    Args:
        suite_version: Of the attacks.
        quick: Whether the short one was run, whose figures are coarse.
        checks: In the order of the table.
        seconds: Wall time.
    """

    suite_version: str
    quick: bool
    checks: tuple[Check, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether no check is broken, and there was one."""
        return bool(self.checks) and all(check.holds is not False for check in self.checks)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table's rows, under `HEAD`."""
        said = {True: "yes", False: "NO", None: "known limit"}
        return [(c.name, c.wanted, c.found, said[c.holds]) for c in self.checks]

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
        """What these figures cannot show."""
        if not self.quick:
            return (
                "Each figure holds for these fixtures and people counts; docs/auditor.md has more."
            )
        return (
            "The short test finds an auditor that is badly broken. Its counts are too small to tell"
            " a false alarm rate of 5 % from one of 10 %: use --full, or docs/auditor.md."
        )

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"holds": self.holds, **asdict(self)}
