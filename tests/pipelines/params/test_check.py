"""Every section of params.yaml is checked before the first stage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines.params.check import faults
from pipelines.params.load import check_all
from pipelines.params.schema import SECTIONS
from tiprdc.errors import ConfigError

ROOT = Path(__file__).parents[3]


def edited(folder: Path, *keys: str, value: Any) -> Path:
    """A copy of params.yaml with this value at dotted keys."""
    yaml = YAML()
    document = yaml.load(ROOT / "params.yaml")
    for key in keys:
        section = document
        *above, name = key.split(".")
        for part in above:
            section = section[part]
        section[name] = value
    yaml.dump(document, folder / "params.yaml")
    return folder / "params.yaml"


def test_shipped_file_has_no_fault() -> None:
    assert list(faults(ROOT / "params.yaml")) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_unknown_key_of_any_section_is_found(tmp_path: Path, section: str) -> None:
    path = edited(tmp_path, f"{section}.typo", value=3)
    with pytest.raises(ConfigError, match=f"{section}.typo"):
        check_all(path)


def test_first_fault_of_each_section_is_given(tmp_path: Path) -> None:
    path = edited(tmp_path, "train.seed", "audit.budget", "cluster.retries", value=-1)
    found = [fault.where.partition(".")[0] for fault in faults(path)]
    assert found == ["train", "audit", "cluster"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.extractor.head", 0), ("train.extractor.head", 128),
        ("train.objective.bottleneck", 0.01), ("train.extractor.features", 8),
        ("train.extractor.release_noise", 0.0), ("train.schedule.batch", 64),
    ],
)  # fmt: skip
def test_value_that_is_right_for_some_records_is_no_fault(
    tmp_path: Path, key: str, value: Any
) -> None:
    """What `auto` stands for beside it is not known before `prepare`."""
    assert list(faults(edited(tmp_path, key, value=value))) == []


def test_prepare_refuses_a_fault_of_a_later_stage(tmp_path: Path) -> None:
    edited(tmp_path, "audit.seedz", value=[0])
    for module in ("stages.prepare", "pipelines.params.check"):
        done = subprocess.run(
            [sys.executable, "-m", module], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "audit.seedz" in done.stderr
        assert "Traceback" not in done.stderr
