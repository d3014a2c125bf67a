"""The private parts of Ray Train that checkpoints need, behind one guard.

Ray gives no public way to upload a checkpoint with retries, nor to name its list of checkpoints.
These names may change with any release of Ray: `ray<2.61` in pyproject.toml is the newest version
that they were tried with. Raise that bound only after `tests/pipelines/training` passed with it.
"""

from __future__ import annotations

import importlib

import ray
import ray.train
from ray.train import Checkpoint

from tiprdc.errors import ClusterError


def checkpoint_list_name() -> str:
    """Name of the file in a run's folder in which Ray Train lists the checkpoints of the run.

    Raises:
        ClusterError: This version of Ray has no such name.
    """
    try:
        constants = importlib.import_module("ray.train.v2._internal.constants")
        name: str = constants.CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
    except (ImportError, AttributeError) as error:
        raise _unsupported("the name of its list of checkpoints") from error
    return name


def upload(checkpoint: Checkpoint, name: str) -> Checkpoint:
    """Copy a worker's checkpoint into the storage of its run, under this name.

    Raises:
        ClusterError: This version of Ray has no such function.
        OSError: Storage is full.
        RuntimeError: Storage is gone; Ray has no class of its own for it.
    """
    try:
        persist = ray.train.get_context().get_storage().persist_current_checkpoint
    except AttributeError as error:
        raise _unsupported("the upload of a checkpoint") from error
    stored: Checkpoint = persist(checkpoint, name)
    return stored


def _unsupported(part: str) -> ClusterError:
    return ClusterError(
        "ray", f"version {ray.__version__} changed {part}",
        hint='install a version that was tried: pip install "ray[default,train,tune]>=2.60,<2.61"',
    )  # fmt: skip
