"""What some of Adult's columns tell of sex and of income: how much there is to keep at all.

    python -m benchmarks.comparison.adult_columns

Boosted trees on raw columns, fitted on Adult's own train part and scored on its test part. No
extractor plays: it is what somebody could send who knew that income is wanted.
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
    for name, kept in {"all": columns, ", ".join(FOUR): FOUR, **alone}.items():
        guesses = {label: _guesses(train, test, kept, label, "balanced") for label in LABELS}
        found = [balanced_accuracy_score(test[label], guesses[label]) for label in LABELS]
        plain = _guesses(train, test, kept, "income", None)
        found.append(accuracy_score(test["income"], plain))
        table.add_row(name, *(f"{100 * figure:.1f}" for figure in found))
    Console().print(table)


def _guesses(
    train: pd.DataFrame, test: pd.DataFrame, columns: list[str], label: str, weight: str | None
) -> pd.Series:
    words = train[columns].select_dtypes(exclude="number").columns
    kinds = {word: pd.CategoricalDtype(sorted(train[word].unique())) for word in words}
    trees = HistGradientBoostingClassifier(class_weight=weight, random_state=0)
    trees.fit(train[columns].astype(kinds), train[label])
    return pd.Series(trees.predict(test[columns].astype(kinds)), index=test.index)


if __name__ == "__main__":
    typer.run(main)
