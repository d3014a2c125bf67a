"""ONNX files that anybody gave us: looked at and run where they can do no harm.

    from tiprdc.sandbox import runner

    facts = runner.check(Path("model.onnx"))     # ModelFacts: input, output, sizes, sha256
    z = runner.run(Path("model.onnx"), x)        # float32 [N, ...], finite, one row a record

Both refuse with a `ModelError` that says what was found, what is allowed and, where there is one,
a hint. Neither raises anything else for what a file holds or does.

What happens:

1. The bytes are read once: an ordinary file, no link, no larger than `Limits.file`. They are copied
   to a private folder; `ModelFacts.sha256` is the digest of what was looked at and run.
2. A process of its own reads them (worker.py): without our environment, with limits on
   memory, time and what it writes, and without the right to open any file or socket.
3. In there the graph is inspected (validator.py): one input, one output, operators of an
   allow-list, no external data, functions, loops, branches, custom domains or absurd sizes.
4. Only then does onnxruntime load it, in there too, and run it on the records.

Records go in and features come out as .npy files; nothing is ever unpickled. A crash, a time-out,
NaN, a batch of the wrong size end as a `ModelError`.

It needs Linux (the limits are the kernel's) and the extra [audit]. The limits hold what a *file*
can ask for. They do not hold an attacker who takes over the process through a fault of onnxruntime
itself: who expects that runs the whole audit in a container or a virtual machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import DataError, ModelError, check_range
from tiprdc.formats.files import read_bytes, sanitize
from tiprdc.sandbox import worker
from tiprdc.sandbox.model_info import ModelFacts

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    f" from {worker.__name__} import main; main()"
)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""All that it gets; tiprdc/runtime/session.py adds what keeps onnxruntime from telling anybody."""
_MOST_ANSWER = 2**20
_STARTING = 60.0
"""Seconds that starting Python may take on a busy machine, on top of the limit."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a stranger's file may cost."""

    file: int = 2**30
    """Size of the file in bytes, 1 to 2^31 - 1, which is protobuf's own limit."""
    memory: int = 2**31
    """Bytes beyond what Python and onnxruntime take themselves, 2^24 to 2^40."""
    seconds: float = 600.0
    """Of the CPU, and of the clock, for one call; 1 to 100,000."""
    output: int = 2**32
    """Bytes of features of one call, 2^16 to 2^40."""
    features: int = 2**22
    """Numbers of one record's features, 1 to 2^30."""

    def __post_init__(self) -> None:
        check_range("Limits.file", self.file, 1, 2**31 - 1)
        check_range("Limits.memory", self.memory, 2**24, 2**40)
        check_range("Limits.seconds", self.seconds, 1, 100_000)
        check_range("Limits.output", self.output, 2**16, 2**40)
        check_range("Limits.features", self.features, 1, 2**30)


def validate(path: Path, *, limits: Limits | None = None) -> ModelFacts:
    """Inspect an ONNX file and let onnxruntime load it, in a process with limits.

    Args:
        path: The file.
        limits: What it may cost.

    Returns:
        What it takes and gives.

    Raises:
        ModelError: It is refused, does not load, crashes, or costs more than the limits.
    """
    facts, _ = _confined(path, None, 1, limits or Limits())
    return facts


def run(
    path: Path, x: NDArray[Any], *, batch: int = 64, limits: Limits | None = None
) -> NDArray[np.float32]:
    """Features of records, made by a file from a stranger in a process with limits.

    A model whose batch is fixed gets whole batches of that size, the last filled up.

    Args:
        path: The file; it is inspected first, as by `check`.
        x: Records `[N, *shape]`, N >= 1, of a type that becomes the model's without loss.
        batch: Records at a time, 1 to 4096, where the model leaves it open.
        limits: What it may cost, all records together.

    Returns:
        `[N, ...]`, finite, in the order of the records. Another type becomes float32.

    Raises:
        DataError: The records do not fit what the model takes.
        ModelError: As `check`; or features are not finite, or not one row for each record.
    """
    check_range("batch", batch, 1, 4096)
    limits = limits or Limits()
    facts = validate(path, limits=limits)
    x = _fitting(x, facts, sanitize(str(path)))
    again, z = _confined(path, x, batch, limits)
    if again != facts:
        raise ModelError(sanitize(str(path)), "a file that changes", "one that stays as it is")
    assert z is not None
    return z


def _fitting(x: NDArray[Any], facts: ModelFacts, where: str) -> NDArray[Any]:
    if len(x) == 0:
        raise DataError(where, "no records", "at least one")
    wanted, found = facts.input_shape, x.shape[1:]
    if len(wanted) != len(found) or any(
        w is not None and w != f for w, f in zip(wanted, found, strict=True)
    ):
        shape = " x ".join("any" if size is None else str(size) for size in wanted)
        given = f"records of {' x '.join(map(str, found))}"
        raise DataError(where, given, f"what the model takes, {shape}")
    if not np.can_cast(x.dtype, facts.input_dtype, casting="safe"):
        raise DataError(
            where, f"records of type {x.dtype}", f"what becomes {facts.input_dtype} without loss",
            "convert them yourself, by the rule that the model was trained with",
        )  # fmt: skip
    return x.astype(facts.input_dtype, copy=False)


def _confined(
    path: Path, x: NDArray[Any] | None, batch: int, limits: Limits
) -> tuple[ModelFacts, NDArray[np.float32] | None]:
    """Let the other process do it, and read its answer as one from a stranger."""
    where = sanitize(str(path))
    _require(where)
    data = read_bytes(path, limits.file, ModelError)
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as name:
        folder = Path(name)
        (folder / worker.MODEL).write_bytes(data)
        if x is not None:
            np.save(folder / worker.RECORDS, np.ascontiguousarray(x), allow_pickle=False)
        job = {
            "where": where, "memory": limits.memory, "seconds": limits.seconds,
            "output": limits.output, "most_features": limits.features, "batch": batch,
            "run": x is not None,
        }  # fmt: skip
        (folder / worker.JOB).write_text(json.dumps(job))
        _start_and_wait(folder, where, limits)
        facts = _answer(folder / worker.ANSWER, where)
        return facts, None if x is None else _features(folder / worker.FEATURES, len(x), where)


def _require(where: str) -> None:
    for module in ("onnx", "resource"):
        if importlib.util.find_spec(module) is None:
            raise ModelError(
                where, f"no {module} here", "Linux, and the extra [audit]",
                "pip install 'tiprdc[audit]'",
            )  # fmt: skip


def _start_and_wait(folder: Path, where: str, limits: Limits) -> None:
    paths = [str(Path(entry).resolve()) for entry in sys.path if entry]
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, json.dumps(paths)],
        cwd=folder, env=_ENVIRONMENT, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = process.wait(timeout=limits.seconds + _STARTING)
    except subprocess.TimeoutExpired:
        code = -signal.SIGXCPU
    finally:
        # Also when somebody interrupts us; the group, whatever it has started.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        given = f"it needs more than {limits.seconds:g} s, or was killed"
        raise ModelError(where, given, "a model within the limit", "raise Limits.seconds")
    if code < 0:
        given = f"onnxruntime crashed on it ({signal.Signals(-code).name})"
        raise ModelError(where, given, "a model that onnxruntime runs")
    if code > 0:
        raise ModelError(where, f"the process that reads it ended with {code}", "an answer")


def _answer(path: Path, where: str) -> ModelFacts:
    try:
        answer = json.loads(read_bytes(path, _MOST_ANSWER, ModelError))
        if "error" in answer:
            _, given, allowed, hint = map(str, answer["error"])
            raise ModelError(where, sanitize(given), sanitize(allowed), sanitize(hint))
        return ModelFacts.from_json(answer["facts"])
    except ModelError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(where, "no answer from the process that reads it", "one") from error


def _features(path: Path, count: int, where: str) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            z: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ModelError(where, "features that were cut short", "a row for each record") from error
    if z.dtype != np.float32 or z.shape[:1] != (count,):
        raise ModelError(where, "other features than float32", "a float32 row for each record")
    if not np.isfinite(z).all():
        raise ModelError(where, "features that are not finite", "finite numbers")
    return z
