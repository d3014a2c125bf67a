"""A worker's checkpoints on their way to storage, which may be full or gone for a while."""

from __future__ import annotations

import errno
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ray.train
from ray.train import Checkpoint

from pipelines.observability.train_events import EventSender
from tiprdc.errors import ClusterError
from tiprdc.training import checkpoint
from tiprdc.training.trainer import Trainer

_SECONDS_BETWEEN_TRIES = 1.0


def writer(
    trainer: Trainer, teller: EventSender, patience: float
) -> Callable[[dict[str, float]], None]:
    """What a worker calls after an epoch: all report together, the first brings the checkpoint.

    Args:
        trainer: What is kept.
        teller: Hears when storage lets it wait.
        patience: Seconds that storage may be full or gone.

    Raises:
        OSError: It was full for so long.
        ClusterError: It was gone for so long.
    """

    def upload(made: Checkpoint, name: str) -> Checkpoint:
        storage = ray.train.get_context().get_storage()
        deadline = time.monotonic() + patience
        while True:
            try:
                kept: Checkpoint = storage.persist_current_checkpoint(made, name)
                return kept
            # Ray has no class of its own for a folder that has gone.
            except (OSError, RuntimeError) as error:
                if time.monotonic() >= deadline:
                    raise _gone(error, patience) from error
                teller.tell("waiting", trainer.epoch, error=_reason(error))
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def write(losses: dict[str, float]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            made = None
            if trainer.worker.rank == 0:
                checkpoint.save(trainer, Path(folder))
                made = Checkpoint.from_directory(folder)
            ray.train.report(losses, checkpoint=made, checkpoint_upload_fn=upload)

    return write


def _gone(error: Exception, patience: float) -> Exception:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    return ClusterError(
        "cluster.storage", f"no checkpoint could be written for {patience:g} s: {_reason(error)}",
        "a folder that every machine sees and may write to, or a URI",
        "fix it and run the same command again: it goes on from the last checkpoint",
    )  # fmt: skip


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "this machine does not see it"
