"""The event log of a stage: one JSON object a line, UTC times, each step of the work once.

    {"time": "2026-11-24T22:06:25.123Z", "stage": "train", "run": "protected", "event": "epoch",
     "number": 3, "total": 2.31, ...}

A run that resumes from a checkpoint may repeat an epoch that is in the log already; its line is not
written twice. A fresh start writes `"event": "started", "resumed": false`, and steps count from
there. A line that a kill cut off is skipped by readers and never joined with the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class EventLog:
    """Appends to `<folder>/<stage>.jsonl`.

    Args:
        folder: Where the file is; "" writes none.
        stage: Name of the stage.
    """

    def __init__(self, folder: str, stage: str) -> None:
        self.stage = stage
        self.path = Path(folder) / f"{stage}.jsonl" if folder else None
        self._steps = set[tuple[str, str, int]]()
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for line in read(self.path):
                self._remember(line)

    def write(
        self,
        event: str,
        fields: Mapping[str, Any] | None = None,
        *,
        run: str = "",
        number: int | None = None,
    ) -> bool:
        """Append a line.

        Args:
            event: Name of the event.
            fields: Plain values; NaN and infinity become null, as JSON has neither.
            run: Part of the stage's work, such as a training run or a trial.
            number: Of the step; the same event of the same run and step is written once.

        Returns:
            Whether the line is new.
        """
        if number is not None and (run, event, number) in self._steps:
            return False
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {"time": now, "stage": self.stage, "event": event}
        line |= {"run": run} if run else {}
        line |= {} if number is None else {"number": number}
        line |= {name: _plain(value) for name, value in (fields or {}).items()}
        self._remember(line)
        if self.path:
            _append(self.path, json.dumps(line, allow_nan=False))
        return True

    def _remember(self, line: Mapping[str, Any]) -> None:
        run, number = line.get("run", ""), line.get("number")
        if line.get("event") == "started" and line.get("resumed") is False:
            self._steps = {key for key in self._steps if run and key[0] != run}
        elif number is not None:
            self._steps.add((run, line["event"], number))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of an event log; none if there is no such file."""
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and "event" in line:
            yield line


def _append(path: Path, line: str) -> None:
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            torn = file.read(1) != b"\n"
            line = f"\n{line}" if torn else line
        # One write: a kill leaves a whole line or a torn last one, never a mixture of two.
        file.write(f"{line}\n".encode())


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        # Six digits are more than a loss is exact to.
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
