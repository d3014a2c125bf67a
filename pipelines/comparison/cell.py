"""Run one cell of the comparison in this process: fit a method, export it, attack it.

pipelines/comparison/run.py runs cells on Ray.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray

from tiprdc.attacks.draws import draws_of
from tiprdc.attacks.measures import reconstruction
from tiprdc.attacks.scoring import Score, score
from tiprdc.attacks.suite import ATTACKS, attack_named
from tiprdc.audit.config import AuditConfig
from tiprdc.baselines.base import FitInputs, Method, MethodsConfig, known_task
from tiprdc.baselines.methods import method_named
from tiprdc.datasets.schema import Records, Schema, Split, read_schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_parity
from tiprdc.models.inputs import FeatureMaker, attack_inputs
from tiprdc.runtime.session import open_session, seed_noise
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.statistics.binomial import interval, prior
from tiprdc.statistics.label_floor import recognised_from_labels
from tiprdc.statistics.sampling import balanced_sample

ATTACKERS: tuple[Split, ...] = ("attacker-train", "attacker-select", "attacker-test")
_BATCH = 512


class ComparisonConfig(Settings, frozen=True, kw_only=True):
    """Attacks, seeds and methods of the comparison (`comparison`)."""

    params_key: ClassVar[str] = "comparison"

    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=MAX_SEED)], ...],
        Meta(
            min_length=1,
            description="Seeds with which the method ours is trained; the others have the first.",
        ),
    ] = (0,)
    attacks: Annotated[
        tuple[str, ...],
        Meta(
            description="Attacks on private attributes. Where a method sends records, those that "
            "hold records are left out and those on raw records are added.",
        ),
    ] = ("logistic_regression", "kernel", "mlp")
    probes: Annotated[tuple[str, ...], Meta(description="Attacks on utility tasks, likewise.")] = (
        "logistic_regression",
        "kernel",
    )
    attack_seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=MAX_SEED)], ...],
        Meta(min_length=1, description="Seeds with which each random attack is fitted."),
    ] = (0,)
    reconstruction: Annotated[
        bool,
        Meta(
            description="Whether a decoder tries to reconstruct pictures and columns from features."
        ),
    ] = True
    tolerance: Annotated[
        float,
        Meta(
            ge=1e-9, le=0.1,
            description="Largest absolute difference allowed between torch's features and the "
            "file's.",
        ),
    ] = 1e-3  # fmt: skip
    methods: Annotated[MethodsConfig, Meta(description="Settings of the methods.")] = (
        MethodsConfig()
    )

    def _check(self) -> None:
        for key in ("attacks", "probes"):
            for name in getattr(self, key):
                attack_named(name, f"comparison.{key}", records=True)
            if all(ATTACKS[name].needs_records for name in getattr(self, key)):
                raise ConfigError(
                    f"comparison.{key}", list(getattr(self, key)),
                    "at least one attack that needs no records",
                )  # fmt: skip
        for key in ("seeds", "attack_seeds"):
            seeds = getattr(self, key)
            if len(set(seeds)) < len(seeds):
                raise ConfigError(f"comparison.{key}", list(seeds), "each once")


@dataclass(frozen=True)
class Cell:
    """One method with one seed on one data set.

    Args:
        dataset: Its name in the table.
        method: Its name.
        seed: Of training.
    """

    dataset: str
    method: str
    seed: int


@dataclass(frozen=True)
class Reference:
    """Accuracies that the methods are compared with.

    Args:
        shards: Folder of the data set's shards.
        levels: Attribute -> `prior`, `floor` (private attributes), `ceiling`, `unprotected`, of the
            first seed: balanced accuracies, 0 to 1.
        settings: Digest of everything that these and the cells depend on.
    """

    shards: str
    levels: dict[str, dict[str, float]]
    settings: str


def refer(config: ComparisonConfig, shards: str) -> dict[str, dict[str, float]]:
    """In a worker: the reference levels."""
    torch.set_num_threads(1)
    schema, parts = _read(shards)
    levels: dict[str, dict[str, float]] = {}
    for name in ("raw", "unprotected"):
        method = method_named(name, "methods")
        sent, _ = _features(method, config, shards, schema, parts, config.seeds[0])
        for attribute, result in _scores(method, sent, config, schema, parts).items():
            level = "ceiling" if name == "raw" else name
            levels.setdefault(attribute, {})[level] = result.balanced.value
    for attribute, of_attribute in levels.items():
        of_attribute["prior"] = prior(schema.classes(attribute))
        if attribute in schema.private and schema.utility:
            of_attribute["floor"] = _floor(attribute, schema, parts)
    return levels


def run(cell: Cell, config: ComparisonConfig, reference: Reference) -> list[dict[str, Any]] | str:
    """In a worker: the rows of a cell, or the reason why the method cannot run on such records."""
    torch.set_num_threads(1)
    schema, parts = _read(reference.shards)
    method = method_named(cell.method, "methods")
    try:
        sent, seconds = _features(method, config, reference.shards, schema, parts, cell.seed)
    except ConfigError as error:
        return f"{error.given}; it takes {error.expected}"
    z = sent.z
    reconstructed = {} if method.sends_records else _reconstruction(z, config, schema, parts)
    return [
        {
            "dataset": cell.dataset,
            "method": cell.method,
            "seed": cell.seed,
            "attribute": attribute,
            "role": "private" if attribute in schema.private else "utility",
            **reference.levels[attribute],
            "value": result.balanced.value,
            "low": result.balanced.low,
            "high": result.balanced.high,
            "accuracy": result.plain.value,
            "accuracy_low": result.plain.low,
            "accuracy_high": result.plain.high,
            "attack": result.attack,
            "known": known_task(schema, cell.method) if method.knows_task else "",
            "features": int(np.prod(z["attacker-test"].shape[1:])),
            **reconstructed,
            **seconds,
            "settings": reference.settings,
        }
        for attribute, result in _scores(method, sent, config, schema, parts).items()
    ]


def _read(shards: str) -> tuple[Schema, dict[Split, Records]]:
    schema = read_schema(Path(shards))
    return schema, {split: read_split(Path(shards), schema, split) for split in ATTACKERS}


@dataclass(frozen=True)
class Sent:
    """What an attacker has of the records.

    Args:
        z: Features of each split, one draw of each record.
        draws: Further draws of those of attacker-train `[R, N, ...]`; None: there is no noise.
    """

    z: dict[Split, NDArray[Any]]
    draws: NDArray[Any] | None = None


def _features(
    method: Method, config: ComparisonConfig, shards: str, schema: Schema,
    parts: Mapping[Split, Records], seed: int,
) -> tuple[Sent, dict[str, float]]:  # fmt: skip
    """Features as an attacker receives them, and the processor time for them."""
    started = time.process_time()
    records = read_split(Path(shards), schema, "extractor-train")
    network = method.fit(
        FitInputs(records=records, schema=schema, config=config.methods, seed=seed)
    )
    trained = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        extract = _torch_features(network)
        if method.exported:
            seed_noise(seed)
            extract = _file_features(network, Path(folder) / "z.onnx", parts, config)
        began = time.process_time()
        clean = {split: extract(part.x) for split, part in parts.items()}
        each = 1000 * (time.process_time() - began) / sum(map(len, parts.values()))
        noise = method.noise(network.spec, config.methods)
        rng = np.random.default_rng([seed, len(records)])
        z = {split: noise(values, rng) for split, values in clean.items()} if noise else clean

        def redraw() -> NDArray[Any]:
            if noise:
                return noise(clean["attacker-train"], rng)
            return extract(parts["attacker-train"].x)

        draws = _further_draws(z["attacker-train"], redraw)
    return Sent(z, draws), {"train_seconds": trained - started, "milliseconds_a_record": each}


def _further_draws(first: NDArray[Any], redraw: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
    """Further draws `[R, N, ...]` beside the first; None where the next equals it."""
    second = redraw()
    if np.array_equal(first, second):
        return None
    further = draws_of(len(first), first[0].size) - 2
    return np.stack([second, *(redraw() for _ in range(further))])


def _torch_features(network: FeatureMaker) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def extract(x: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            parts = [network(part) for part in torch.split(torch.from_numpy(x), _BATCH)]
        return np.asarray(torch.cat(parts).numpy())

    return extract


def _file_features(
    network: FeatureMaker, path: Path, parts: Mapping[Split, Records], config: ComparisonConfig
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Features of the exported file, after a comparison with those of torch."""
    settings = ExportConfig(tolerance=config.tolerance)
    export(network, path, settings)
    check_parity(network, path, parts["attacker-select"].x, settings)
    session = open_session(path)

    def extract(x: NDArray[Any]) -> NDArray[Any]:
        starts = range(0, len(x), _BATCH)
        parts = [session.run(["z"], {"x": x[start : start + _BATCH]})[0] for start in starts]
        return np.asarray(np.concatenate(parts))

    return extract


def _scores(
    method: Method, sent: Sent, config: ComparisonConfig, schema: Schema,
    parts: Mapping[Split, Records],
) -> dict[str, Score]:  # fmt: skip
    """Attack every private attribute and probe every task."""
    scores = {}
    # Pairs of a record and its features teach nothing where the record itself is sent.
    x = None if method.sends_records else attack_inputs(parts["attacker-train"].x, schema)
    for name in (*schema.private, *schema.utility):
        attacks = config.attacks if name in schema.private else config.probes
        if method.sends_records:
            records = schema.records["attacker-train"]
            raw = AuditConfig().raw_attacks(schema.modality, records)
            attacks = tuple(dict.fromkeys([*attacks, *raw]))
        classes = schema.classes(name)
        scores[name] = score(
            attacks, config.attack_seeds, sent.z, parts, name, classes, x=x, draws=sent.draws
        )
    return scores


def _floor(name: str, schema: Schema, parts: Mapping[Split, Records]) -> float:
    """Balanced accuracy on a private attribute from the true utility labels alone."""
    train, test = parts["attacker-train"], parts["attacker-test"]
    rows = balanced_sample(test.labels[name], test.person, schema.classes(name), 0)
    correct = recognised_from_labels(
        {task: train.labels[task] for task in schema.utility},
        train.labels[name],
        {task: test.labels[task][rows] for task in schema.utility},
        test.labels[name][rows],
        schema.classes(name),
    )
    return interval(correct, len(rows)).value


def _reconstruction(
    z: Mapping[Split, NDArray[Any]], config: ComparisonConfig, schema: Schema,
    parts: Mapping[Split, Records],
) -> dict[str, float]:  # fmt: skip
    """Scores of a decoder that reconstructs records; pictures and tables only."""
    if not config.reconstruction or schema.modality == "text":
        return {}
    pairs = {split: (z[split], parts[split].x) for split in ATTACKERS}
    train, select, test = (pairs[split] for split in ATTACKERS)
    few = slice(0, reconstruction.MAX_SCORED)
    decoder = reconstruction.fit_decoder(schema, train, select)
    rebuilt = decoder(test[0][few])
    scores = reconstruction.scores(schema, rebuilt, test[1][few], decoder.tokens)
    return {name: scores[name] for name in ("psnr", "ssim", "r2") if name in scores}
