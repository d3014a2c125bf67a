"""What dvc.yaml lets leave: `dvc push`, and DVC's Git hook, take these outs and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

MAY_LEAVE = {
    "artifacts/release", "artifacts/variants/${item}",
    "reports/audit.json", "reports/audit.intoto.json", "reports/attacks.csv",
    "reports/metrics.json", "reports/model_card.md",
    "reports/variants/${item}/audit.json", "reports/variants/${item}/audit.intoto.json",
    "reports/variants/${item}/attacks.csv", "reports/variants/${item}/metrics.json",
    "reports/variants/${item}/model_card.md",
    "reports/training/protected.csv", "reports/training/unprotected.csv", "reports/tuning",
}  # fmt: skip
"""Counts, losses, names of classes and the released network: no record, no picture, no network that
has seen both x and u. Add an out here only if docs/threat-model.md allows it."""


def pushed(graph: dict[str, Any]) -> Iterator[str]:
    """Outs that DVC copies to a remote."""
    for stage in graph["stages"].values():
        stage = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, []):
                path, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
                if options.get("push", True) and options.get("cache", True):
                    yield path


@pytest.mark.parametrize("file", ["dvc.yaml", "benchmarks/comparison/dvc.yaml"])
def test_only_what_may_leave_is_pushed(file: str) -> None:
    graph = YAML(typ="safe").load((ROOT / file).read_text())
    assert set(pushed(graph)) - MAY_LEAVE == set()


def test_list_has_nothing_that_no_stage_makes() -> None:
    graph = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())
    assert set(pushed(graph)) == MAY_LEAVE


def test_out_without_push_false_is_noticed() -> None:
    stage = {"outs": ["artifacts/faces", {"a": {"push": False}}, {"b": {"cache": False}}]}
    assert list(pushed({"stages": {"s": {"foreach": [], "do": stage}}})) == ["artifacts/faces"]
