"""Tasks of an audit: each takes one core and its arguments, and reads nothing else.

So any process on any machine can run any task, and it gives the same figures there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tiprdc.attacks import attacker_data, linkability, membership, reconstruction
from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.decoder import Decoder, token_presence
from tiprdc.attacks.retrieval import retrieval
from tiprdc.attacks.suite import AttackTrial, try_attack
from tiprdc.audit.own_model import Model
from tiprdc.audit.plan import Job
from tiprdc.datasets.schema import Schema
from tiprdc.formats.audit_report import Measure

PICTURES_SHOWN = 8
"""Reconstructed pictures that the report shows."""


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
    x: NDArray[Any] | None = None,
) -> tuple[AttackTrial, Any]:
    """The trial without its attacker, and the attacker, which stays where it was fitted."""
    torch.set_num_threads(1)
    name = job.target
    data = TrainingSet(z=z_train, labels={name: u_train}, classes={name: classes}, x=x)
    trial = try_attack(job.attack, data, (name,), z_select, {name: u_select}, job.seed, job.budget)[
        name
    ]
    return replace(trial, attacker=None), trial.attacker


def predict_probabilities(
    attacker: Any, z: NDArray[Any], rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The attacker's probabilities `[len(rows), K]` on these rows of attacker-test.

    Raises:
        ValueError: They are not finite.
    """
    torch.set_num_threads(1)
    probabilities = attacker.probabilities(z[rows])
    if not np.isfinite(probabilities).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(probabilities)


def fit_decoder(
    schema: Schema, z: NDArray[Any], x: NDArray[Any], z_select: NDArray[Any], x_select: NDArray[Any]
) -> Decoder:
    """A decoder of this kind of record."""
    torch.set_num_threads(1)
    return reconstruction.fit_decoder(schema, (z, x), (z_select, x_select))


def decode(
    schema: Schema, decoder: Decoder, z: NDArray[Any], x: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Scores, and the first few reconstructions."""
    torch.set_num_threads(1)
    decoded = decoder(z[: len(x)])
    scores = reconstruction.scores(schema, decoded, x, decoder.tokens)
    return scores, decoded[:PICTURES_SHOWN]


def decode_without_features(
    schema: Schema, decoder: Decoder, x_train: NDArray[Any], x: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Scores of the baseline, which uses the records of attacker-train alone."""
    decoded = reconstruction.without_features(schema, x_train, len(x), decoder.tokens)
    scores = reconstruction.scores(schema, decoded, x, decoder.tokens)
    return scores, decoded[:PICTURES_SHOWN]


def measure_retrieval(
    schema: Schema,
    decoder: Decoder,
    z: NDArray[Any],
    x: NDArray[Any],
    rows: NDArray[np.intp],
    confidence: float,
    representation: str,
) -> tuple[Measure, ...]:
    """Retrieval on these rows of attacker-test, one a person."""
    torch.set_num_threads(1)
    decoded = decoder(z[rows])
    records = x[rows] if schema.modality != "text" else token_presence(x[rows], decoder.tokens)
    return retrieval(decoded, records, schema.columns, confidence, representation)


def measure_linkability(
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    z_test: NDArray[Any],
    person: tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_]],
    confidence: float,
    seed: int,
    representation: str,
) -> tuple[Measure, ...]:
    """Linkability on the attackers' three splits, with the persons of each."""
    z = (z_train, z_select, z_test)
    train, select, test = (
        linkability.PersonFeatures(*each) for each in zip(z, person, strict=True)
    )
    return linkability.linkability(train, select, test, confidence, seed, representation)


def measure_membership(
    members: NDArray[Any],
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    z_test: NDArray[Any],
    rows: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    confidence: float,
    seed: int,
    representation: str,
) -> tuple[Measure, ...]:
    """Membership of training people against these rows of the attackers' three splits."""
    torch.set_num_threads(1)
    splits = (z_train, z_select, z_test)
    train, select, test = (z[part] for z, part in zip(splits, rows, strict=True))
    return membership.membership(members, train, select, test, confidence, seed, representation)


def measure_attacker_data(
    job: Job,
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    u: tuple[NDArray[np.int64], NDArray[np.int64]],
    person: NDArray[np.str_],
    classes: int,
    confidence: float,
    x: NDArray[Any] | None = None,
) -> tuple[Measure, ...]:
    """The selected attack on growing parts of attacker-train; `person` is of attacker-select."""
    torch.set_num_threads(1)
    train, select = (z_train, u[0]), (z_select, u[1], person)
    return attacker_data.attacker_data(
        job.target, job.attack, train, select, classes, confidence, job.seed, x
    )
