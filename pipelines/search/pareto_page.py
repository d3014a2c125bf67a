"""Render the Pareto front as one HTML file that loads nothing from the network."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML

from tiprdc.reports.axis import Axis


def page(
    table: pd.DataFrame,
    searched: Sequence[str],
    proposals: Sequence[Mapping[str, Any]],
    limits: Sequence[float],
) -> str:
    """Render the page.

    Args:
        table: Result of `pareto.aggregate_seeds`.
        searched: Settings that the search varied.
        proposals: Result of `pareto.proposals`.
        limits: On the advantage.

    Returns:
        HTML.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("pipelines.search", "."), PackageLoader("tiprdc.reports", "templates")]
        ),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["snippet"] = _snippet
    return environment.get_template("pareto.html").render(
        rows=table.to_dict("records"),
        proposals=proposals,
        limits=limits,
        x=_axis(table, "advantage"),
        y=_axis(table, "utility", upright=True),
        describe=lambda row: ", ".join(f"{name} {_format(row[name])}" for name in searched),
        span=lambda row, name: f"{row[name]:.3f} ({_bounds(row, name)})",
        bounds=_bounds,
    )


def _axis(table: pd.DataFrame, name: str, *, upright: bool = False) -> Axis:
    """From the least lower bound of an objective to its greatest upper bound, with a margin."""
    low, high = float(table[f"{name}_low"].min()), float(table[f"{name}_high"].max())
    margin = 0.03 * (high - low) or 0.01
    return Axis(low - margin, high + margin, upright)


def _bounds(row: Mapping[str, float], name: str) -> str:
    return f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}"


def _format(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _snippet(proposal: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    YAML().dump({"train": proposal["train"]}, stream)
    return stream.getvalue()
