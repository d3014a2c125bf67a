"""Validates and runs untrusted ONNX files in a separate process with limits.

    from tiprdc.sandbox import runner

    info = runner.validate(Path("model.onnx"))   # ModelInfo: inputs, outputs, sizes, sha256
    z = runner.run(Path("model.onnx"), x)        # float32 [N, ...], finite, one row a record

Both refuse a file with a `ModelError` that states the reason, what is allowed and, where there is
one, a hint. They raise nothing else, whatever a file contains or does.

The steps:

1. The bytes are read once, from an ordinary file (no link) of at most `Limits.file` bytes, and
   copied to a private folder. `ModelInfo.sha256` is the digest of the bytes validated and run.
2. A separate process reads them (worker.py): without our environment, with limits on memory, time
   and written bytes, and without the right to open any file or socket.
3. There the graph is validated (validator.py): inputs and outputs that are tensors, operators of an
   allow-list, no external data, functions, loops, branches, custom domains or absurd sizes.
4. Only then, still in that process, onnxruntime loads the model and runs it on the records.

Records go in and features come out as .npy files; nothing is ever unpickled. A crash, a time-out,
NaN and a batch of the wrong size all end as a `ModelError`.

It needs Linux (the kernel enforces the limits) and the extra [audit]. The limits bound what a
*file* can request. They do not stop an attacker who takes over the process through a bug in
onnxruntime itself: against that, run the whole audit in a container or a virtual machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ModelError, check_range
from tiprdc.formats.files import read_bytes, sanitize
from tiprdc.sandbox import worker
from tiprdc.sandbox.execution import Feed, Run
from tiprdc.sandbox.feeding import cast_records
from tiprdc.sandbox.model_info import ModelInfo

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    f" from {worker.__name__} import main; main()"
)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The worker's whole environment; tiprdc/runtime/session.py also turns off telemetry."""
_MAX_ANSWER_BYTES = 2**20
_STARTUP_SECONDS = 60.0
"""Seconds for starting Python on a busy machine, on top of the limit."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Resource limits for an untrusted file."""

    file: int = 2**30
    """Size of the file in bytes, 1 to 2^31 - 1, which is protobuf's own limit."""
    memory: int = 2**31
    """Bytes on top of what Python and onnxruntime need themselves, 2^24 to 2^40."""
    seconds: float = 600.0
    """CPU time, and wall time, of one call; 1 to 100,000."""
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


def validate(path: Path, *, limits: Limits | None = None) -> ModelInfo:
    """Validate an ONNX file and load it with onnxruntime, in a process with limits.

    Args:
        path: The file.
        limits: Resource limits; None: the defaults.

    Returns:
        Its inputs, outputs and size.

    Raises:
        ModelError: It is refused, does not load, crashes, or exceeds a limit.
    """
    info, _ = _run_worker(path, (), None, limits or Limits())
    return info


def run(
    path: Path,
    x: NDArray[Any] | Feed,
    how: Run | None = None,
    *,
    info: ModelInfo | None = None,
    limits: Limits | None = None,
) -> NDArray[np.float32]:
    """Features of records by an untrusted file, in a process with limits.

    A model with a fixed batch size gets whole batches; shorter ones are padded.

    Args:
        path: The file; it is validated first, as by `validate`.
        x: Records `[N, *shape]`, N >= 1, of a type that casts to the model's without loss; by
            input where there are several.
        how: Output, batches and pooling; None: the only output, in batches of 64.
        info: Of an earlier `validate`, whose file this must be; None: any.
        limits: Resource limits for all records together; None: the defaults.

    Returns:
        `[N, ...]`, finite, in the order of the records (or of `how.batches`), cast to float32.

    Raises:
        DataError: The records do not match the model's inputs.
        ModelError: As `validate`; or features are not finite, or not one row a record.
    """
    how = how or Run()
    check_range("batch", how.batch, 1, 4096)
    where, limits = sanitize(str(path)), limits or Limits()
    expected = info or validate(path, limits=limits)
    if not how.output and len(expected.outputs) > 1:
        raise ModelError(where, f"{len(expected.outputs)} outputs", "the name of one")
    feed = cast_records(x, expected, where)
    info_now, z = _run_worker(path, feed, how, limits)
    if info_now != expected:
        raise ModelError(where, "the file changed while it was read")
    assert z is not None
    return z


def _run_worker(
    path: Path, x: Sequence[NDArray[Any]], how: Run | None, limits: Limits
) -> tuple[ModelInfo, NDArray[np.float32] | None]:
    """Run the worker process and read its answer, which is not trusted either."""
    where = sanitize(str(path))
    _check_platform(where)
    data = read_bytes(path, limits.file, ModelError)
    with tempfile.TemporaryDirectory(prefix="tiprdc-") as name:
        folder = Path(name)
        (folder / worker.MODEL).write_bytes(data)
        for number, values in enumerate(x):
            np.save(folder / worker.records_file(number), values, allow_pickle=False)
        job = {
            "where": where, "memory": limits.memory, "seconds": limits.seconds,
            "output": limits.output, "most_features": limits.features, "inputs": len(x),
            "run": None if how is None else msgspec.to_builtins(how),
        }  # fmt: skip
        (folder / worker.JOB).write_text(json.dumps(job))
        _start_and_wait(folder, where, limits)
        info = _read_answer(folder / worker.ANSWER, where)
        if how is None:
            return info, None
        return info, _read_features(folder / worker.FEATURES, how.count(len(x[0])), where)


def _check_platform(where: str) -> None:
    for module in ("onnx", "resource"):
        if importlib.util.find_spec(module) is None:
            raise ModelError(
                where, f"the module {module} is missing", "Linux, and the extra [audit]",
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
        code = process.wait(timeout=limits.seconds + _STARTUP_SECONDS)
    except subprocess.TimeoutExpired:
        code = -signal.SIGXCPU
    finally:
        # Also on an interrupt. The whole group: the worker may have started processes.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        given = f"it needs more than {limits.seconds:g} s, or was killed"
        raise ModelError(where, given, "a model within the limit", "raise Limits.seconds")
    if code < 0:
        given = f"onnx or onnxruntime crashed on it ({signal.Signals(-code).name})"
        raise ModelError(where, given, "a model that onnxruntime runs")
    if code > 0:
        raise ModelError(where, f"the process that reads it ended with exit code {code}")


def _read_answer(path: Path, where: str) -> ModelInfo:
    try:
        answer = json.loads(read_bytes(path, _MAX_ANSWER_BYTES, ModelError))
        if "error" in answer:
            _, given, expected, hint = map(str, answer["error"])
            raise ModelError(where, sanitize(given), sanitize(expected), sanitize(hint))
        return ModelInfo.from_json(answer["info"])
    except ModelError:
        raise
    except (msgspec.ValidationError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(where, "no answer from the process that reads it") from error


def _read_features(path: Path, count: int, where: str) -> NDArray[np.float32]:
    try:
        with path.open("rb") as file:
            z: NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ModelError(
            where, "features that were cut short", "one row for each record"
        ) from error
    if z.dtype != np.float32 or z.shape[:1] != (count,):
        raise ModelError(where, "other features than float32", "a float32 row for each record")
    if not np.isfinite(z).all():
        raise ModelError(where, "features that are not finite", "finite numbers")
    return z
