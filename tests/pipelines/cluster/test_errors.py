"""Ray's exceptions become errors with hints, and others stay as they are."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest
from ray import exceptions as ray_exceptions

from pipelines.cluster.errors import translate, unwrap
from tiprdc.errors import ClusterError, DataError


def test_own_error_is_unwrapped_from_nested_ray_errors() -> None:
    own = DataError("column", "age", "one of sex, race")
    wrapped = RuntimeError("Training failed")
    wrapped.worker_failures = {0: SimpleNamespace(), 1: ray_exceptions.RayError("lost")}  # type: ignore[attr-defined]  # as Ray Train does
    wrapped.worker_failures[1].__cause__ = own  # type: ignore[attr-defined]
    assert unwrap(wrapped) is own
    assert translate(wrapped) is own
    assert unwrap(RuntimeError("bug")) is None


def test_circular_causes_do_not_loop_forever() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert unwrap(first) is None
    assert translate(first) is first


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ray_exceptions.WorkerCrashedError(), "a worker died (killed, or its node", "checkpoint"),
        (ray_exceptions.RayActorError(), "a worker died (killed, or its node was lost)", "resumes"),
        (ray_exceptions.OutOfMemoryError("x"), "ran out of memory", "lower cluster.num_cpus"),
        (ray_exceptions.ObjectStoreFullError("x"), "object store is full", "RAY_TMPDIR"),
    ],
    ids=["worker", "actor", "memory", "object store"],
)
def test_losses_of_ray_become_cluster_errors_with_a_hint(
    error: Exception, message: str, hint: str
) -> None:
    wrapped = RuntimeError("Training failed")
    wrapped.__cause__ = error
    translation = translate(wrapped)
    assert isinstance(translation, ClusterError)
    assert message in str(translation.given)
    assert "run the same command again: it resumes" in translation.hint
    assert hint in translation.hint


def test_full_disk_stays_an_os_error_with_its_file() -> None:
    wrapped = RuntimeError("Training failed")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/data/x")
    translation = translate(wrapped)
    assert isinstance(translation, OSError)
    assert (translation.errno, translation.filename) == (errno.ENOSPC, "/data/x")
