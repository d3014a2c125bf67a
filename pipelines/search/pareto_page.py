"""Render the Pareto front as one HTML file that loads nothing from the network."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML


@dataclass(frozen=True)
class Axis:
    """A linear axis of the chart, with a margin at both ends.

    Args:
        low, high: Values at its ends.
        upright: Whether larger values are further up: SVG counts from the top.
    """

    low: float
    high: float
    upright: bool = False

    @classmethod
    def of(cls, table: pd.DataFrame, name: str, *, upright: bool = False) -> Axis:
        """The axis from an objective's smallest lower bound to its largest upper bound."""
        low, high = float(table[f"{name}_low"].min()), float(table[f"{name}_high"].max())
        margin = 0.03 * (high - low) or 0.01
        return cls(low - margin, high + margin, upright)

    def at(self, value: float) -> str:
        """Position of a value as an SVG length."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * (1 - share if self.upright else share):.2f}%"

    @property
    def ticks(self) -> list[float]:
        """Round numbers within the axis."""
        # Slow to import; only this property needs it.
        from matplotlib.ticker import MaxNLocator

        values = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return [round(float(v), 6) for v in values if self.low <= v <= self.high]


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
        x=Axis.of(table, "advantage"),
        y=Axis.of(table, "utility", upright=True),
        describe=lambda row: ", ".join(f"{name} {_format(row[name])}" for name in searched),
        span=lambda row, name: f"{row[name]:.3f} ({_bounds(row, name)})",
        bounds=_bounds,
    )


def _bounds(row: Mapping[str, float], name: str) -> str:
    return f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}"


def _format(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _snippet(proposal: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    YAML().dump({"train": proposal["train"]}, stream)
    return stream.getvalue()
