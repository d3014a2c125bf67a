"""What DVC thinks of an edit: observability leaves every stage fresh, an attack does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
OBSERVABILITY = ("progress", "metrics", "event_log", "stage_monitor", "train_events")


def dvc(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(folder.parent), "DVC_SYSTEM_CONFIG_DIR": str(folder.parent),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The graph with its code and stand-ins for data and outputs, committed: nothing to run."""
    folder = tmp_path / "project"
    for name in ("pipelines", "stages", "tiprdc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    dvc(folder, "init", "--no-scm", "--quiet")
    prepare = YAML(typ="safe").load(folder / "params.yaml")["prepare"]
    folders = [
        prepare["manifest"]["root"],
        *(prepare[d]["root"] for d in ("celeba", "lfw", "dial")),
    ]
    for name in [*folders, "artifacts/shards"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in (prepare["manifest"]["path"], "data/adult/adult.csv.xz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("stand-in")
    for stage in YAML(typ="safe").load(folder / "dvc.yaml")["stages"].values():
        for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            path = folder / (entry if isinstance(entry, str) else next(iter(entry)))
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("stand-in")
            else:
                path.mkdir(parents=True, exist_ok=True)
                (path / "file").write_text("stand-in")
    dvc(folder, "commit", "--force", "--quiet")
    return folder


def changed_stages(folder: Path) -> set[str]:
    return set(json.loads(dvc(folder, "status", "--json")))


def append(path: Path) -> None:
    with path.open("a") as stream:
        stream.write("\n# edited\n")


def test_edit_of_observability_leaves_every_stage_fresh(project: Path) -> None:
    assert changed_stages(project) == set()
    for name in OBSERVABILITY:
        append(project / "pipelines" / "observability" / f"{name}.py")
    append(project / "pipelines" / "cluster.py")
    assert changed_stages(project) == set()
    append(project / "tiprdc" / "attacks" / "mlp.py")
    assert changed_stages(project) >= {"train", "tune", "audit"}
