"""Runs the steps of the cluster test: prints their times, writes logs and summary.json."""

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


class StepLog:
    """Runs commands as numbered steps.

    Args:
        folder: For `NN-<step>.log` and `summary.json`; earlier ones are removed.
        console: Gets a line for each step.
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
        """Run one step. Figures added to the yielded dict are printed and in the summary."""
        name = f"{len(self.steps) + 1:02d}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"
        step: dict[str, Any] = {"step": title, "log": f"{name}.log", "ok": False, "figures": {}}
        self.steps.append(step)
        began = time.monotonic()
        try:
            with (self.folder / step["log"]).open("ab") as self.log, self.console.status(title):
                yield step["figures"]
            step["ok"] = True
        finally:
            step["seconds"] = round(time.monotonic() - began, 1)
            self._print(step)

    def run(self, command: Sequence[str], shown: str, seconds: float) -> str:
        """Run a command and log its output.

        Args:
            command: Its arguments.
            shown: The command as a person would type it.
            seconds: Time limit.

        Returns:
            Its output.

        Raises:
            StepError: It failed, or exceeded the limit.
        """
        began, start = time.monotonic(), self._write(f"\n$ {shown}\n")
        try:
            process = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                timeout=seconds,
            )  # fmt: skip
            result = f"ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            result = f"had not ended after {seconds:.0f} s"
        output = Path(self.log.name).read_bytes()[start:].decode(errors="replace")
        self._write(f"\n# {result}, {time.monotonic() - began:.1f} s\n")
        if result != "ended with 0":
            last = "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])
            raise StepError(f"{shown}\n  {result}; last output:\n{last}", output)
        return output

    def write_summary(self, **figures: Any) -> None:
        """Write the summary."""
        seconds = round(sum(step["seconds"] for step in self.steps), 1)
        summary = {"ok": all(step["ok"] for step in self.steps), "seconds": seconds, **figures}
        text = json.dumps({**summary, "steps": self.steps}, indent=1)
        (self.folder / SUMMARY).write_text(f"{text}\n")

    def _write(self, text: str) -> int:
        """Append to the step's log; return its length in bytes."""
        with Path(self.log.name).open("ab") as log:
            log.write(text.encode())
        self.log.seek(0, 2)
        return self.log.tell()

    def _print(self, step: dict[str, Any]) -> None:
        mark = "[green]ok[/]    " if step["ok"] else "[red]failed[/]"
        text = ", ".join(f"{name} {value}" for name, value in step["figures"].items())
        self.console.print(
            f"{mark} {step['seconds']:7.1f} s  {step['step']}" + (f": {text}" if text else ""),
            highlight=False, soft_wrap=True,
        )  # fmt: skip
