"""Write a worker's checkpoints to storage, and wait while storage is full or gone."""

from __future__ import annotations

import errno
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ray.train
from ray.train import Checkpoint

from pipelines.observability.train_events import EventSender
from pipelines.training import ray_private
from tiprdc.errors import ClusterError
from tiprdc.training import checkpoint
from tiprdc.training.trainer import Trainer

_SECONDS_BETWEEN_TRIES = 1.0


def checkpoint_writer(
    trainer: Trainer, sender: EventSender, patience: float
) -> Callable[[dict[str, float]], None]:
    """Make the function that a worker calls after an epoch, with the losses.

    All workers report to Ray Train together; the first one saves the checkpoint.

    Args:
        trainer: What is saved.
        sender: Sends an event while the upload waits for storage.
        patience: Seconds that storage may be full or gone.

    Returns:
        The function. It raises OSError if storage stays full, and ClusterError if it stays gone.
    """

    def upload(local: Checkpoint, name: str) -> Checkpoint:
        deadline = time.monotonic() + patience
        while True:
            try:
                return ray_private.upload(local, name)
            # Ray has no class of its own for a folder that has gone.
            except (OSError, RuntimeError) as error:
                if time.monotonic() >= deadline:
                    raise _timeout_error(error, patience) from error
                sender.send("waiting", trainer.epoch, error=_reason(error))
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def write(losses: dict[str, float]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            local = None
            if trainer.worker.rank == 0:
                checkpoint.save(trainer, Path(folder))
                local = Checkpoint.from_directory(folder)
            ray.train.report(losses, checkpoint=local, checkpoint_upload_fn=upload)

    return write


def _timeout_error(error: Exception, patience: float) -> Exception:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    return ClusterError(
        "cluster.storage", f"no checkpoint could be written for {patience:g} s: {_reason(error)}",
        "a folder that every machine can write to, or a URI",
        "repair it and run the same command again: it resumes from the last checkpoint",
    )  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not reachable from this machine"
