"""Search settings with Ray Tune: what hides most against what keeps most.

Each trial trains a small extractor and is judged as the audit would judge it, by attackers trained
from scratch on attacker-train, but scored on attacker-select: attacker-test stays closed. Optuna's
multi-objective sampler proposes; settings near the front are tried with more seeds; the front is
what no other setting beats in both. Nothing is chosen here: the front and snippets for params.yaml
are written, and a person decides.

A stage of the graph, and a script for a cluster: `ray submit ray_cluster.yaml pipelines/tuning.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

if __name__ == "__main__":
    # Started as a file: Python looks for modules beside it, and ours are one folder further up.
    # `ray submit` copies this file alone; there PYTHONPATH names the project (ray_cluster.yaml).
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec
import optuna
import pandas as pd
import typer
from msgspec.structs import replace
from ray import tune as ray_tune
from ray.tune.search.optuna import OptunaSearch
from ray.util.queue import Queue

from pipelines.cluster import ClusterConfig, connect, environment, max_parallel, on_driver_node
from pipelines.defaults import training, tuning
from pipelines.observability.progress import console, run
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from pipelines.params import load
from pipelines.search import pareto, trial
from pipelines.search.space import TuneConfig, check, space
from pipelines.search.trial_table import TrialBoard
from pipelines.training.run import TrainConfig, check_labels, code_digest
from pipelines.training.storage import Storage
from tiprdc.datasets.schema import Schema, read_schema
from tiprdc.errors import ClusterError, ConfigError

C = TypeVar("C", TuneConfig, ClusterConfig)
PROJECT = Path(trial.__file__).resolve().parents[2]


def tune(
    config: TuneConfig,
    base: TrainConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    out: Path,
    resume: bool = True,
) -> None:
    """Try settings; leave `front.csv`, `front.html`, `front.png`, and the best as `best.yaml`.

    Args:
        config: The search.
        base: Everything that is not searched.
        cluster: Where.
        shards: Folder of `prepare`; only this process reads it.
        out: Folder for what was found.
        resume: Whether to go on with the same search if it was cut off.

    Raises:
        ConfigError: There is nothing to tune against, or choices that no trial could be made of.
        DataError: The labels forbid what is wanted (`train.infeasible`).
        ClusterError: Ray does not answer, or no trial came to an end.
    """
    with monitor_stage("tune", cluster) as seen:
        _tune(config, base, cluster, seen, shards=shards, out=out, resume=resume)


def _tune(
    config: TuneConfig, base: TrainConfig, cluster: ClusterConfig, seen: StageMonitor,
    *, shards: Path, out: Path, resume: bool,
) -> None:  # fmt: skip
    schema = read_schema(shards)
    if not schema.utility:
        raise ConfigError(
            "prepare", "no utility attribute", "at least one to tune against",
            "name the attributes that stand for unseen tasks in params.yaml",
        )  # fmt: skip
    check(config, base, schema)
    check_labels(base, shards, schema)
    name = _name(config, base, schema)
    storage = Storage(cluster.storage)
    searches = (name, f"{name}-seeds")
    if not resume:
        _forget(storage, searches)
    with connect(cluster), TrialBoard(name, config, seen) as board:
        work = _Work(config, base, _data(config, base, shards), board, storage, cluster)
        rows = work.search(searches[0])
        if config.seeds > 1 and not rows.empty:
            near = pareto.pareto_candidates(rows, config.near)
            rows = pd.concat([rows, work.again(near, searches[1])], ignore_index=True)
        _finish(rows, config, out, seen, storage.of(name))
    _forget(storage, searches)


def _data(config: TuneConfig, base: TrainConfig, shards: Path) -> trial.Data:
    data = trial.read_data(shards, config.people)
    if not base.objective.cross_fit:
        return data
    console.print("tune: fitting the classifiers of train.objective.cross_fit, once for all trials")
    return data.believing(config.seed)


def _finish(
    rows: pd.DataFrame, config: TuneConfig, out: Path, seen: StageMonitor, where: str
) -> None:
    if rows.empty:
        raise ClusterError(
            "tune", f"none of {config.trials} trials came to an end", "at least one",
            f"read the errors in {where}; if losses were no numbers, lower the rates",
        )  # fmt: skip
    table = pareto.aggregate_seeds(rows, config.searched())
    pareto.write(table, config, out)
    seen.set("tune_front_trials", int(table["front"].sum()))
    proposals = pareto.proposals(table, config)
    seen.log_event("front", {"best": proposals})
    for proposal in proposals:
        console.print(f"tune: {pareto.format_proposal(proposal)}", highlight=False, soft_wrap=True)


def _forget(storage: Storage, searches: Iterable[str]) -> None:
    for name in searches:
        storage.forget(name)


def _name(config: TuneConfig, base: TrainConfig, schema: Schema) -> str:
    """Changes with whatever the trials follow from."""
    told = [msgspec.to_builtins(config), msgspec.to_builtins(base), schema.digest, code_digest()]
    text = json.dumps(told, sort_keys=True)
    return f"tune-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class _Work:
    """Runs trials and collects their figures. A process does one after the other, each from its
    seed: to start and to import takes it seconds."""

    def __init__(
        self, config: TuneConfig, base: TrainConfig, data: trial.Data, board: TrialBoard,
        storage: Storage, cluster: ClusterConfig,
    ) -> None:  # fmt: skip
        self.config, self.board, self.storage = config, board, storage
        self.queue = Queue(actor_options=on_driver_node())
        base = replace(base, extractor=base.extractor.absolute())
        # Data go through the object store: no worker needs the shards on its own disk.
        self.wanted = {"CPU": cluster.cpus_per_trial, "GPU": cluster.gpus_per_trial}
        self.trainable = ray_tune.with_resources(
            ray_tune.with_parameters(_trial, config=config, base=base, data=data, queue=self.queue),
            {name.lower(): number for name, number in self.wanted.items()},
        )

    def search(self, name: str) -> pd.DataFrame:
        """Optuna's trials."""
        # Its own word on a study in memory is no news: Tune keeps the trials.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = OptunaSearch(
            space=space(self.config),
            metric=list(pareto.OBJECTIVES),
            mode=list(pareto.OBJECTIVES.values()),
            seed=self.config.seed,
        )
        tuning = ray_tune.TuneConfig(
            search_alg=sampler, num_samples=self.config.trials, reuse_actors=True
        )
        return self._fit(name, tuning, {})

    def again(self, near: pd.DataFrame, name: str) -> pd.DataFrame:
        """Further seeds of these settings."""
        points = [
            {**{name: pareto.plain(row[name]) for name in self.config.searched()}, "seed": seed}
            for row in near.to_dict("records")
            for seed in range(self.config.seed + 1, self.config.seed + self.config.seeds)
        ]
        self.board.total += len(points)
        console.print(f"tune: {len(points)} further trials, for settings near the front")
        return self._fit(
            name, ray_tune.TuneConfig(reuse_actors=True), {"again": ray_tune.grid_search(points)}
        )

    def _fit(self, name: str, tuning: ray_tune.TuneConfig, points: dict[str, Any]) -> pd.DataFrame:
        tuner = self._restored(self.storage.of(name), points)
        resumed = tuner is not None
        self.board.seen.log_event("started", {"resumed": resumed}, run=name)
        if tuner is None:
            # Left by a search that was killed before its first snapshot.
            self.storage.forget(name)
            tuner = ray_tune.Tuner(
                self.trainable,
                param_space=points,
                tune_config=tuning,
                run_config=ray_tune.RunConfig(name=name, storage_path=self.storage.root, verbose=0),
            )
        # By itself Tune starts one at a time of what a sampler proposes: 100 GPUs would wait for
        # 100 starts, one after the other.
        waiting = {"TUNE_MAX_PENDING_TRIALS_PG": str(max_parallel(self.wanted))}
        with environment(waiting), ThreadPoolExecutor(1) as pool:
            search = pool.submit(tuner.fit)
            self.board.follow(self.queue, search)
            found = search.result()
        ended = [found[i].metrics for i in range(len(found)) if not found[i].error]
        rows = [row for row in ended if row and "utility" in row and not row["diverged"]]
        return pd.DataFrame(rows)

    def _restored(self, folder: str, points: dict[str, Any]) -> ray_tune.Tuner | None:
        if not ray_tune.Tuner.can_restore(folder):
            return None
        tuner = ray_tune.Tuner.restore(
            folder, self.trainable, resume_unfinished=True, resume_errored=True,
            param_space=points or None,
        )  # fmt: skip
        before = tuner.get_results()
        for i in range(len(before)):
            figures = before[i].metrics or {}
            if "utility" in figures:
                names = [*self.config.searched(), "seed"]
                point = {name: figures[name] for name in names}
                kept = {name: figures[name] for name in _FIGURES}
                self.board.restore(figures["trial_id"], point, kept)
        console.print(f"tune: going on with {folder}", highlight=False, soft_wrap=True)
        return tuner


_FIGURES = (
    "advantage", "advantage_low", "advantage_high",
    "utility", "utility_low", "utility_high", "diverged", "seconds",
)  # fmt: skip


def _trial(
    sampled: dict[str, Any],
    config: TuneConfig,
    base: TrainConfig,
    data: trial.Data,
    queue: Queue,
) -> None:
    """In a worker: one trial, told to the board and reported to Tune."""
    point = {"seed": config.seed, **sampled.get("again", sampled)}
    name = ray_tune.get_context().get_trial_id()

    def tell(event: str, **fields: Any) -> None:
        queue.put({"trial": name, "event": event, **fields})

    tell("started", point=point)
    try:
        figures = trial.run(
            point, config, base, data, point["seed"], lambda epoch: tell("played", epoch=epoch)
        )
    except Exception as error:
        tell("failed", error=type(error).__name__)
        raise
    tell("ended", figures=figures)
    ray_tune.report({**point, **figures})


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    trials: Annotated[int | None, typer.Option(help="Settings to try.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a trial.")] = None,
    people: Annotated[int | None, typer.Option(help="Records that a trial uses.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds for settings near the front.")] = None,
    cpus_per_trial: Annotated[float | None, typer.Option(help="CPUs of a trial.")] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="GPUs of a trial.")] = None,
    shards: Annotated[Path, typer.Option(help="What `prepare` made.")] = Path("artifacts/shards"),
    out: Annotated[Path, typer.Option(help="For what is found.")] = Path("reports/tuning"),
    storage: Annotated[str | None, typer.Option(help="What a cut search goes on from.")] = None,
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    address: Annotated[str, typer.Option(help="RAY_ADDRESS: host:port, auto, or none.")] = "",
    resume: Annotated[bool, typer.Option(help="Go on with the same search if cut off.")] = True,
) -> None:
    """Search settings: what hides most against what keeps most.

    What is not given here is in params.yaml (tune, train, cluster). Paths are relative to the
    project's folder, wherever this is started.
    """
    overrides = {
        "trials": trials, "epochs": epochs, "people": people, "seeds": seeds,
    }  # fmt: skip
    where = {
        "storage": storage, "cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus_per_trial,
    }  # fmt: skip
    if address:
        os.environ["RAY_ADDRESS"] = address

    def work() -> None:
        schema = read_schema(shards)
        config = _given(load("tune", TuneConfig, params, auto=tuning(schema)), overrides)
        base = load("train", TrainConfig, params, auto=training(schema))
        cluster = _given(load("cluster", ClusterConfig, params), where)
        tune(config, base, cluster, shards=shards, out=out, resume=resume)
        typer.echo(f"{out.resolve()}/front.csv\n{out.resolve()}/best.yaml")

    with contextlib.chdir(PROJECT):
        run(work)


def _given(config: C, options: Mapping[str, Any]) -> C:
    given = {name: value for name, value in options.items() if value is not None}
    return replace(config, **given)


if __name__ == "__main__":
    # Not this module's own names: workers look for what a trial runs in pipelines.tuning.
    from pipelines.tuning import app as command

    command()
