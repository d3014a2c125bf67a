"""The Pareto front of privacy and utility, with bounds, and proposals for params.yaml.

A setting's figures are means over its seeds. Their bounds cover two sources of error: the choice of
people in attacker-select (exact binomial bounds; the same people for all seeds, so more seeds do
not narrow them) and the choice of seeds (Student's t). The two are independent, and their distances
from the mean are combined by MOVER: d = sqrt(d_people^2 + d_seeds^2).

Settings are selected by the same figures that are shown, so figures on the front are a little too
good. The audit, on other people, decides.

Source: Zou and Donner 2008 for MOVER.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from scipy import stats

from pipelines.search.pareto_page import page
from pipelines.search.space import TuneConfig, snippet

OBJECTIVES = {"advantage": "min", "utility": "max"}
_CONFIDENCE = 0.95
_HEAD = """\
# For each limit: the setting with the highest utility whose advantage is within the limit (upper
# bound, on attacker-select). Copy the section `train` into params.yaml. The audit decides: it uses
# other people and more attacks.
"""


def pareto_front(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether no other row is at least as good in both objectives and better in one."""
    cost = table[list(OBJECTIVES)].to_numpy() * [1, -1]
    dominated = [bool(((cost <= row).all(1) & (cost < row).any(1)).any()) for row in cost]
    return ~pd.Series(dominated, index=table.index)


def pareto_candidates(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most `most` settings that are on the front or could be, by their bounds.

    A setting could be on the front if no other is better in both by the bounds: an upper bound of
    the advantage at or below its lower bound, and a lower bound of the utility at or above its
    upper bound.
    """
    high, low = table["advantage_high"].to_numpy(), table["utility_low"].to_numpy()
    dominated = [
        bool(((high <= row["advantage_low"]) & (low >= row["utility_high"])).any())
        for row in table.to_dict("records")
    ]
    candidates = table[~pd.Series(dominated, index=table.index)]
    on_front = pareto_front(candidates)
    order = candidates.assign(front=on_front).sort_values(["front", "utility"], ascending=False)
    return candidates.loc[order.index[:most]]


def aggregate_seeds(rows: pd.DataFrame, searched: Sequence[str]) -> pd.DataFrame:
    """One row for each setting: means over its seeds, combined bounds, and the number of seeds."""
    settings = []
    for _, same in rows.groupby(list(searched), sort=False, dropna=False):
        row = {name: same[name].iloc[0] for name in searched} | {"seeds": len(same)}
        for name in OBJECTIVES:
            mean, between = same[name].mean(), _between(same[name].to_numpy())
            low, high = mean - same[f"{name}_low"].mean(), same[f"{name}_high"].mean() - mean
            row[name] = mean
            # Neither can exceed 1, however large the spread over the seeds is.
            row[f"{name}_low"] = mean - np.hypot(low, between)
            row[f"{name}_high"] = min(mean + np.hypot(high, between), 1.0)
        settings.append(row | {"kept": same["kept"].mean(), "seconds": same["seconds"].sum()})
    table = pd.DataFrame(settings)
    return table.assign(front=pareto_front(table)).sort_values("advantage", ignore_index=True)


def _between(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Distance of a one-sided bound of the mean over seeds; 0 where there is one seed."""
    if len(values) < 2:
        return 0.0
    quantile = float(stats.t.ppf(_CONFIDENCE, len(values) - 1))
    return quantile * float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def write(table: pd.DataFrame, config: TuneConfig, out: Path) -> None:
    """Write `front.csv`, `front.html`, `front.png` and `best.yaml`.

    Args:
        table: Result of `aggregate_seeds`.
        config: The search.
        out: Folder that exists.
    """
    table.to_csv(out / "front.csv", index=False, float_format="%.5g")
    proposed = proposals(table, config)
    with (out / "best.yaml").open("w", encoding="utf-8") as stream:
        stream.write(_HEAD)
        YAML().dump(proposed, stream)
    html = page(table, config.searched(), proposed, config.limits)
    (out / "front.html").write_text(html, encoding="utf-8")
    _draw(table, out / "front.png")


def proposals(table: pd.DataFrame, config: TuneConfig) -> list[dict[str, Any]]:
    """For each limit the setting with the highest utility within it, as a `train` section."""
    result: list[dict[str, Any]] = []
    for limit in sorted(config.limits):
        within = table[table["advantage_high"] <= limit]
        if within.empty:
            least = float(table["advantage_high"].min())
            result.append({"limit": limit, "none": f"the least upper bound is {least:.3f}"})
            continue
        row = within.sort_values("utility", ascending=False).to_dict("records")[0]
        figures = [f"{name}{end}" for name in OBJECTIVES for end in ("_low", "", "_high")]
        result.append(
            {
                "limit": limit,
                "figures": {name: round(float(row[name]), 4) for name in figures}
                | {"kept": round(float(row["kept"]), 4), "seeds": int(row["seeds"])},
                "train": snippet({name: _rounded(row[name]) for name in config.searched()}),
            }
        )
    return result


def format_proposal(proposal: Mapping[str, Any]) -> str:
    """One element of `proposals` as a line of text."""
    head = f"advantage of at most {proposal['limit']:g}"
    if "none" in proposal:
        return f"{head}: no setting; {proposal['none']}"
    figures = proposal["figures"]
    settings = {k: v for section in proposal["train"].values() for k, v in section.items()}
    # NaN: the raw record tells none of the tasks.
    kept = "" if np.isnan(figures["kept"]) else f" ({figures['kept']:.0%} kept)"
    return (
        f"{head}: utility {figures['utility']:.3f}{kept}, advantage"
        f" {figures['advantage']:.3f} with "
        + (", ".join(f"{name} {value}" for name, value in settings.items()))
    )


def plain(value: Any) -> Any:
    """A plain Python value: pandas may hold one of numpy."""
    return value.item() if isinstance(value, np.generic) else value


def _rounded(value: Any) -> Any:
    value = plain(value)
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _draw(table: pd.DataFrame, path: Path) -> None:
    # Slow to import; only this function needs it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for front, name, colour in ((False, "dominated", "0.6"), (True, "on the front", "tab:blue")):
        part = table[table["front"] == front]
        if part.empty:
            continue
        spans = [
            np.abs(part[[f"{axis}_low", f"{axis}_high"]].to_numpy().T - part[axis].to_numpy())
            for axis in OBJECTIVES
        ]
        axes.errorbar(
            part["advantage"], part["utility"], xerr=spans[0], yerr=spans[1], fmt="o",
            color=colour, ecolor=colour, elinewidth=0.8, label=f"{name} ({len(part)})",
        )  # fmt: skip
    axes.set_xlabel("Advantage of the strongest attack (left is better)")
    axes.set_ylabel("Balanced accuracy of unseen tasks (up is better)")
    axes.set_title("Settings tried, with one-sided 95 % bounds, on attacker-select")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, metadata={"Software": None})
