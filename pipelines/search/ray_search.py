"""Runs the trials of a search on Ray Tune: sampled ones, and repeats with further seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pandas as pd
import ray
from msgspec.structs import replace
from ray import tune as ray_tune
from ray.tune.search.optuna import OptunaSearch

from pipelines.cluster.assigned import assigned_device, assigned_threads
from pipelines.cluster.connect import ClusterConfig, max_parallel
from pipelines.cluster.environment import environment
from pipelines.observability.progress import console
from pipelines.search import pareto, state, trial
from pipelines.search.space import TuneConfig, space, trunk_config
from pipelines.search.trial_data import TrialData
from pipelines.search.trial_table import TrialTable
from pipelines.search.trunk import Trunks
from pipelines.search.tune_callback import POINT, TableCallback, restore_trials, sampled_point
from pipelines.training.storage import Storage
from tiprdc.errors import ClusterError
from tiprdc.training.config import TrainConfig


class RaySearch:
    """Runs trials with Tune and collects their results.

    A worker process runs one trial after another, each from its seed: to start and to import takes
    it seconds.

    Args:
        config, base: The search, and the settings that it does not vary.
        data: The records of every trial.
        table: Shows the trials.
        storage: Of the state that a killed search resumes from.
        cluster: What a trial takes.
        trunks: Name of the folder of storage with the trunks that trials share.
    """

    def __init__(
        self, config: TuneConfig, base: TrainConfig, data: TrialData, table: TrialTable,
        storage: Storage, cluster: ClusterConfig, trunks: str,
    ) -> None:  # fmt: skip
        self.config, self.table, self.storage = config, table, storage
        self.callback = TableCallback(table, config.seed)
        base = replace(base, extractor=base.extractor.absolute())
        self.demand = {"CPU": cluster.cpus_per_trial, "GPU": cluster.gpus_per_trial}
        # Data go through the object store: no worker needs the shards on its own disk.
        self.shared = {
            "config": config, "base": base, "data": data, "trunks": Trunks(storage.root, trunks),
        }  # fmt: skip
        self.one_trunk = not config.varies_trunk() and trunk_config(base, base) is not None
        self.trainable = ray_tune.with_resources(
            ray_tune.with_parameters(_run_trial, **self.shared),
            {name.lower(): number for name, number in self.demand.items()},
        )

    def sample(self, name: str) -> pd.DataFrame:
        """Run the trials that Optuna proposes."""
        self._fit_trunks([self.config.seed])
        # Optuna's message about a study in memory does not apply: Tune keeps the trials.
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
        return self._fit(name, tuning, {}, self.config.trials)

    def repeat(self, near: pd.DataFrame, name: str) -> pd.DataFrame:
        """Run these settings with further seeds."""
        points = [
            {**{name: pareto.plain(row[name]) for name in self.config.searched()}, "seed": seed}
            for row in near.to_dict("records")
            for seed in range(self.config.seed + 1, self.config.seed + self.config.seeds)
        ]
        self._fit_trunks(sorted({point["seed"] for point in points}))
        self.table.total += len(points)
        console.print(f"tune: {len(points)} further trials, for settings near the front")
        tuning = ray_tune.TuneConfig(reuse_actors=True)
        grid = {POINT: ray_tune.grid_search(points)}
        return self._fit(name, tuning, grid, len(points))

    def _fit_trunks(self, seeds: Sequence[int]) -> None:
        """Train the trunk of all trials, one for each seed, where the search varies the head."""
        if not self.one_trunk:
            return
        console.print("tune: training the trunk, once for all trials of a seed")
        task: Any = ray.remote(num_cpus=self.demand["CPU"], num_gpus=self.demand["GPU"])(_fit_trunk)
        shared = ray.put(self.shared)
        ray.get([task.remote(shared, seed) for seed in seeds])

    def _fit(
        self, name: str, tuning: ray_tune.TuneConfig, points: dict[str, Any], trials: int
    ) -> pd.DataFrame:
        tuner = self._restore(name, points)
        resumed = tuner is not None
        self.table.monitor.log_event("started", {"resumed": resumed}, run=name)
        if tuner is None:
            # Left by a search that was killed before its first snapshot.
            self.storage.forget(name)
            tuner = ray_tune.Tuner(
                self.trainable,
                param_space=points,
                tune_config=tuning,
                run_config=ray_tune.RunConfig(
                    name=name, storage_path=self.storage.root, verbose=0, callbacks=[self.callback]
                ),
            )
        # By itself Tune starts one at a time of what a sampler proposes: 100 GPUs would wait for
        # 100 starts, one after the other.
        pending = {"TUNE_MAX_PENDING_TRIALS_PG": str(max_parallel(self.demand))}
        with environment(pending):
            results = tuner.fit()
        if len(results) < trials:
            raise ClusterError(
                "tune", f"the search ended after {len(results)} of {trials} trials",
                hint=f"delete {self.storage.of(name)} and run the same command again: the search"
                " starts anew",
            )  # fmt: skip
        metrics = [results[i].metrics for i in range(len(results)) if not results[i].error]
        rows = [row for row in metrics if row and row.get("state") == trial.FINISHED]
        return pd.DataFrame(rows)

    def _restore(self, name: str, points: dict[str, Any]) -> ray_tune.Tuner | None:
        """The search as it was killed; None if it has to start anew."""
        if not state.is_started(self.storage, name):
            return None
        folder = self.storage.of(name)
        if damaged := state.damaged_file(self.storage, name, sampled=not points):
            console.print(
                f"tune: starting anew: a file of the state in {folder} is missing or cut off"
                f" ({damaged})",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
            return None
        tuner = ray_tune.Tuner.restore(
            folder, self.trainable, resume_unfinished=True, resume_errored=True,
            param_space=points or None,
        )  # fmt: skip
        restore_trials(self.table, tuner.get_results(), self.config.searched())
        console.print(f"tune: resuming {folder}", highlight=False, soft_wrap=True)
        return tuner


def _fit_trunk(shared: Mapping[str, Any], seed: int) -> None:
    """In a worker: the trunk of the trials of a seed."""
    trial.fit_trunk(
        {}, seed=seed, device=assigned_device(), threads=assigned_threads(), **shared
    )  # fmt: skip


def _run_trial(
    configuration: dict[str, Any], config: TuneConfig, base: TrainConfig, data: TrialData,
    trunks: Trunks,
) -> None:  # fmt: skip
    """In a worker: one trial, which reports each epoch and its result to Tune."""
    point = sampled_point(configuration, config.seed)
    try:
        figures = trial.run(
            point, config, base, data, point["seed"], _report_epoch,
            trunks=trunks, device=assigned_device(), threads=assigned_threads(),
        )  # fmt: skip
    except Exception as error:
        ray_tune.report({"error": type(error).__name__})
        raise
    ray_tune.report({**point, **figures})


def _report_epoch(losses: Mapping[str, float]) -> None:
    ray_tune.report(dict(losses))
