"""The sandbox process: validates and runs one untrusted ONNX file; started by runner.py.

It reads a job from its working folder and writes an answer there, as JSON and .npy files:

    job.json     {"where", "memory", "seconds", "output", "most_features", "batch", "run"}
    model.onnx   the file
    x.npy        records, if the model is to be run
    answer.json  {"info": ...} or {"error": [where, given, expected, hint]}
    z.npy        features float32 `[N, ...]`

Before it reads the model it lowers its own limits for good: memory, CPU time, size of written
files, and **open files**. With no file descriptor available, neither a file nor a socket can be
opened, whatever a model requests. Everything still to be read and written is open by then.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.errors import ModelError
from tiprdc.sandbox.model_info import ModelInfo

MODEL, RECORDS, FEATURES = "model.onnx", "x.npy", "z.npy"
JOB, ANSWER = "job.json", "answer.json"


def main() -> None:
    """Run the job in the working folder; the exit code is 0 whenever there is an answer."""
    # Imported now, while files can still be opened.
    from tiprdc.runtime import session  # noqa: F401
    from tiprdc.sandbox import validator  # noqa: F401

    job: dict[str, Any] = json.loads(Path(JOB).read_text())
    data = Path(MODEL).read_bytes()
    x = np.load(RECORDS, mmap_mode="r", allow_pickle=False) if job["run"] else None
    with Path(ANSWER).open("wb") as answer, Path(FEATURES).open("wb") as features:
        drop_privileges(job)
        try:
            reply: dict[str, Any] = {"info": _process(job, data, x, features)}
        except ModelError as error:
            reply = {"error": [error.where, error.given, error.expected, error.hint]}
        except MemoryError:
            reply = {"error": _memory_error(job)}
        # Unforeseen errors refuse the file too.
        except Exception as error:
            given = f"it cannot be inspected ({type(error).__name__})"
            reply = {"error": [job["where"], given, "an ONNX file", ""]}
        answer.write(json.dumps(reply).encode())


def drop_privileges(job: dict[str, Any]) -> None:
    """Lower the resource limits of this process for good.

    Args:
        job: `memory`, bytes on top of those in use now; `seconds`, CPU time; `output`, bytes of one
            file.
    """
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + int(job["memory"])
    seconds = math.ceil(job["seconds"])
    for resource_kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, int(job["output"])),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(resource_kind, (limit, limit))


def _process(
    job: dict[str, Any], data: bytes, x: NDArray[Any] | None, features: IO[bytes]
) -> dict[str, Any]:
    from tiprdc.runtime.session import open_session
    from tiprdc.sandbox.validator import inspect_model

    where = job["where"]
    info = inspect_model(data, where)
    try:
        session = open_session(data, untrusted=True)
    except Exception as error:
        if _out_of_memory(error):
            raise MemoryError from error
        given = f"onnxruntime does not load it ({type(error).__name__})"
        raise ModelError(where, given, "a model that onnxruntime runs") from error
    if x is not None:
        _run(session, info, x, features, job)
    return info.to_json()


def _run(
    session: Any, info: ModelInfo, x: NDArray[Any], features: IO[bytes], job: dict[str, Any]
) -> None:
    """Run batch by batch; where the model's batch is fixed, the last one is padded."""
    shape: tuple[int, ...] | None = None
    batch = info.batch or job["batch"]
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        z = _run_batch(session, info.input_name, part, info.batch or len(part), job)
        if shape is None:
            shape = z.shape[1:]
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(x), *shape)}
            np.lib.format.write_array_header_1_0(features, header)
        if z.shape[1:] != shape:
            raise ModelError(job["where"], "features of another shape in every batch", "one shape")
        _write(features, z, job)


def _run_batch(
    session: Any, name: str, part: NDArray[Any], size: int, job: dict[str, Any]
) -> NDArray[np.float32]:
    """Finite features `[len(part), ...]` of one batch."""
    where, count = job["where"], len(part)
    padded = np.concatenate([part, np.repeat(part[:1], size - count, axis=0)])
    try:
        (z,) = session.run(None, {name: padded})
    except Exception as error:
        if _out_of_memory(error):
            raise MemoryError from error
        # Without onnxruntime's message, which may quote a value of a record.
        given = f"onnxruntime fails when it runs it ({type(error).__name__})"
        raise ModelError(where, given, "a model that takes these records") from error
    if not isinstance(z, np.ndarray) or z.ndim < 1 or len(z) != size:
        given = f"{getattr(z, 'shape', ('no array',))[:1]} features for {size} records"
        raise ModelError(where, given, "features of each record, batch first")
    if z.size > size * job["most_features"]:
        raise ModelError(
            where, f"{z.size // size:,} features", f"at most {job['most_features']:,} a record"
        )
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(z[:count], dtype=np.float32)
    bad = count - int(np.isfinite(rows).reshape(count, -1).all(axis=1).sum())
    if bad:
        raise ModelError(where, f"features of {bad} records are not finite", "finite numbers")
    return rows


def _write(features: IO[bytes], z: NDArray[np.float32], job: dict[str, Any]) -> None:
    try:
        features.write(z.tobytes())
        features.flush()
    except OSError as error:
        given = f"more than {job['output']:,} bytes of features, or no space left"
        raise ModelError(job["where"], given, "features that fit", "take fewer records") from error


def _out_of_memory(error: Exception) -> bool:
    """Whether onnxruntime ran out of memory; it has no error class for that."""
    messages = ("bad_alloc", "Failed to allocate", "bad allocation", "out of memory")
    return isinstance(error, MemoryError) or any(message in str(error) for message in messages)


def _memory_error(job: dict[str, Any]) -> list[str]:
    given = f"it needs more than {job['memory'] / 2**20:,.0f} MiB of memory"
    hint = "raise Limits.memory, or take smaller batches"
    return [job["where"], given, "a model within the limit", hint]


if __name__ == "__main__":
    main()
    sys.exit(0)
