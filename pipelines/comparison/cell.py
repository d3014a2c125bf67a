"""One cell of the comparison, in one process: a method fitted, exported and attacked.

No Ray here: pipelines/comparison/run.py spreads these over workers.
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

from tiprdc.attacks import reconstruction
from tiprdc.attacks.scoring import Score, score
from tiprdc.attacks.suite import ATTACKS, attack_named
from tiprdc.audit.config import AuditConfig
from tiprdc.baselines.base import Given, Method, MethodsConfig, known_task
from tiprdc.baselines.methods import method_named
from tiprdc.datasets.schema import Records, Schema, Split, read_schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, compare, export
from tiprdc.models.inputs import FeatureMaker, as_attacked
from tiprdc.runtime.session import open_session, seed_noise
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.statistics.binomial import balanced_sample, interval, label_floor, prior

ATTACKERS: tuple[Split, ...] = ("attacker-train", "attacker-select", "attacker-test")
_BATCH = 512


class ComparisonConfig(Settings, frozen=True, kw_only=True):
    """Attacks, seeds and methods of the comparison (`comparison`)."""

    params_key: ClassVar[str] = "comparison"

    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=MAX_SEED)], ...],
        Meta(min_length=1, description="Seeds with which each method is trained."),
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
    """Where and against what a method is measured, for each seed.

    Args:
        shards: Folder of the data set's shards.
        levels: Seed -> attribute -> `prior`, `floor` (private attributes), `ceiling`,
            `unprotected`: balanced accuracies.
        settings: Digest of everything that these and the cells follow from.
    """

    shards: str
    levels: dict[int, dict[str, dict[str, float]]]
    settings: str


def refer(config: ComparisonConfig, shards: str, seed: int) -> dict[str, dict[str, float]]:
    """One seed's levels, in a worker."""
    torch.set_num_threads(1)
    schema, parts = _read(shards)
    found: dict[str, dict[str, float]] = {}
    for name in ("raw", "unprotected"):
        method = method_named(name, "methods")
        sent, _ = _sent(method, config, shards, schema, parts, seed)
        for attribute, one in _scores(method, sent, config, schema, parts).items():
            level = "ceiling" if name == "raw" else name
            found.setdefault(attribute, {})[level] = one.balanced.value
    for attribute, levels in found.items():
        levels["prior"] = prior(schema.classes(attribute))
        if attribute in schema.private and schema.utility:
            levels["floor"] = _floor(attribute, schema, parts)
    return found


def run(cell: Cell, config: ComparisonConfig, reference: Reference) -> list[dict[str, Any]] | str:
    """One cell's rows, in a worker; or why the method cannot work on such records."""
    torch.set_num_threads(1)
    schema, parts = _read(reference.shards)
    method = method_named(cell.method, "methods")
    try:
        sent, seconds = _sent(method, config, reference.shards, schema, parts, cell.seed)
    except ConfigError as error:
        return f"{error.given}; it takes {error.expected}"
    rebuilt = {} if method.sends_records else _rebuilt(sent, config, schema, parts)
    levels = reference.levels[cell.seed]
    return [
        {
            "dataset": cell.dataset,
            "method": cell.method,
            "seed": cell.seed,
            "attribute": attribute,
            "role": "private" if attribute in schema.private else "utility",
            **levels[attribute],
            "value": found.balanced.value,
            "low": found.balanced.low,
            "high": found.balanced.high,
            "accuracy": found.plain.value,
            "accuracy_low": found.plain.low,
            "accuracy_high": found.plain.high,
            "attack": found.attack,
            "known": known_task(schema, cell.method) if method.knows_task else "",
            "features": int(np.prod(sent["attacker-test"].shape[1:])),
            **rebuilt,
            **seconds,
            "settings": reference.settings,
        }
        for attribute, found in _scores(method, sent, config, schema, parts).items()
    ]


def _read(shards: str) -> tuple[Schema, dict[Split, Records]]:
    schema = read_schema(Path(shards))
    return schema, {split: read_split(Path(shards), schema, split) for split in ATTACKERS}


def _sent(
    method: Method, config: ComparisonConfig, shards: str, schema: Schema,
    parts: Mapping[Split, Records], seed: int,
) -> tuple[dict[Split, NDArray[Any]], dict[str, float]]:  # fmt: skip
    """What an attacker sees of each split, and the processor time that it took."""
    started = time.process_time()
    records = read_split(Path(shards), schema, "extractor-train")
    network = method.fit(Given(records=records, schema=schema, config=config.methods, seed=seed))
    trained = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        extract = _by_torch(network)
        if method.exported:
            seed_noise(seed)
            extract = _by_file(network, Path(folder) / "z.onnx", parts, config)
        began = time.process_time()
        sent = {split: extract(part.x) for split, part in parts.items()}
    each = 1000 * (time.process_time() - began) / sum(map(len, parts.values()))
    noise = method.noise(network.spec, config.methods)
    if noise:
        rng = np.random.default_rng([seed, len(records)])
        sent = {split: noise(z, rng) for split, z in sent.items()}
    return sent, {"train_seconds": trained - started, "milliseconds_a_record": each}


def _by_torch(network: FeatureMaker) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def extract(x: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            parts = [network(part) for part in torch.split(torch.from_numpy(x), _BATCH)]
        return np.asarray(torch.cat(parts).numpy())

    return extract


def _by_file(
    network: FeatureMaker, path: Path, parts: Mapping[Split, Records], config: ComparisonConfig
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Features from the exported bytes themselves, after they agreed with torch."""
    settings = ExportConfig(tolerance=config.tolerance)
    export(network, path, settings)
    compare(network, path, parts["attacker-select"].x, settings)
    session = open_session(path)

    def extract(x: NDArray[Any]) -> NDArray[Any]:
        starts = range(0, len(x), _BATCH)
        found = [session.run(["z"], {"x": x[start : start + _BATCH]})[0] for start in starts]
        return np.asarray(np.concatenate(found))

    return extract


def _scores(
    method: Method, sent: Mapping[Split, NDArray[Any]], config: ComparisonConfig, schema: Schema,
    parts: Mapping[Split, Records],
) -> dict[str, Score]:  # fmt: skip
    """Every private attribute attacked, every task probed."""
    scores = {}
    # Whoever is sent records has nothing to learn from pairs of a record and itself.
    held = None if method.sends_records else as_attacked(parts["attacker-train"].x, schema)
    for name in (*schema.private, *schema.utility):
        attacks = config.attacks if name in schema.private else config.probes
        if method.sends_records:
            attacks = tuple(dict.fromkeys([*attacks, *AuditConfig().raw_attacks(schema.modality)]))
        classes = schema.classes(name)
        scores[name] = score(attacks, config.attack_seeds, sent, parts, name, classes, x=held)
    return scores


def _floor(name: str, schema: Schema, parts: Mapping[Split, Records]) -> float:
    """What the true utility labels alone give away of a private attribute."""
    train, test = parts["attacker-train"], parts["attacker-test"]
    rows = balanced_sample(test.labels[name], test.person, schema.classes(name), 0)
    decided = label_floor(
        {task: train.labels[task] for task in schema.utility},
        train.labels[name],
        {task: test.labels[task][rows] for task in schema.utility},
        schema.classes(name),
    )
    return interval(int(np.sum(decided == test.labels[name][rows])), len(rows)).value


def _rebuilt(
    sent: Mapping[Split, NDArray[Any]], config: ComparisonConfig, schema: Schema,
    parts: Mapping[Split, Records],
) -> dict[str, float]:  # fmt: skip
    """How near a decoder comes to the record, pictures and tables alone."""
    if not config.reconstruction or schema.modality == "text":
        return {}
    pairs = {split: (sent[split], parts[split].x) for split in ATTACKERS}
    train, select, test = (pairs[split] for split in ATTACKERS)
    few = slice(0, reconstruction.MOST_SCORED)
    decoder = reconstruction.fit_decoder(schema, train, select)
    made = decoder(test[0][few])
    found = reconstruction.scores(schema, made, test[1][few], decoder.tokens)
    return {name: found[name] for name in ("psnr", "ssim", "r2") if name in found}
