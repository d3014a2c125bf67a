"""Steps and their times for a person, logs for who must know more, a summary for programs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from tests.cluster.namespaces import StepError

SUMMARY = "summary.json"


class Telling:
    """Runs steps.

    Args:
        folder: For `NN-<step>.log` and `summary.json`; emptied of those of last time.
        console: Where a person reads.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder, self.console = folder, console
        self.steps: list[dict[str, Any]] = []
        self.log: IO[bytes]
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("[0-9][0-9]-*"), folder / SUMMARY):
            old.unlink(missing_ok=True)
        shutil.rmtree(folder / "ray", ignore_errors=True)

    @contextmanager
    def step(self, title: str) -> Iterator[dict[str, Any]]:
        """One step; figures put into what it yields are in the summary, and behind its time."""
        name = f"{len(self.steps) + 1:02d}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"
        told: dict[str, Any] = {"step": title, "log": f"{name}.log", "ok": False, "seen": {}}
        self.steps.append(told)
        began = time.monotonic()
        try:
            with (self.folder / told["log"]).open("ab") as self.log, self.console.status(title):
                yield told["seen"]
            told["ok"] = True
        finally:
            told["seconds"] = round(time.monotonic() - began, 1)
            self._print(told)

    def run(self, command: Sequence[str], shown: str, seconds: float) -> str:
        """Run a command to its end, into the step's log.

        Args:
            command: Its words.
            shown: As a person would type it.
            seconds: After which it has failed.

        Returns:
            What it said.

        Raises:
            StepError: It failed, or took longer.
        """
        began, start = time.monotonic(), self._write(f"\n$ {shown}\n")
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                timeout=seconds,
            )  # fmt: skip
            ended = f"ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"had not ended after {seconds:.0f} s"
        said = Path(self.log.name).read_bytes()[start:].decode(errors="replace")
        self._write(f"\n# {ended}, {time.monotonic() - began:.1f} s\n")
        if ended != "ended with 0":
            last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-12:])
            raise StepError(f"{shown}\n  {ended}; it said last:\n{last}", said)
        return said

    def summarise(self, **figures: Any) -> None:
        """Write the summary."""
        seconds = round(sum(step["seconds"] for step in self.steps), 1)
        told = {"ok": all(step["ok"] for step in self.steps), "seconds": seconds, **figures}
        text = json.dumps({**told, "steps": self.steps}, indent=1)
        (self.folder / SUMMARY).write_text(f"{text}\n")

    def _write(self, text: str) -> int:
        """Add to the step's log; its length."""
        with Path(self.log.name).open("ab") as log:
            log.write(text.encode())
        self.log.seek(0, 2)
        return self.log.tell()

    def _print(self, told: dict[str, Any]) -> None:
        mark = "[green]ok[/]    " if told["ok"] else "[red]failed[/]"
        seen = ", ".join(f"{name} {value}" for name, value in told["seen"].items())
        self.console.print(
            f"{mark} {told['seconds']:7.1f} s  {told['step']}" + (f": {seen}" if seen else ""),
            highlight=False, soft_wrap=True,
        )  # fmt: skip
