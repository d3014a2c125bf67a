"""Search settings with Ray Tune: what hides most against what keeps most.

Each trial trains a small extractor and is judged as the audit would judge it, by attackers trained
from scratch on attacker-train, but scored on attacker-select: attacker-test stays closed. Optuna's
multi-objective sampler proposes; the front is what no other trial beats in both. Nothing is chosen
here: the front and a snippet for params.yaml are written, and a person decides.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from ray import tune as ray_tune
from ray.tune.search.optuna import OptunaSearch
from ruamel.yaml import YAML

from pipelines.cluster import ClusterConfig, connect
from pipelines.console import Progress, console
from pipelines.training import TrainConfig
from tiprdc.attacks.suite import attack_named
from tiprdc.datasets.schema import Records, Schema, read_schema, read_split
from tiprdc.errors import ClusterError, ConfigError, within
from tiprdc.models.inputs import InputSpec
from tiprdc.statistics import Interval, balanced_sample, interval
from tiprdc.trainer import Trainer

OBJECTIVES = {"advantage": "min", "utility": "max"}
_SEARCHED = ("privacy_weight", "closed_form", "features")


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """The search (`tune`); what it does not vary comes from `train`."""

    trials: int = 4
    """Settings to try, 1 to 10,000."""
    seed: int = 0
    """Seed of the sampler and of every trial, >= 0."""
    epochs: int = 4
    """Epochs of a trial, 1 to 10,000: fewer than in `train`; the warm-up shrinks alike."""
    people: int = 4000
    """Records of extractor-train, and of attacker-train, that a trial uses, >= 100."""
    cpus_per_trial: float = 1.0
    """CPUs of a trial, 0.1 to 1,000."""
    gpus_per_trial: float = 0.0
    """GPUs of a trial, 0 to 100; a fraction shares one."""
    privacy_weight: tuple[float, ...] = (0.3, 0.9)
    """Lowest and highest lambda."""
    closed_form: tuple[float, ...] = (1.0, 30.0)
    """Lowest and highest weight of the closed-form adversary, searched on a logarithmic scale."""
    features: tuple[int, ...] = (16, 24, 32)
    """Widths of z to choose among."""
    attacks: tuple[str, ...] = ("kernel", "mlp")
    """Attacks that judge privacy, the strongest counts, and the first of them utility."""

    def __post_init__(self) -> None:
        within("tune.trials", self.trials, 1, 10_000)
        within("tune.seed", self.seed, 0, 2**31 - 1)
        within("tune.epochs", self.epochs, 1, 10_000)
        within("tune.people", self.people, 100, 10**9)
        within("tune.cpus_per_trial", self.cpus_per_trial, 0.1, 1000)
        within("tune.gpus_per_trial", self.gpus_per_trial, 0, 100)
        for name in ("privacy_weight", "closed_form"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
                raise ConfigError(f"tune.{name}", list(bounds), "[lowest, highest]")
        if self.closed_form[0] <= 0:
            raise ConfigError("tune.closed_form", list(self.closed_form), "weights above 0")
        for name in self.attacks:
            attack_named(name, "tune.attacks")


def tune(
    config: TuneConfig,
    base: TrainConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    out: Path,
) -> None:
    """Try settings; leave `front.csv`, and the best of them as `best.yaml`.

    Args:
        config: The search.
        base: Everything that is not searched.
        cluster: Where.
        shards: Folder of `prepare`.
        out: Folder for what was found.

    Raises:
        ClusterError: Ray does not answer, or no trial came to an end.
    """
    schema = read_schema(shards)
    if not schema.utility:
        raise ConfigError(
            "prepare", "no utility attribute", "at least one to tune against",
            "name the attributes that stand for unseen tasks in params.yaml",
        )  # fmt: skip
    absolute = replace(base, extractor=base.extractor.absolute())
    settings = {"tune": config, "train": absolute, "shards": str(shards.resolve())}
    name = _name(config, base, schema)
    storage = Path(cluster.storage).resolve()
    with connect(cluster), Progress("trial") as progress, ThreadPoolExecutor(1) as pool:
        progress.add("tune", config.trials)
        search = pool.submit(_tuner(settings, storage, name).fit)
        progress.follow(_Finished(storage / name), [search])
        found = search.result()
    ended = [found[i] for i in range(len(found))]
    table = pd.DataFrame([trial.metrics for trial in ended if trial.metrics and not trial.error])
    if table.empty:
        raise ClusterError(
            "tune", f"none of {config.trials} trials came to an end", "at least one",
            f"read the errors in {storage / name}",
        )  # fmt: skip
    _write(table, out)
    shutil.rmtree(storage / name, ignore_errors=True)


def _name(config: TuneConfig, base: TrainConfig, schema: Schema) -> str:
    text = json.dumps([asdict(config), asdict(base), schema.digest], sort_keys=True)
    return f"tune-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class _Finished:
    """Counts the trials that have reported, also those of a run that was cut off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, block: bool = True, timeout: float | None = None) -> tuple[str, int]:
        time.sleep(timeout or 0)
        reported = [file for file in self.folder.glob("*/result.json") if file.stat().st_size]
        return "tune", len(reported)


def _tuner(settings: dict[str, Any], storage: Path, name: str) -> ray_tune.Tuner:
    """A new search, or the one that was cut off."""
    config: TuneConfig = settings["tune"]
    work = ray_tune.with_resources(
        ray_tune.with_parameters(_trial, settings=settings),
        {"cpu": config.cpus_per_trial, "gpu": config.gpus_per_trial},
    )
    path = str(storage / name)
    if ray_tune.Tuner.can_restore(path):
        console.print(f"tune: going on with {path}")
        return ray_tune.Tuner.restore(path, work, resume_unfinished=True, resume_errored=True)
    floats = optuna.distributions.FloatDistribution
    low, high = config.closed_form
    space = {
        "privacy_weight": floats(config.privacy_weight[0], config.privacy_weight[1]),
        "closed_form": floats(low, high, log=True),
        "features": optuna.distributions.CategoricalDistribution(config.features),
    }
    # Its own word on a study in memory is no news: Tune keeps the trials.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = OptunaSearch(
        space=space,
        metric=list(OBJECTIVES),
        mode=list(OBJECTIVES.values()),
        seed=config.seed,
    )
    return ray_tune.Tuner(
        work,
        tune_config=ray_tune.TuneConfig(search_alg=search, num_samples=config.trials),
        run_config=ray_tune.RunConfig(name=name, storage_path=str(storage), verbose=0),
    )


def _trial(searched: dict[str, Any], settings: dict[str, Any]) -> None:
    """Train with these settings and let fresh attackers judge."""
    config, base = settings["tune"], settings["train"]
    shards = Path(settings["shards"])
    schema = read_schema(shards)
    game = replace(
        base.game,
        privacy_weight=searched["privacy_weight"],
        closed_form=searched["closed_form"],
    )
    share = config.epochs / base.schedule.epochs
    trainer = Trainer(
        game,
        replace(base.extractor, features=searched["features"]),
        replace(base.schedule, epochs=config.epochs, warm_up=base.schedule.warm_up * share),
        InputSpec.of(schema),
        {name: schema.classes(name) for name in schema.private},
        seed=config.seed,
    )
    records = _first(read_split(shards, schema, "extractor-train"), config.people)
    while trainer.epoch < config.epochs:
        trainer.play_epoch(records)
    ray_tune.report({**searched, **_judge(trainer, config, schema, shards)})


def _judge(trainer: Trainer, config: TuneConfig, schema: Schema, shards: Path) -> dict[str, float]:
    """The strongest attack over all private attributes, and the mean over the unseen tasks."""
    seen = _first(read_split(shards, schema, "attacker-train"), config.people)
    select = read_split(shards, schema, "attacker-select")
    z, z_select = trainer.features(seen), trainer.features(select)

    def score(name: str, attack: str) -> Interval:
        k = schema.classes(name)
        attacker = attack_named(attack, "tune.attacks").fit(z, seen.labels[name], k, config.seed, 1)
        truth = select.labels[name]
        rows = balanced_sample(truth, select.person, k, config.seed)
        return interval(int((attacker.decide(z_select[rows]) == truth[rows]).sum()), len(rows))

    found = []
    for name in schema.private:
        best = max((score(name, attack) for attack in config.attacks), key=lambda s: s.value)
        prior = 1 / schema.classes(name)
        found.append((best.value - prior, best.low - prior, best.high - prior))
    advantage, low, high = max(found)
    kept = [score(task, config.attacks[0]).value for task in schema.utility]
    return {
        "advantage": advantage, "advantage_low": low, "advantage_high": high,
        "utility": float(np.mean(kept)),
    }  # fmt: skip


def _first(records: Records, count: int) -> Records:
    return records.take(np.arange(min(count, len(records))))


def on_front(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether no other row is at least as good in both objectives and better in one."""
    cost = table[list(OBJECTIVES)].to_numpy() * [1, -1]
    beaten = [bool(((cost <= row).all(1) & (cost < row).any(1)).any()) for row in cost]
    return ~pd.Series(beaten, index=table.index)


def _write(table: pd.DataFrame, out: Path) -> None:
    """All trials, cheapest privacy first, and the front's settings as sections of params.yaml."""
    columns = [*_SEARCHED, "advantage", "advantage_low", "advantage_high", "utility"]
    table = table[columns].assign(front=on_front(table)).sort_values("advantage")
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "front.csv", index=False, float_format="%.5g")
    best = [
        {
            "found": {key: float(row[key]) for key in OBJECTIVES},
            "train": {
                "game": {key: float(row[key]) for key in ("privacy_weight", "closed_form")},
                "extractor": {"features": int(row["features"])},
            },
        }
        for row in table[table["front"]].to_dict("records")
    ]
    with (out / "best.yaml").open("w") as stream:
        YAML().dump(best, stream)
