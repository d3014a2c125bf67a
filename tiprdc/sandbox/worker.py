"""The process in which a stranger's ONNX file is read and run; tiprdc/sandbox/runner.py starts it.

It finds a job in its working folder and leaves an answer there; both are JSON and .npy files.

    job.json     {"where", "memory", "seconds", "output", "batch", "run"}
    model.onnx   the file
    x.npy        records, if it is to be run
    answer.json  {"facts": ...} or {"error": [where, given, expected, hint]}
    z.npy        features float32 `[N, ...]`

Before it looks at the file it gives up what it does not need any more: memory beyond a limit, time
of the CPU, the size of what it writes, and **the right to open anything**: with no file descriptor
to be had, neither a file nor a socket can be opened, whatever a model asks for. What is still to be
read and written is open by then.
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
from tiprdc.sandbox.model_info import ModelFacts

MODEL, RECORDS, FEATURES = "model.onnx", "x.npy", "z.npy"
JOB, ANSWER = "job.json", "answer.json"


def main() -> None:
    """Do the job of the working folder; always exit code 0 once there is an answer."""
    # What the work needs is imported while files can still be opened.
    from tiprdc.runtime import session  # noqa: F401
    from tiprdc.sandbox import validator  # noqa: F401

    job: dict[str, Any] = json.loads(Path(JOB).read_text())
    data = Path(MODEL).read_bytes()
    x = np.load(RECORDS, mmap_mode="r", allow_pickle=False) if job["run"] else None
    with Path(ANSWER).open("wb") as answer, Path(FEATURES).open("wb") as features:
        drop_privileges(job)
        try:
            found: dict[str, Any] = {"facts": _work(job, data, x, features)}
        except ModelError as error:
            found = {"error": [error.where, error.given, error.expected, error.hint]}
        except MemoryError:
            found = {"error": _too_much(job)}
        # What nobody thought of is refused too.
        except Exception as error:
            given = f"it cannot be inspected ({type(error).__name__})"
            found = {"error": [job["where"], given, "an ONNX file", ""]}
        answer.write(json.dumps(found).encode())


def drop_privileges(job: dict[str, Any]) -> None:
    """Lower the limits of this process for good.

    Args:
        job: `memory`, bytes beyond what is taken now; `seconds` of the CPU; `output`, bytes of a
            file.
    """
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + int(job["memory"])
    seconds = math.ceil(job["seconds"])
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, int(job["output"])),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def _work(
    job: dict[str, Any], data: bytes, x: NDArray[Any] | None, features: IO[bytes]
) -> dict[str, Any]:
    from tiprdc.runtime.session import open_session
    from tiprdc.sandbox.validator import inspect

    where = job["where"]
    facts = inspect(data, where)
    try:
        session = open_session(data, untrusted=True)
    except Exception as error:
        if _out_of_memory(error):
            raise MemoryError from error
        given = f"onnxruntime does not load it ({type(error).__name__})"
        raise ModelError(where, given, "a model that onnxruntime runs") from error
    if x is not None:
        _run(session, facts, x, features, job)
    return facts.to_json()


def _run(
    session: Any, facts: ModelFacts, x: NDArray[Any], features: IO[bytes], job: dict[str, Any]
) -> None:
    """Batch by batch; where the file takes whole batches alone, the last is filled up."""
    shape: tuple[int, ...] | None = None
    batch = facts.batch or job["batch"]
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        z = _batch(session, facts.input_name, part, facts.batch or len(part), job)
        if shape is None:
            shape = z.shape[1:]
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(x), *shape)}
            np.lib.format.write_array_header_1_0(features, header)
        if z.shape[1:] != shape:
            raise ModelError(job["where"], "features of another shape in every batch", "one shape")
        _write(features, z, job)


def _batch(
    session: Any, name: str, part: NDArray[Any], size: int, job: dict[str, Any]
) -> NDArray[np.float32]:
    """Features `[len(part), ...]` of one batch, finite."""
    where, count = job["where"], len(part)
    full = np.concatenate([part, np.repeat(part[:1], size - count, axis=0)])
    try:
        (z,) = session.run(None, {name: full})
    except Exception as error:
        if _out_of_memory(error):
            raise MemoryError from error
        # Not onnxruntime's words: they may quote a number of a record.
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
        found = np.ascontiguousarray(z[:count], dtype=np.float32)
    bad = count - int(np.isfinite(found).reshape(count, -1).all(axis=1).sum())
    if bad:
        raise ModelError(where, f"features of {bad} records are not finite", "finite numbers")
    return found


def _write(features: IO[bytes], z: NDArray[np.float32], job: dict[str, Any]) -> None:
    try:
        features.write(z.tobytes())
        features.flush()
    except OSError as error:
        given = f"more than {job['output']:,} bytes of features, or no space left"
        raise ModelError(job["where"], given, "features that fit", "take fewer records") from error


def _out_of_memory(error: Exception) -> bool:
    """onnxruntime has no class of its own for it."""
    words = ("bad_alloc", "Failed to allocate", "bad allocation", "out of memory")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _too_much(job: dict[str, Any]) -> list[str]:
    given = f"it needs more than {job['memory'] / 2**20:,.0f} MiB of memory"
    allowed, hint = "a model within the limit", "raise Limits.memory, or take smaller batches"
    return [job["where"], given, allowed, hint]


if __name__ == "__main__":
    main()
    sys.exit(0)
