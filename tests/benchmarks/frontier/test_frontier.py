"""The command: from shards, audits or the comparison to points, a table and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.frontier import __main__ as frontier
from benchmarks.frontier import compute
from benchmarks.frontier.people import load
from benchmarks.frontier.points import read
from benchmarks.frontier.sources import audited, compared
from tests.helpers.audit_samples import image_audit
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError, DataError

MakeShards = Callable[..., Schema]


@pytest.fixture
def shards(tmp_path: Path, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compute, "PROBES", {"table": ("logistic_regression",)})
    monkeypatch.setattr(compute, "COMPONENTS_PROBE", {"table": "logistic_regression"})
    make_shards(tmp_path / "shards", "table", people=300)
    return tmp_path / "shards"


def run(shards: Path, out: Path, noise: list[float]) -> None:
    frontier.main(
        out=out, shards=shards, private="secret", method=["pca", "leace"], width=[6],
        noise=noise, attack=["logistic_regression"],
    )  # fmt: skip


def test_noise_hides_and_leace_hides_what_is_linear(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out", [0.0, 4.0])
    points = {(point.method, point.noise): point for point in read(tmp_path / "out" / "points.csv")}
    assert points["pca", 0.0].hidden > 0.9
    assert points["pca", 0.0].kept > 0.9
    assert points["pca", 4.0].hidden < 0.75
    assert points["pca", 4.0].kept < 0.6
    assert points["leace", 0.0].hidden < 0.65
    # A column that tells the secret is a task too, and is lost with it.
    assert points["leace", 0.0].named == pytest.approx(1, abs=0.1)
    assert points["leace", 0.0].kept < points["pca", 0.0].kept
    assert points["pca", 0.0].people == 600
    ceilings = pd.read_csv(tmp_path / "out" / "ceilings.csv")
    assert "task" in set(ceilings["task"])
    assert "secret" not in set(ceilings["task"])
    assert "| leace |" in (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "planted-secret.svg").exists()


def test_stored_points_are_not_computed_again(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(shards, tmp_path / "out", [0.0])
    before = read(tmp_path / "out" / "points.csv")
    computed: list[float] = []
    real = compute.with_noise
    monkeypatch.setattr(
        compute, "with_noise", lambda z, std, rng: computed.append(std) or real(z, std, rng)
    )
    run(shards, tmp_path / "out", [0.0, 1.0])
    # Two methods with noise on three groups of people; the points without noise are stored.
    assert computed == [1.0] * 6
    assert read(tmp_path / "out" / "points.csv")[:1] == before[:1]


def test_columns_of_a_table_are_tasks(shards: Path) -> None:
    people = load(shards, "secret", None, 0)
    assert people.named == ("task",)
    assert len(people.tasks) > 1
    assert all(people.classes[name] == 2 for name in people.tasks)
    few = load(shards, "secret", 100, 0)
    assert len(few.train.x) == 100
    assert load(shards, "task", None, 0).named == ("secret",)


def test_audits_are_points(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    audit = image_audit()
    (tmp_path / "demo" / "audit.json").write_text(json.dumps(audit))
    points = list(audited(tmp_path))
    assert {point.method for point in points} == {"demo"}
    assert {point.private for point in points} <= set(audit["attributes"])
    for point in points:
        strongest = audit["attributes"][point.private]["strongest"]
        assert point.hidden == strongest["balanced_accuracy"]
        assert point.people == strongest["attacker_people"]
        assert point.kept == pytest.approx(audit["mean_kept"], abs=1e-3)
        assert point.kept_low < point.kept < point.kept_high


def test_comparison_is_points(tmp_path: Path) -> None:
    levels = {
        "dataset": "faces", "method": "pan", "seed": 0, "attack": "mlp", "features": 8,
        "known": "smile",
    }  # fmt: skip
    rows = [
        {"attribute": "skin", "role": "private", "prior": 0.5, "ceiling": 0.95, "value": 0.6,
         "low": 0.58, "high": 0.62},
        {"attribute": "hair", "role": "utility", "prior": 0.5, "ceiling": 0.9, "value": 0.7,
         "low": 0.68, "high": 0.72},
        {"attribute": "smile", "role": "utility", "prior": 0.5, "ceiling": 0.9, "value": 0.9,
         "low": 0.88, "high": 0.92},
    ]  # fmt: skip
    pd.DataFrame([levels | row for row in rows]).to_csv(tmp_path / "results.csv", index=False)
    (point,) = compared(tmp_path / "results.csv")
    assert (point.private, point.hidden, point.features) == ("skin", 0.6, 8)
    assert (point.kept, point.kept_low) == pytest.approx((0.5, 0.45))
    assert point.tasks == 1


def test_wrong_arguments_say_what_to_do(tmp_path: Path, shards: Path) -> None:
    with pytest.raises(ConfigError, match="--audits or --comparison"):
        frontier.main(out=tmp_path)
    with pytest.raises(ConfigError, match="one of pca, leace, projection"):
        frontier.main(out=tmp_path, shards=shards, private="secret", method=["ica"])
    with pytest.raises(DataError, match="no attribute 'sercet'"):
        frontier.main(out=tmp_path, shards=shards, private="sercet")
    with pytest.raises(DataError, match=r"no audit\.json"):
        list(audited(tmp_path / "shards"))
    with pytest.raises(DataError, match="no such file"):
        list(compared(tmp_path / "none.csv"))
