"""Writes the losses of a training by epoch, for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tiprdc.training import checkpoint
from tiprdc.training.diagnostics import CLUB
from tiprdc.training.head.training import HeadLosses
from tiprdc.training.losses import Losses


def write_curves(trained: Path, role: str, curves: Path) -> None:
    """Write `curves/ROLE.csv`.

    Args:
        trained: Folder of the role's checkpoint.
        role: Which extractor.
        curves: Folder; it is made.

    Raises:
        ModelError: The checkpoint is incomplete or damaged.
    """
    curves.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(checkpoint.history(trained)).assign(run=role)
    table = table[["run", "epoch", *_losses(table.columns)]]
    table.to_csv(curves / f"{role}.csv", index=False, float_format="%.6g")


def _losses(names: Iterable[str]) -> list[str]:
    """Columns of the curves; speeds are in the event log."""
    of_steps = {*Losses._fields, *HeadLosses._fields, "seconds"}
    return [n for n in names if n in of_steps or n.startswith(CLUB)]
