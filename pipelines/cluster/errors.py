"""Turn Ray's exceptions into errors that say what the user can do."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ray import exceptions as ray_exceptions

from tiprdc.errors import ClusterError, TiprdcError

RUN_AGAIN = "run the same command again: it resumes from what was finished"
_OUT_OF_SPACE = (ray_exceptions.OutOfDiskError, ray_exceptions.ObjectStoreFullError)
_WORKER_LOST = (
    ray_exceptions.WorkerCrashedError,
    ray_exceptions.RayActorError,
    ray_exceptions.NodeDiedError,
    ray_exceptions.ObjectLostError,
    ray_exceptions.LocalRayletDiedError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the block as `translate` gives them."""
    try:
        yield
    except Exception as error:
        translation = translate(error)
        if translation is error:
            raise
        raise translation from error


def translate(error: Exception) -> Exception:
    """Our own error or a full disk if one is the cause, a `ClusterError` for a loss of Ray's, else
    the error itself."""
    own = unwrap(error)
    if own:
        return own
    chain = list(exception_chain(error))
    for layer in chain:
        if isinstance(layer, OSError) and layer.errno in (errno.ENOSPC, errno.EDQUOT):
            return OSError(layer.errno, layer.strerror, layer.filename)
    if any(isinstance(layer, _OUT_OF_SPACE) for layer in chain):
        return ClusterError(
            "Ray", "the disk of its object store is full",
            hint=f"free some space, or set RAY_TMPDIR to another disk, and {RUN_AGAIN}",
        )  # fmt: skip
    if any(isinstance(layer, ray_exceptions.OutOfMemoryError) for layer in chain):
        return ClusterError(
            "Ray", "a worker was killed because the machine ran out of memory",
            hint=f"lower cluster.num_cpus, so that fewer tasks run at once, and {RUN_AGAIN}",
        )  # fmt: skip
    if any(isinstance(layer, _WORKER_LOST) for layer in chain):
        return ClusterError(
            "Ray", "a worker died (killed, or its node was lost)",
            hint="run the same command again: it resumes from the last checkpoint",
        )  # fmt: skip
    return error


def unwrap(error: BaseException) -> TiprdcError | None:
    """The `TiprdcError` that Ray wrapped, if there is one."""
    for layer in exception_chain(error):
        # Ray's wrapper is an instance of what it wraps, and prints the worker's traceback.
        if isinstance(layer, TiprdcError) and not isinstance(layer, ray_exceptions.RayError):
            return layer
    return None


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """An error and every error inside it: Ray nests causes in causes, fields and tables by rank."""
    waiting, visited = [error], set[int]()
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in visited:
            continue
        visited.add(id(layer))
        yield layer
        inside: list[Any] = [layer.__cause__, *getattr(layer, "__dict__", {}).values()]
        for value in list(inside):
            inside += value.values() if isinstance(value, Mapping) else ()
        waiting += [value for value in inside if isinstance(value, BaseException)]
