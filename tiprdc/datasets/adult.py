"""Reads UCI Adult: 48,842 people of the 1994 US census; its official test split is attacker-test.

Every column is an input except the private and the utility attributes and `fnlwgt`. `fnlwgt` is the
number of people in the country that a row represents, computed by the census from age, sex and
race: it adds nothing about the person, and a device does not know it. `relationship` is an input
although Husband and Wife reveal the sex: hiding that is the task.

Source: B. Becker and R. Kohavi, Adult, UCI Machine Learning Repository, doi:10.24432/C5XW20.
"""

from __future__ import annotations

from dataclasses import dataclass

from tiprdc.datasets.manifest import ManifestConfig, ManifestReader
from tiprdc.errors import ConfigError, suggestion

NUMERIC = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORICAL = (
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
    "income",
)


@dataclass(frozen=True, kw_only=True)
class AdultConfig:
    """The census data set (`prepare.adult`)."""

    private: tuple[str, ...] = ("sex",)
    """Attributes to hide, at least one: names of `CATEGORICAL`."""
    utility: tuple[str, ...] = ("income",)
    """Attributes that stand for the unseen tasks; one that is also private counts as private."""
    path: str = "data/adult/adult.csv.xz"
    """The file in the repository, or another copy with the same columns."""

    def __post_init__(self) -> None:
        if not self.private:
            raise ConfigError("prepare.adult.private", "empty", "at least one attribute")
        for key in ("private", "utility"):
            for name in getattr(self, key):
                if name not in CATEGORICAL:
                    raise ConfigError(
                        f"prepare.adult.{key}", name, f"one of {', '.join(CATEGORICAL)}",
                        suggestion(name, CATEGORICAL),
                    )  # fmt: skip


def adult_reader(config: AdultConfig) -> ManifestReader:
    """Reader of the census file: a manifest with fixed columns."""
    labels = (*config.private, *config.utility)
    return ManifestReader(
        ManifestConfig(
            path=config.path,
            modality="table",
            x=tuple(name for name in (*NUMERIC, *CATEGORICAL) if name not in labels),
            private=config.private,
            utility=config.utility,
            split="official_split",
        ),
        section="prepare.adult",
    )
