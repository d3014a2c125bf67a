"""What a stage did, for programs: one JSON object a line, in UTC, each step of the work once.

    {"time": "2026-11-24T22:06:25.123Z", "stage": "train", "run": "protected", "event": "epoch",
     "number": 3, "total": 2.31, ...}

A run that goes on from a checkpoint may play an epoch again whose line is there already; it is not
written twice. A run that starts afresh says so (`"event": "started", "resumed": false`), and counts
from there. A line that a kill cut off is skipped by readers and never joined with the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Journal:
    """Appends to `<folder>/<stage>.jsonl`.

    Args:
        folder: "" keeps no journal.
        stage: Its name.
    """

    def __init__(self, folder: str, stage: str) -> None:
        self.stage = stage
        self.path = Path(folder) / f"{stage}.jsonl" if folder else None
        self._written = set[tuple[str, str, int]]()
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
            event: What happened.
            fields: Plain values; NaN and infinity become null, as JSON has neither.
            run: Which part of the stage's work.
            number: Of which step; the same event of the same run and step is written once.

        Returns:
            Whether it was written.
        """
        if number is not None and (run, event, number) in self._written:
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
            self._written = {key for key in self._written if run and key[0] != run}
        elif number is not None:
            self._written.add((run, line["event"], number))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal that are whole; none if there is no such file."""
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
        # Six digits say all that there is to say.
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
