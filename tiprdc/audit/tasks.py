"""Tasks of an audit: each takes one core and its arguments, and reads nothing else.

So any process on any machine can run any task, and it gives the same figures there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.families.decoder import Decoder, token_presence
from tiprdc.attacks.measures import linkability, membership, reconstruction
from tiprdc.attacks.measures.retrieval import retrieval
from tiprdc.attacks.suite import AttackTrial, try_attack, try_stack
from tiprdc.audit.own_model import Model, OwnModel
from tiprdc.audit.pools import subset
from tiprdc.datasets.schema import Schema
from tiprdc.formats.audit_plan import Pool
from tiprdc.formats.audit_report import Measure
from tiprdc.models.inputs import attack_inputs
from tiprdc.models.views import views
from tiprdc.statistics.certificate import cell_counts, cells

PICTURES_SHOWN = 8
"""Reconstructed pictures that the report shows."""
MAX_DECODED = 6000
"""Most records that a decoder is fitted on."""
BORDER_RECORDS = 2000
"""Records whose code is computed a second time."""


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """One attack to fit, for one target or, where one fit serves several, for all of these.

    Args:
        attack, seed, budget, pool: As in `tiprdc.audit.plan.Job`.
        targets: Attributes or tasks.
        classes: Attribute or task -> K, of all labels that the attacker knows.
        records: Records of the pool.
        people: Fit on a random part of the pool with this many records, without copies; None: all.
    """

    attack: str
    seed: int
    budget: int
    pool: Pool
    targets: tuple[str, ...]
    classes: Mapping[str, int]
    records: int
    people: int | None = None


def extract(model: Model, x: NDArray[Any]) -> NDArray[np.float32]:
    """Features `[N, D]` of records `[N, ...]`."""
    return model.features(x)


def redraw(model: Model, x: NDArray[Any], records: int) -> NDArray[np.float32]:
    """Features of the same records with several draws of the noise `[R, N, D]`."""
    return model.redraw(x, records)


def first_draw(draws: NDArray[np.float32]) -> NDArray[np.float32]:
    """One draw `[N, D]` of several."""
    return np.asarray(draws[0])


def join_draws(*parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draws `[R, N, D]` of the records of several parts, one part after the other."""
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def check_batches(model: Model, x: NDArray[Any]) -> None:
    """Check on some records that features do not depend on the other records of a batch.

    Raises:
        ModelError: They do.
    """
    model.check_batches(x)


def extract_views(model: Model, seed: int, *x: NDArray[Any]) -> NDArray[np.float32]:
    """Features `[VIEWS * N, D]` of the changed copies of N pictures, one kind of copy at a time."""
    copies = views(np.concatenate(x), seed)
    return np.concatenate([model.features(copy) for copy in copies])


def join(*parts: NDArray[Any]) -> NDArray[Any]:
    """Records of several parts, one part after the other."""
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def fit(
    request: FitRequest,
    z: NDArray[Any],
    labels: Mapping[str, NDArray[np.int64]],
    x: NDArray[Any] | None,
    z_select: NDArray[Any],
    select_labels: Mapping[str, NDArray[np.int64]],
    draws: NDArray[np.float32] | None,
) -> tuple[Any, ...]:
    """The trial of each target without its attacker, and the attackers, which stay where they are.

    Args:
        request: What is fitted.
        z: Representations of the largest pool; the request's pool is its leading part.
        labels: Class numbers of the request's pool.
        x: Records of at least the request's pool, for attacks that use them; None: not used.
        z_select, select_labels: attacker-select.
        draws: z and further draws of the noise `[R, N, D]` of at least the request's pool; None:
            not used.
    """
    torch.set_num_threads(1)
    data = TrainingSet(
        z=z[: request.records],
        labels={name: u[: request.records] for name, u in labels.items()},
        classes=request.classes,
        x=None if x is None else x[: request.records],
        draws=None if draws is None or len(draws) == 1 else draws[1:, : request.records],
    )  # fmt: skip
    if request.people is not None:
        data = data.take(subset(request.pool, request.records, request.people, request.seed))
    trials = try_attack(
        request.attack, data, request.targets, z_select, select_labels,
        request.seed, request.budget,
    )  # fmt: skip
    return (
        *(replace(trials[name], attacker=None) for name in request.targets),
        *(trials[name].attacker for name in request.targets),
    )


def fit_stacked(
    z: NDArray[Any],
    u: NDArray[np.int64],
    z_select: NDArray[Any],
    u_select: NDArray[np.int64],
    classes: int,
    seed: int,
    *attackers: Any,
) -> tuple[AttackTrial, Any]:
    """The stack of all attackers, fitted on people that none of them was fitted on."""
    torch.set_num_threads(1)
    fitted = [attacker for attacker in attackers if attacker is not None]
    trial = try_stack(fitted, (z, u), (z_select, u_select), classes, seed)
    return replace(trial, attacker=None), trial.attacker


def recognise(
    attacker: Any, z: NDArray[Any], rows: NDArray[np.intp], truth: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether the attacker is right about each of these people of attacker-test `[len(rows)]`.

    Raises:
        ValueError: The attacker's probabilities are not finite.
    """
    return np.asarray(np.argmax(predict_probabilities(attacker, z, rows), axis=1) == truth)


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
    """A decoder of this kind of record, fitted on at most `MAX_DECODED` records."""
    torch.set_num_threads(1)
    pairs = z[:MAX_DECODED], x[:MAX_DECODED]
    return reconstruction.fit_decoder(schema, pairs, (z_select, x_select))


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
    records = x[rows] if schema.modality == "table" else attack_inputs(x[rows], schema)
    if schema.modality == "text":
        records = token_presence(records, decoder.tokens)
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


def code_counts(
    labels: Mapping[str, NDArray[np.int64]],
    classes: Mapping[str, int],
    rows: NDArray[np.intp],
    *z: NDArray[Any],
) -> dict[str, NDArray[np.int64]] | None:
    """People of each class in each cell of a code, `[C, K]` an attribute.

    Args:
        labels: Class numbers of the records in `z`.
        classes: Attribute -> C.
        rows: One record a person.
        z: Features of several parts.

    Returns:
        None where features take too many values to be a code.
    """
    codes = cells(join(*z)[rows])
    if codes is None:
        return None
    return {name: cell_counts(codes, u[rows], classes[name]) for name, u in labels.items()}


def code_border(counts: object, model: Model, x: NDArray[Any], z: NDArray[Any]) -> float | None:
    """Share of records whose code changes where the file is run with fewer graph optimisations.

    Args:
        counts: From `code_counts`; None: there is no code.
        model: The released file.
        x, z: Records and their features, as the audit computed them.

    Returns:
        None without a code, and where the file can only be run in one way.
    """
    if counts is None or not isinstance(model, OwnModel):
        return None
    again = model.features(x[:BORDER_RECORDS], optimised=False)
    return float((again != z[:BORDER_RECORDS]).any(1).mean())
