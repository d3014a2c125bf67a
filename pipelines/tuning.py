"""Search settings of training with Ray Tune: the Pareto front of privacy and utility.

Each trial trains a small extractor. Attackers are trained on its features from scratch, on
attacker-train, and scored on attacker-select, as in the audit; attacker-test stays closed. Optuna's
multi-objective sampler proposes settings. Trials that differ in the head alone share a trunk.
Settings near the front get more seeds. The search chooses nothing: it writes the front and sections
for params.yaml, and a person decides.

A stage of the graph, and a script for a cluster: `ray submit ray_cluster.yaml pipelines/tuning.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

if __name__ == "__main__":
    # Started as a file: Python looks for modules beside it, and ours are one folder up.
    # `ray submit` copies this file alone; there PYTHONPATH names the project (ray_cluster.yaml).
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec
import pandas as pd
import typer
from msgspec.structs import replace

from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.observability.progress import console, run
from pipelines.observability.stage_monitor import StageMonitor, monitor_stage
from pipelines.params.defaults import tuning
from pipelines.params.load import load
from pipelines.search import pareto, state
from pipelines.search.ray_search import RaySearch
from pipelines.search.space import TuneConfig, check, trial_config
from pipelines.search.trial_data import TrialData, read_data
from pipelines.search.trial_table import TrialTable
from pipelines.training.encoding import trained_shards
from pipelines.training.run import check_labels
from pipelines.training.run_lock import hold
from pipelines.training.storage import Storage
from tiprdc.cli.help_style import Command, application, examples
from tiprdc.datasets.schema import Schema, read_schema
from tiprdc.errors import ClusterError, ConfigError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.writable import require_writable
from tiprdc.training.code import PROJECT, code_digest
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

C = TypeVar("C", TuneConfig, ClusterConfig)


def tune(
    config: TuneConfig,
    base: TrainConfig,
    cluster: ClusterConfig,
    *,
    shards: Path,
    out: Path,
    resume: bool = True,
) -> None:
    """Run a search; write `front.csv`, `front.html`, `front.png` and `best.yaml`.

    Args:
        config: The search.
        base: The settings that it does not vary.
        cluster: Where this runs.
        shards: Folder of `prepare`; only this process reads it.
        out: Folder for the results.
        resume: Whether to resume the same search if it was killed, and to leave one that is
            finished as it is.

    Raises:
        ConfigError: There is no utility attribute, a choice that no trial could train with, or a
            folder that cannot be written.
        DataError: The labels make the budget infeasible (`train.infeasible`).
        ClusterError: Ray does not answer, or no trial finished.
    """
    require_writable(out, "front.csv", "best.yaml")
    with monitor_stage("tune", cluster) as monitor:
        _tune(config, base, cluster, monitor, shards=shards, out=out, resume=resume)


def _tune(
    config: TuneConfig, base: TrainConfig, cluster: ClusterConfig, monitor: StageMonitor,
    *, shards: Path, out: Path, resume: bool,
) -> None:  # fmt: skip
    shards = trained_shards(base, shards, ("extractor-train", "attacker-train", "attacker-select"))
    schema = read_schema(shards)
    if not schema.utility:
        raise ConfigError(
            "prepare", "no utility attribute, so there is nothing to tune against",
            hint="name the attributes that stand for unseen tasks in params.yaml",
        )  # fmt: skip
    check(config, base, schema)
    base.told_tasks("protected", schema)
    check_labels(base, shards, schema)
    name = _search_name(config, base, schema)
    if resume and state.is_finished(out, name):
        console.print(state.ALREADY.format(out), highlight=False, soft_wrap=True)
        return
    storage = Storage(cluster.storage)
    searches = (name, f"{name}-seeds")
    with hold(storage, name):
        if not resume:
            _forget(storage, searches)
        epochs = trial_config({}, config, base).epochs("protected")
        with connect(cluster), TrialTable(name, config, monitor, epochs) as table:
            data = _read_data(config, base, shards)
            trunks = _trunks_name(config, base, schema)
            search = RaySearch(config, base, data, table, storage, cluster, trunks)
            rows = search.sample(searches[0])
            if config.seeds > 1 and not rows.empty:
                near = pareto.pareto_candidates(rows, config.near)
                rows = pd.concat([rows, search.repeat(near, searches[1])], ignore_index=True)
            _write_front(rows, config, out, monitor, storage.of(name), name)
        # A search of heads may come again with more trials: its trunk stays.
        _forget(storage, (*searches, trunks) if config.varies_trunk() else searches)


def _read_data(config: TuneConfig, base: TrainConfig, shards: Path) -> TrialData:
    console.print("tune: probing raw records, once for all trials")
    data = read_data(shards, config.people).with_ceilings(config.seed)
    if not base.objective.cross_fit:
        return data
    console.print("tune: fitting the classifiers of train.objective.cross_fit, once for all trials")
    return data.with_predictions(config.seed)


def _write_front(
    rows: pd.DataFrame, config: TuneConfig, out: Path, monitor: StageMonitor, folder: str, name: str
) -> None:
    if rows.empty:
        raise ClusterError(
            "tune", f"none of {config.trials} trials finished",
            hint=f"read the errors in {folder}; if trials diverged, lower the rates in"
            " train.schedule; if they were hopeless, raise the privacy weights",
        )  # fmt: skip
    table = pareto.aggregate_seeds(rows, config.searched())
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_directory(out, replace=True, allow_links=True) as new:
        pareto.write(table, config, new)
        state.mark_finished(new, name)
    monitor.set("tune_front_trials", int(table["front"].sum()))
    proposals = pareto.proposals(table, config)
    monitor.log_event("front", {"best": proposals})
    for proposal in proposals:
        console.print(f"tune: {pareto.format_proposal(proposal)}", highlight=False, soft_wrap=True)


def _forget(storage: Storage, searches: Iterable[str]) -> None:
    for name in searches:
        storage.forget(name)


def _search_name(config: TuneConfig, base: TrainConfig, schema: Schema) -> str:
    """A name that changes with everything that the trials' results depend on."""
    return _name("tune", msgspec.to_builtins(config), msgspec.to_builtins(base), schema.digest)


def _trunks_name(config: TuneConfig, base: TrainConfig, schema: Schema) -> str:
    """A name that changes with the records of the trials, and with the code."""
    return _name("trunks", config.people, msgspec.to_builtins(base.encoder), schema.digest)


def _name(kind: str, *inputs: Any) -> str:
    text = json.dumps([*inputs, code_digest("pipelines/search")], sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


app = application()


@app.command(cls=Command, epilog=examples("python pipelines/tuning.py --trials 100 --seeds 3"))
def main(
    trials: Annotated[int | None, typer.Option(help="Number of settings to try.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a trial.")] = None,
    people: Annotated[int | None, typer.Option(help="Records that a trial trains on.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds for settings near the front.")] = None,
    cpus_per_trial: Annotated[float | None, typer.Option(help="CPUs of a trial.")] = None,
    gpus_per_trial: Annotated[float | None, typer.Option(help="GPUs of a trial.")] = None,
    shards: Annotated[Path, typer.Option(help="Folder of `prepare`.")] = Path("artifacts/shards"),
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path(
        "reports/tuning"
    ),
    storage: Annotated[
        str | None, typer.Option(help="Folder or URI that a killed search resumes from.")
    ] = None,
    params: Annotated[Path, typer.Option(help="File with the settings.")] = Path("params.yaml"),
    address: Annotated[str, typer.Option(help="RAY_ADDRESS: host:port, auto, or none.")] = "",
    resume: Annotated[
        bool,
        typer.Option(help="Resume the same search if it was killed; repeat none that is finished."),
    ] = True,
) -> None:
    """Search settings of training: the Pareto front of privacy and utility.

    Options that are not given come from params.yaml (tune, train, cluster). Paths are relative to
    the project's folder, wherever this is started.
    """
    overrides = {
        "trials": trials, "epochs": epochs, "people": people, "seeds": seeds,
    }  # fmt: skip
    cluster_overrides = {
        "storage": storage, "cpus_per_trial": cpus_per_trial, "gpus_per_trial": gpus_per_trial,
    }  # fmt: skip
    if address:
        os.environ["RAY_ADDRESS"] = address

    def work() -> None:
        schema = read_schema(shards)
        base = load("train", TrainConfig, params, auto=training(schema))
        config = _override(load("tune", TuneConfig, params, auto=tuning(schema, base)), overrides)
        cluster = _override(load("cluster", ClusterConfig, params), cluster_overrides)
        tune(config, base, cluster, shards=shards, out=out, resume=resume)
        typer.echo(f"{out.resolve()}/front.csv\n{out.resolve()}/best.yaml")

    with contextlib.chdir(PROJECT):
        run(work)


def _override(config: C, options: Mapping[str, Any]) -> C:
    changes = {name: value for name, value in options.items() if value is not None}
    return replace(config, **changes)


if __name__ == "__main__":
    # Not the names of `__main__`: workers import what a trial runs from pipelines.tuning.
    from pipelines.tuning import app as command

    command()
