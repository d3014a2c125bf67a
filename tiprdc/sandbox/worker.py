"""The sandbox process: validates and runs one untrusted ONNX file; started by runner.py.

It reads a job from its working folder and writes an answer there, as JSON and .npy files:

    job.json     {"where", "memory", "seconds", "output", "most_features", "run", "inputs"};
                 "run" is None, or how to run it (`tiprdc.sandbox.execution.Run`)
    model.onnx   the file
    x0.npy ...   records, one file for each of the "inputs", if the model is to be run
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

MODEL, FEATURES = "model.onnx", "z.npy"
JOB, ANSWER = "job.json", "answer.json"


def records_file(number: int) -> str:
    """Name of the file with the records for this input."""
    return f"x{number}.npy"


def main() -> None:
    """Run the job in the working folder; the exit code is 0 whenever there is an answer."""
    # Imported now, while files can still be opened.
    from tiprdc.runtime import session  # noqa: F401
    from tiprdc.sandbox import execution, validator  # noqa: F401

    job: dict[str, Any] = json.loads(Path(JOB).read_text())
    data = Path(MODEL).read_bytes()
    x = [
        np.load(records_file(number), mmap_mode="r", allow_pickle=False)
        for number in range(job["inputs"])
    ]
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
    job: dict[str, Any], data: bytes, x: list[NDArray[Any]], features: IO[bytes]
) -> dict[str, Any]:
    from tiprdc.runtime.session import open_session
    from tiprdc.sandbox.execution import Run, is_out_of_memory, write_features
    from tiprdc.sandbox.noise import with_constant_noise
    from tiprdc.sandbox.validator import inspect_model

    where = job["where"]
    info, graph, content = inspect_model(data, where)
    run = Run.from_json(job["run"]) if job["run"] else None
    if run and run.constant_noise:
        content = with_constant_noise(graph).SerializeToString()
    del graph
    try:
        session = open_session(content, untrusted=True)
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError from error
        given = f"onnxruntime does not load it ({type(error).__name__})"
        raise ModelError(where, given, "a model that onnxruntime runs") from error
    if run:
        feed = {tensor.name: part for tensor, part in zip(info.inputs, x, strict=True)}
        write_features(session, info, run, feed, features, job)
    return info.to_json()


def _memory_error(job: dict[str, Any]) -> list[str]:
    given = f"it needs more than {job['memory'] / 2**20:,.0f} MiB of memory"
    hint = "raise Limits.memory, or take smaller batches"
    return [job["where"], given, "a model within the limit", hint]


if __name__ == "__main__":
    main()
    sys.exit(0)
