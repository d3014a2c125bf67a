"""Reads params.yaml: one section -> the settings class that describes it.

The file is read as YAML 1.2, as DVC reads it: in YAML 1.1 (PyYAML) `1e-4` would be text and `no`
would be false. `tiprdc.settings` checks names, types and ranges.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import convert, fill_auto

T = TypeVar("T")

MAX_BYTES = 1_000_000
_OBJECTIVE = {
    "keep": "mi_estimator",
    "steering": "budget_step",
    "closed_form": "kernel_adversary",
    "decoding": "adversary_decoder",
    "refit": "refit_every",
    "objective": "confusion_loss",
}
MOVED = {
    **{
        f"train.{section}.{old}": f"train.objective.{new}"
        for section in ("game", "objective")
        for old, new in _OBJECTIVE.items()
    },
    "train.game": "train.objective",
    "train.extractor.bounded": "train.extractor.clip",
    "train.extractor.guard": "train.extractor.leace",
    "train.retries": "cluster.retries",
    "train.checkpoint_every": "cluster.checkpoint_every",
    "tune.keep": "tune.mi_estimator",
    "tune.cpus_per_trial": "cluster.cpus_per_trial",
    "tune.gpus_per_trial": "cluster.gpus_per_trial",
    "audit.most_seconds": "cluster.most_seconds",
}
"""Key of an earlier version -> its key now."""


def load(
    section: str,
    cls: type[T],
    path: Path = Path("params.yaml"),
    *,
    auto: Mapping[str, Any] = types.MappingProxyType({}),
) -> T:
    """Read one section of a params file.

    Args:
        section: Key at the top of the file.
        cls: The settings class of the section.
        path: The file, YAML 1.2 in UTF-8, at most `MAX_BYTES`.
        auto: Dotted key -> its value where the file has `auto` or does not name the key. A function
            is called with what is above the key's own mapping, as the file has it, and returns the
            value.

    Raises:
        ConfigError: The file is missing or no YAML, or a key is unknown, moved or out of range.
    """
    sections = read(path)
    if section not in sections:
        raise ConfigError(
            section, f"no such section in {path}",
            hint=suggestion(section, sections) or f"add `{section}:` to {path}",
        )  # fmt: skip
    values = sections[section] or {}
    _refuse_moved(section, values)
    return convert(cls, fill_auto(values, auto, section), section)


def check_all(path: Path = Path("params.yaml")) -> None:
    """Refuse a params file with a fault in any section.

    Raises:
        ConfigError: The first fault.
    """
    # By name: a stage that checks all sections does not depend on the code behind them.
    check = importlib.import_module("pipelines.params.check")
    for fault in check.faults(path):
        raise fault


def read(path: Path) -> Mapping[str, Any]:
    """Read all sections as YAML has them.

    Raises:
        ConfigError: There is no such file, it is too large, or it is no YAML with unique keys.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(str(path), "the file is too large", f"at most {MAX_BYTES:,} bytes")
        sections = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            str(path), "no such file", hint="run this in the project's folder"
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}", error.problem or "not YAML", "YAML 1.2") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(path), f"not readable ({type(error).__name__})", "YAML 1.2 in UTF-8"
        ) from None
    if not isinstance(sections, Mapping):
        raise ConfigError(
            str(path), "nothing" if sections is None else "no keys at the top", "sections with keys"
        )
    return sections


def _refuse_moved(section: str, values: Any) -> None:
    """Refuse keys of earlier versions, all at once, with their names now."""
    moved = {
        old: new
        for old, new in MOVED.items()
        if old.startswith(f"{section}.") and _has(values, old.split(".")[1:])
    }
    if moved:
        names = ", ".join(f"{old} -> {new}" for old, new in moved.items())
        raise ConfigError(next(iter(moved)), "this key has moved", hint=f"rename {names}")


def _has(values: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True
