"""The audit's work in pieces: each takes one core and whatever it needs, and reads nothing else.

So any process of any machine can do any of them, and the same piece gives the same figures there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tiprdc.attacks import reconstruction
from tiprdc.attacks.suite import Trial, try_attack
from tiprdc.audit.model import Model
from tiprdc.audit.plan import Job
from tiprdc.datasets.schema import Schema

PICTURES_SHOWN = 8


def extract(model: Model, x: NDArray[Any]) -> NDArray[np.float32]:
    """Features `[N, D]` of records `[N, ...]`."""
    return model.features(x)


def fit(
    job: Job,
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    u_train: NDArray[np.int64],
    u_select: NDArray[np.int64],
    classes: int,
) -> tuple[Trial, Any]:
    """A trial without its attacker, and the attacker, which stays where it was fitted."""
    torch.set_num_threads(1)
    train, select = (z_train, u_train), (z_select, u_select)
    trial = try_attack(job.attack, train, select, classes, job.seed, job.budget)
    return Trial(trial.select, trial.status, trial.seconds, None), trial.attacker


def say(attacker: Any, z: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The attacker's probabilities `[len(rows), K]` on these people of attacker-test.

    Raises:
        ValueError: It gives NaN.
    """
    torch.set_num_threads(1)
    said = attacker.probabilities(z[rows])
    if not np.isfinite(said).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(said)


def fit_decoder(
    schema: Schema, z: NDArray[Any], x: NDArray[Any], z_select: NDArray[Any], x_select: NDArray[Any]
) -> reconstruction.Decoder:
    """A decoder of pictures or of columns."""
    torch.set_num_threads(1)
    if schema.modality == "image":
        return reconstruction.fit_picture_decoder((z, x), (z_select, x_select), seed=0)
    return reconstruction.fit_column_decoder((z, x), (z_select, x_select), schema.columns, seed=0)


def decode(
    schema: Schema, decoder: reconstruction.Decoder, z: NDArray[Any], x: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Scores, and the first few reconstructions."""
    torch.set_num_threads(1)
    made = decoder(z[: len(x)])
    if schema.modality == "image":
        return reconstruction.picture_scores(made, x), made[:PICTURES_SHOWN]
    return reconstruction.column_scores(made, x, schema.columns), made[:PICTURES_SHOWN]
