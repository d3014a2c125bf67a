"""Copies this project into a folder, with settings that run in seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "prepare.avatars.people": 600,
    "prepare.avatars.attackers": 0,
    "train.extractor.width": 8,
    "train.extractor.features": 16,
    "train.schedule.epochs": 2,
    "train.schedule.batch": 64,
    "train.schedule.warm_up": 1.0,
    "train.head.epochs": 1,
    "audit.policy.min_people": 20,
    "audit.attacks": ["logistic_regression"],
    "audit.probes": ["logistic_regression"],
    "audit.raw": ["logistic_regression"],
    "audit.seeds": [0],
    "audit.alternatives": False,
    "audit.reconstruction": False,
    "tune.trials": 1,
    "tune.epochs": 1,
    "tune.people": 100,
    "tune.features": [16],
    "tune.attacks": ["logistic_regression"],
}


def copy_project(folder: Path, settings: Mapping[str, Any]) -> None:
    """Copy the files that Git tracks or would track, into a new repository with one commit.

    Args:
        folder: Target.
        settings: Changes of params.yaml, `section.key` -> value.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    edit_params(folder / "params.yaml", settings)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a project"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)


def edit_params(path: Path, settings: Mapping[str, Any]) -> None:
    """Change values of params.yaml, `section.key` -> value; comments stay. Unknown keys fail."""
    yaml = YAML()
    params = yaml.load(path)
    for key, value in settings.items():
        *sections, last = key.split(".")
        mapping = params
        for section in sections:
            mapping = mapping[section]
        assert last in mapping, key
        mapping[last] = value
    yaml.dump(params, path)
