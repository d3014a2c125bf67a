"""How well subsets of Adult's columns predict sex and income: an upper reference for utility.

    python -m benchmarks.comparison.adult_columns

Boosted trees on raw columns, fitted on Adult's own train part and scored on its test part. No
extractor is used: it is what a sender could send who knew the task, income.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score

ADULT = Path(__file__).parents[2] / "data" / "adult" / "adult.csv.xz"
LABELS = ["sex", "income"]
FOUR = ["age", "education-num", "capital-gain", "capital-loss"]


def main() -> None:
    """Fit, score and print."""
    people = pd.read_csv(ADULT)
    part = people.pop("official_split")
    train, test = people[part == "train"], people[part == "test"]
    columns = [name for name in people if name not in LABELS]
    alone = {f"{name} alone": [name] for name in columns}
    table = Table("columns", "sex, balanced", "income, balanced", "income, plain")
    for name, subset in {"all": columns, ", ".join(FOUR): FOUR, **alone}.items():
        predictions = {label: _predict(train, test, subset, label, "balanced") for label in LABELS}
        scores = [balanced_accuracy_score(test[label], predictions[label]) for label in LABELS]
        plain = _predict(train, test, subset, "income", None)
        scores.append(accuracy_score(test["income"], plain))
        table.add_row(name, *(f"{100 * score:.1f}" for score in scores))
    Console().print(table)


def _predict(
    train: pd.DataFrame, test: pd.DataFrame, columns: list[str], label: str, weight: str | None
) -> pd.Series:
    words = train[columns].select_dtypes(exclude="number").columns
    kinds = {word: pd.CategoricalDtype(sorted(train[word].unique())) for word in words}
    trees = HistGradientBoostingClassifier(class_weight=weight, random_state=0)
    trees.fit(train[columns].astype(kinds), train[label])
    return pd.Series(trees.predict(test[columns].astype(kinds)), index=test.index)


if __name__ == "__main__":
    typer.run(main)
