"""Reads UCI Adult: 48,842 people of the 1994 US census; its official test split is attacker-test.

Every column is an input except the private and the utility attributes and `fnlwgt`. `fnlwgt` is the
number of people in the country that a row represents, computed by the census from age, sex and
race: it adds nothing about the person, and a device does not know it. `relationship` is an input
although Husband and Wife reveal the sex: hiding that is the task.

Source: B. Becker and R. Kohavi, Adult, UCI Machine Learning Repository, doi:10.24432/C5XW20.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from tiprdc.datasets.manifest.config import UTILITY, ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.errors import ConfigError, suggestion
from tiprdc.settings import Settings

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


class AdultConfig(Settings, frozen=True, kw_only=True):
    """UCI Adult, a census table (`prepare.adult`)."""

    params_key: ClassVar[str] = "prepare.adult"

    private: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Attributes to hide: categorical columns."),
    ] = ("sex",)
    utility: Annotated[tuple[str, ...], Meta(description=UTILITY)] = ("income",)
    path: Annotated[
        str, Meta(description="The file in the repository, or a copy with the same columns.")
    ] = "data/adult/adult.csv.xz"

    def _check(self) -> None:
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
