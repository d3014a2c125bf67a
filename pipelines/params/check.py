"""Checks every section of params.yaml, before the first stage runs for hours.

python -m pipelines.params.check      prints the faults; exit code 2 if there is one
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipelines.observability.progress import console, run
from pipelines.params.defaults import tuning
from pipelines.params.load import load, read
from pipelines.params.schema import SECTIONS, settings_class
from tiprdc.errors import USER_ERROR, ConfigError
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

_RECORDS = (
    ("image", 100_000), ("image", 1_000), ("text", 10_000), ("table", 10_000), ("audio", 1_000),
)  # fmt: skip
"""Modality and number of records: what `auto` stands for is known only after `prepare`."""


def faults(path: Path = Path("params.yaml")) -> Iterator[ConfigError]:
    """The first fault of each section of the file.

    A value is a fault if it is one for every kind of records.

    Raises:
        ConfigError: The file is no YAML.
    """
    stated = read(path)
    for section in SECTIONS:
        if section in stated and (fault := _fault(section, path)):
            yield fault


def _fault(section: str, path: Path) -> ConfigError | None:
    found = None
    for modality, records in _RECORDS:
        schema: Any = SimpleNamespace(
            modality=modality, columns=(), records={"extractor-train": records}
        )
        auto = {**training(schema), **tuning(schema, _train(schema, path))}
        try:
            load(section, settings_class(section), path, auto=auto)
        except ConfigError as error:
            found = found or error
        else:
            return None
    return found


def _train(schema: Any, path: Path) -> TrainConfig:
    """The section `train`; the defaults where it has a fault, which is its own to report."""
    try:
        return load("train", TrainConfig, path, auto=training(schema))
    except ConfigError:
        return TrainConfig()


def main() -> None:
    """Refuse params.yaml with every fault."""
    texts = [str(fault) for fault in faults()]
    if texts:
        console.print("\n".join(texts), markup=False, highlight=False, soft_wrap=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    run(main)
