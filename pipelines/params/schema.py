"""Writes params.schema.json, with which editors check and complete params.yaml.

python -m pipelines.params.schema
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import msgspec

from pipelines.params.defaults import AUTO_KEYS
from tiprdc.settings import Settings

SCHEMA = "params.schema.json"
SECTIONS = {
    "prepare": ("pipelines.preparation.sharding", "PrepareConfig"),
    "train": ("pipelines.training.run", "TrainConfig"),
    "export": ("tiprdc.export.onnx_export", "ExportConfig"),
    "audit": ("tiprdc.audit.config", "AuditConfig"),
    "card": ("tiprdc.reports.model_card", "CardConfig"),
    "tune": ("pipelines.search.space", "TuneConfig"),
    "cluster": ("pipelines.cluster.connect", "ClusterConfig"),
}
"""Section of params.yaml -> module and name of its settings class."""


def settings_class(section: str) -> type[Settings]:
    """The class that describes a section."""
    module, name = SECTIONS[section]
    kind: type[Settings] = getattr(importlib.import_module(module), name)
    return kind


def schema_text() -> str:
    """The JSON schema of params.yaml."""
    kinds = [settings_class(section) for section in SECTIONS]
    references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "params.yaml",
        "type": "object",
        "properties": dict(zip(SECTIONS, references, strict=True)),
        "additionalProperties": False,
        "$defs": definitions,
    }
    for key in AUTO_KEYS:
        _allow_auto(schema, key.split("."))
    return json.dumps(schema, indent=1) + "\n"


def _allow_auto(schema: dict[str, Any], keys: list[str]) -> None:
    properties = schema["properties"]
    for key in keys[:-1]:
        name = properties[key]["$ref"].rpartition("/")[2]
        properties = schema["$defs"][name]["properties"]
    allowed = properties[keys[-1]]
    words = {name: allowed.pop(name) for name in ("description", "default") if name in allowed}
    properties[keys[-1]] = {**words, "anyOf": [{"const": "auto"}, allowed]}


if __name__ == "__main__":
    Path(SCHEMA).write_text(schema_text(), encoding="utf-8")
