"""Fuzzes the ONNX sandbox: no mutant of a valid model may crash us or open a file.

    python -m benchmarks.robustness.onnx_fuzz --seconds 600 [--json] [--keep DIR]

Each mutant takes the path of any untrusted file (tiprdc/sandbox/runner.py): validation, then
onnxruntime, in a process with the same limits. One process takes many mutants, which is faster. If
`strace` is installed, every attempt of the process to open a file or socket after it dropped its
privileges is counted.

    executions     mutants tried
    refused        by the validator, as a ModelError
    stopped        by onnxruntime, at loading or running
    ran            to features
    crashes        of onnxruntime in the process with limits; the sandbox reports "crashed on it"
    slow           stopped after 10 s
    surprises      errors of the validator other than a ModelError: must be 0
    opened         files or sockets opened: must be 0
    tried          refused attempts to open one
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from numpy.typing import NDArray

from benchmarks.outputs import writable_folder
from benchmarks.robustness.onnx_mutants import mutants
from benchmarks.robustness.outcomes import report
from tiprdc.errors import ModelError
from tiprdc.sandbox.model_info import TEXT, TensorInfo
from tiprdc.sandbox.worker import drop_privileges

ROOT = Path(__file__).parents[2]
LIMITS = {"memory": 2**29, "seconds": 100_000, "output": 2**20}
TRACING = (
    "-f", "--seccomp-bpf", "-e", "trace=open,openat,openat2,creat,socket,setrlimit,prlimit64",
)  # fmt: skip
"""Arguments of strace: only these calls are traced, and slowed."""
_TIMEOUT = 10.0
_ROUND_SIZE = 200
_NAMES = {b"r": "refused", b"s": "stopped", b"o": "ran", b"!": "surprises"}
_OPENING = re.compile(r"\b(open|openat|openat2|creat|socket)\(.* = (-?\d+)")


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Duration in seconds.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for mutants that crash or surprise.", callback=writable_folder),
    ] = None,
    start: Annotated[int, typer.Option(help="Seed of the first round.")] = 0,
) -> None:
    """Run mutants for some time and print the counts of outcomes."""
    counts = fuzz(seconds, keep=keep, start=start)
    report(counts, ("surprises", "opened"), as_json=as_json)


def fuzz(seconds: float, *, keep: Path | None = None, start: int = 0) -> dict[str, Any]:
    """Counts of outcomes of the mutants tried in this many seconds."""
    counts: Counter[str] = Counter()
    end, number = time.monotonic() + seconds, start
    with tempfile.TemporaryDirectory() as name, _Worker(Path(name)) as worker:

        @settings(
            max_examples=_ROUND_SIZE, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(mutants())
        def execute(data: bytes) -> None:
            if time.monotonic() >= end:
                return
            outcome = worker.execute(data)
            counts["executions"] += 1
            counts[outcome] += 1
            if keep and outcome in ("crashes", "surprises", "slow"):
                keep.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256(data).hexdigest()[:16]
                (keep / f"{outcome}-{digest}.onnx").write_bytes(data)

        while time.monotonic() < end:
            seed(number)(execute)()
            number += 1
    opened = worker.opened()
    names = ("executions", "refused", "stopped", "ran", "crashes", "slow", "surprises")
    rounds = f"seeds {start} to {number - 1}"
    return {**{name: counts[name] for name in names}, **opened, "rounds": rounds}


class _Worker:
    """The process with limits, restarted after each crash."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._started, self._pid = folder, 0, 0
        self._traced = shutil.which("strace")
        self._counts: dict[str, int | None] = {"opened": 0, "tried": 0}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        if not self._traced:
            self._counts = {"opened": None, "tried": None}
            return
        logs = [log.read_text(errors="replace") for log in self._folder.glob("trace-*")]
        opened, tried = zip(*map(openings, logs), strict=True) if logs else ((), ())
        self._counts = {"opened": sum(opened), "tried": sum(tried)}

    def opened(self) -> dict[str, int | None]:
        """Counts of files and sockets; None where strace is missing."""
        return self._counts

    def execute(self, data: bytes) -> str:
        """Outcome of one mutant."""
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(struct.pack("<I", len(data)) + data)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], _TIMEOUT)
            answer = process.stdout.read(1) if ready else None
        except BrokenPipeError:
            answer = b""
        if answer:
            return _NAMES[answer]
        self._stop()
        return "slow" if answer is None else "crashes"

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-c",
            "from benchmarks.robustness.onnx_fuzz import serve; serve()",
        ]
        if self._traced:
            log = self._folder / f"trace-{self._started}"
            command = [self._traced, *TRACING, "-o", str(log), *command]
        self._started += 1
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout
        (self._pid,) = struct.unpack("<I", self._process.stdout.read(4))
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # strace ignores signals; it ends and writes its log when the traced process ends.
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        process.wait(timeout=60)
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


def serve() -> None:
    """Main loop of the process with limits: read mutants, answer one byte each."""
    from tiprdc.runtime import session  # noqa: F401
    from tiprdc.sandbox import validator  # noqa: F401

    drop_privileges(LIMITS)
    source, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(struct.pack("<I", os.getpid()))
    answers.flush()
    while data := _next(source):
        answers.write(_outcome(data))
        answers.flush()


def _next(source: IO[bytes]) -> bytes | None:
    head = source.read(4)
    return source.read(struct.unpack("<I", head)[0]) if len(head) == 4 else None


def _outcome(data: bytes) -> bytes:
    from tiprdc.runtime.session import open_session
    from tiprdc.sandbox.noise import with_constant_noise
    from tiprdc.sandbox.validator import inspect_model

    try:
        info, graph, content = inspect_model(data, "mutant")
    except (ModelError, MemoryError):
        return b"r"
    except Exception:
        return b"!"
    feed = {tensor.name: _ones(tensor) for tensor in info.inputs}
    try:
        open_session(content, untrusted=True).run(None, feed)
        open_session(with_constant_noise(graph).SerializeToString(), untrusted=True).run(None, feed)
    except Exception:
        return b"s"
    return b"o"


def _ones(tensor: TensorInfo) -> NDArray[Any]:
    """Two records, or as many as the batch holds, of ones."""
    shape = [tensor.batch or 2, *(size or 3 for size in tensor.shape or ())]
    return np.full(shape, "a", object) if tensor.dtype == TEXT else np.ones(shape, tensor.dtype)


def openings(log: str) -> tuple[int, int]:
    """(opened, refused) files and sockets in a trace, after the last limit was lowered."""
    lines = log.splitlines()
    lowered = [n for n, line in enumerate(lines) if "RLIMIT_NOFILE, {rlim_cur=0" in line]
    matches = [_OPENING.search(line) for line in lines[lowered[-1] + 1 :]] if lowered else []
    succeeded = [int(match[2]) >= 0 for match in matches if match]
    return sum(succeeded), len(succeeded) - sum(succeeded)


if __name__ == "__main__":
    typer.run(main)
