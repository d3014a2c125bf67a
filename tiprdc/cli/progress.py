"""How far a long command is, on standard error: a bar in a terminal, else a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Told what is under way and which share of it is behind us, it says how long the rest takes.

    The estimate supposes that the rest goes as fast as what is behind: the audit weighs its tasks
    by their usual cost for that.

    Args:
        console: Where to speak.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
            console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self._ids: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(self, label: str, share: float) -> None:
        """`share` of what `label` names, in [0, 1], is behind us."""
        now = time.monotonic()
        begun = self._begun.setdefault(label, now)
        left = said_left(now - begun, share)
        if label not in self._ids:
            self._ids[label] = self._bars.add_task(label, total=1.0, left="")
        self._bars.update(self._ids[label], completed=share, left=left)
        due = now - self._said.get(label, begun) >= SECONDS_BETWEEN_LINES
        if not self.console.is_terminal and (due or share >= 1):
            self._said[label] = now
            self.console.print(f"{label}: {100 * share:.0f} %{', ' if left else ''}{left}")


def said_left(elapsed: float, share: float) -> str:
    """How long the rest takes, in words; nothing while too little is known or nothing is left."""
    if share >= 1 or share < 0.02 or elapsed < 2:
        return ""
    left = elapsed * (1 - share) / share
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
