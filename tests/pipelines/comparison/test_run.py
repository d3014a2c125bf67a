"""Cells are fitted, exported and attacked, compared with their reference, and run once."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grimp
import numpy as np
import pytest
from dvc.repo import Repo
from msgspec import structs
from ruamel.yaml import YAML

from benchmarks.comparison import digest, settings
from benchmarks.comparison.settings import comparison
from pipelines.cluster.connect import ClusterConfig
from pipelines.comparison import cell, run
from pipelines.comparison.cell import Cell, ComparisonConfig, Reference
from pipelines.comparison.run import absent, refer, run_cells
from pipelines.params.load import load
from tiprdc.baselines.base import MethodsConfig
from tiprdc.baselines.methods import METHODS
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.statistics.binomial import prior
from tiprdc.training import code
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

ROOT = Path(__file__).parents[3]
GRAPH = ROOT / "benchmarks" / "comparison"
MakeShards = Callable[..., Schema]
CONFIG = ComparisonConfig(
    attacks=("logistic_regression",),
    probes=("logistic_regression",),
    methods=MethodsConfig(
        extractor=ExtractorConfig(width=8, features=6), schedule=ScheduleConfig(epochs=2, batch=32)
    ),
)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run tasks in this process, without Ray; the list has the keys of those that ran."""
    ran: list[Any] = []

    def run_here(
        function: Callable[..., Any], tasks: Mapping[Any, Any], *_: Any
    ) -> Iterator[tuple[Any, Any]]:
        for key, arguments in tasks.items():
            ran.append(key)
            yield key, function(*arguments)

    monkeypatch.setattr(run, "run_on_ray", run_here)
    return ran


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_cell_and_reference_are_measured_once(
    tmp_path: Path, make_shards: MakeShards, here: list[Any]
) -> None:
    shards, cluster = tmp_path / "shards", ClusterConfig()
    make_shards(shards, "table", people=200)
    reference = refer(CONFIG, cluster, shards, None)
    assert refer(CONFIG, cluster, shards, reference) == reference
    more = structs.replace(CONFIG, seeds=(*CONFIG.seeds, 7))
    assert refer(more, cluster, shards, reference) == reference
    assert here == ["reference"]

    cells = [Cell("planted", name, 0) for name in ("raw", "noisy", "maxent")]

    def out(cell: Cell) -> Path:
        return tmp_path / f"{cell.dataset}-{cell.method}.csv"

    run_cells(cells, {"planted": CONFIG}, cluster, {"planted": reference}, out)
    raw, noisy, maxent = (rows_of(out(cell)) for cell in cells)
    for rows in (raw, noisy, maxent):
        assert [row["attribute"] for row in rows] == ["secret", "task"]
        assert [row["role"] for row in rows] == ["private", "utility"]
        assert list(rows[0]) == list(run.COLUMNS)
        for row in rows:
            assert float(row["prior"]) == 0.5
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    # The record is its own ceiling, and attacks recognise the planted secret in it.
    assert raw[0]["value"] == raw[0]["ceiling"]
    assert float(raw[0]["value"]) > 0.95
    assert float(noisy[0]["value"]) < float(raw[0]["value"])
    assert {row["known"] for row in maxent} == {"task"}
    assert {row["known"] for row in raw + noisy} == {""}
    assert maxent[0]["features"] == "6"
    assert maxent[0]["r2"] != "" == raw[0]["r2"]
    assert (raw[0]["floor"] != "", raw[1]["floor"]) == (True, "")

    here.clear()
    run_cells(cells, {"planted": CONFIG}, cluster, {"planted": reference}, out)
    assert here == []
    run_cells(
        cells, {"planted": CONFIG}, cluster, {"planted": replace(reference, settings="others")}, out
    )
    assert here == cells
    assert {row["settings"] for row in rows_of(out(cells[0]))} == {"others"}


def test_noise_of_an_exported_file_is_reproducible(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table", people=40)
    _, parts = cell._read(str(tmp_path))

    def z() -> Any:
        sent, _ = cell._features(METHODS["bottleneck"], CONFIG, str(tmp_path), schema, parts, 3)
        assert sent.draws is not None
        assert len(np.unique(sent.draws)) == sent.draws.size, "each draw is another"
        return sent.z["attacker-test"]

    first = z()
    assert (first == z()).all()
    # Each record has noise of its own, of deviation 1.
    assert len(np.unique(first)) == first.size
    assert first.std() > 0.9


def test_record_attacks_get_records_only_where_features_are_sent(
    tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = make_shards(tmp_path, "table", people=60)
    config = structs.replace(CONFIG, attacks=("logistic_regression", "decensoring"))
    received: list[Any] = []

    def scored(attacks: Any, *_: Any, x: Any = None, **__: Any) -> Any:
        received.append((set(attacks) & {"decensoring"}, None if x is None else x.shape))

    monkeypatch.setattr(cell, "score", scored)
    _, parts = cell._read(str(tmp_path))
    sent = cell.Sent({s: np.zeros((len(part), 2), np.float32) for s, part in parts.items()})
    cell._scores(METHODS["leace"], sent, config, schema, parts)
    cell._scores(METHODS["noisy"], sent, config, schema, parts)
    people = len(parts["attacker-train"])
    assert [shape and shape[0] for _, shape in received] == [people, people, None, None]
    assert [bool(names) for names, _ in received] == [True, False, True, False]


def test_comparison_needs_an_attack_without_records() -> None:
    for attacks in ((), ("decensoring",)):
        with pytest.raises(ConfigError, match="at least one attack that needs no records"):
            ComparisonConfig(attacks=attacks)


def test_method_for_another_modality_is_left_out_with_a_reason(
    tmp_path: Path, make_shards: MakeShards, here: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    make_shards(tmp_path / "shards", "text", people=40)
    reference = Reference(str(tmp_path / "shards"), {}, "s")
    cell = Cell("blog", "noisy", 0)
    run_cells(
        [cell], {"blog": CONFIG}, ClusterConfig(), {"blog": reference}, lambda _: tmp_path / "c.csv"
    )
    assert "blog, noisy: left out: text records" in capsys.readouterr().err
    assert rows_of(tmp_path / "c.csv") == []


def test_settings_digest_ignores_further_seeds(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "table", people=40)
    first = run._settings(CONFIG, schema)
    assert run._settings(structs.replace(CONFIG, seeds=(0, 1)), schema) == first
    assert run._settings(structs.replace(CONFIG, seeds=(1,)), schema) != first
    assert run._settings(structs.replace(CONFIG, attacks=("kernel",)), schema) != first
    assert run._settings(CONFIG, replace(schema, digest="others")) != first
    assert run._settings(CONFIG, replace(schema, private=("task",))) != first


def test_few_pictures_are_components_for_ours_and_a_network_for_others(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    methods = comparison("utkface", make_shards(tmp_path, "image", people=40)).methods
    assert (methods.extractor.family, methods.extractor.head) == ("auto", 0)
    assert (methods.ours.extractor.family, methods.ours.extractor.head) == ("pca", 512)
    assert methods.schedule.epochs > methods.ours.schedule.epochs == 1


def test_missing_data_set_has_a_reason(tmp_path: Path) -> None:
    missing = ManifestConfig(path=str(tmp_path / "nowhere.csv"))
    why = absent(PrepareConfig(dataset="manifest", manifest=missing))
    assert why is not None
    assert "nowhere.csv does not exist: set the path of your copy" in why
    assert absent(PrepareConfig(dataset="avatars")) is None


def test_comparison_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"comparison.attacks: kernl"):
        ComparisonConfig(attacks=("kernl",))
    with pytest.raises(ConfigError, match=r"comparison.seeds: \[0, 0\]"):
        ComparisonConfig(seeds=(0, 0))


@pytest.mark.ray
def test_run_on_ray_returns_all_results(local_ray: None) -> None:
    tasks = {"two": (2,), "four": (4,)}
    results = run.run_on_ray(prior, tasks, ClusterConfig(), "priors")
    assert dict(results) == {"two": 0.5, "four": 0.25}


def test_every_section_of_the_comparison_params_loads(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    sections = YAML(typ="safe", pure=True).load(GRAPH / "params.yaml")
    schema = make_shards(tmp_path, "table", people=40)
    for name in sections["datasets"]:
        methods = comparison(name, schema).methods
        shared = ObjectiveConfig(memory=0)
        assert methods.objective == shared
        budget = sections["budgets"].get(name, shared.budget)
        assert methods.ours.objective == structs.replace(shared, budget=budget)
        load(name, PrepareConfig, GRAPH / "params.yaml")
    names = {"datasets", "methods", "budgets", "comparison", *sections["datasets"]}
    assert set(sections) == names
    assert set(sections["methods"]) == set(METHODS) - {"unprotected"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("adult: 0.7", r"budgets.adult: 0.7\n  expected: 0.001 to 0.5"),
        ("adlt: 0.1", r"budgets.adlt: no data set of this name(?s:.*)'adult'\?"),
        ("adult: low", "budgets.adult: 'low' (?s:.*) a number"),
    ],
)
def test_wrong_budget_is_refused_with_its_key(
    tmp_path: Path,
    make_shards: MakeShards,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    message: str,
) -> None:
    params = tmp_path / "params.yaml"
    text = (GRAPH / "params.yaml").read_text()
    params.write_text(re.sub(r"^  adult: .*$", f"  {line}", text, flags=re.MULTILINE))
    monkeypatch.setattr(settings, "PARAMS", params)
    with pytest.raises(ConfigError, match=message):
        comparison("adult", make_shards(tmp_path, "table", people=40))


def test_digest_changes_with_the_code_and_not_with_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*digest.CODE, *code._CODE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("") if name.endswith(".py") else path.mkdir(exist_ok=True)
    monkeypatch.setattr(digest, "code_digest", partial(code.code_digest, project=tmp_path))
    monkeypatch.setattr(digest, "HERE", tmp_path)
    digests = []
    for change in ("tiprdc/baselines/new.py", "tiprdc/baselines/__pycache__/new.pyc"):
        digest.main()
        digests.append((tmp_path / "code.sha256").read_text())
        (tmp_path / change).parent.mkdir(exist_ok=True)
        (tmp_path / change).write_text("x = 1")
    digest.main()
    digests.append((tmp_path / "code.sha256").read_text())
    assert digests[0] != digests[1] == digests[2]


def test_status_of_the_clone_lists_no_stage_of_the_comparison() -> None:
    assert (GRAPH / ".dvc" / "config").is_file()
    with Repo(str(ROOT)) as project, Repo(str(GRAPH)) as own:
        assert {stage.path_in_repo for stage in project.index.stages} == {"dvc.yaml"}
        names = {str(stage.name).partition("@")[0] for stage in own.index.stages}
    assert names == {"code", "reference", "cell", "table"}


def test_deps_of_the_reference_cover_its_imports() -> None:
    """DVC follows no imports: an edited attack must not leave old figures up to date."""
    graph = grimp.build_graph("pipelines", "tiprdc", cache_dir=None)
    stages = YAML(typ="safe").load(GRAPH / "dvc.yaml")["stages"]
    assert "code.sha256" in stages["reference"]["deps"]
    deps = (*digest.CODE, *code._CODE)
    needed = {
        file
        for module in graph.find_upstream_modules("pipelines.comparison.run")
        if (ROOT / (file := module.replace(".", "/") + ".py")).exists()
    }
    missing = {
        file for file in needed
        if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)
    }  # fmt: skip
    # Where it runs, what is shown, and error texts: no figure depends on them.
    assert missing == {
        "pipelines/cluster/connect.py", "pipelines/cluster/environment.py",
        "pipelines/cluster/local_ray.py", "pipelines/cluster/errors.py",
        "pipelines/cluster/tasks.py",
        "pipelines/observability/progress.py", "pipelines/observability/stage_process.py",
        "pipelines/observability/event_log.py",
        "pipelines/observability/metrics.py", "pipelines/observability/scrapes.py",
        "pipelines/observability/stage_monitor.py",
        "tiprdc/errors.py", "tiprdc/settings.py",
    }  # fmt: skip
