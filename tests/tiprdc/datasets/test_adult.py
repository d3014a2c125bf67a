from __future__ import annotations

import pytest

from tiprdc.datasets.adult import AdultConfig, adult_reader
from tiprdc.errors import ConfigError


def test_the_file_of_the_repository() -> None:
    reader = adult_reader(AdultConfig())
    index = reader.index()
    assert len(index.records) == 48_842
    assert index.records["split"].value_counts().to_dict() == {"train": 32_561, "test": 16_281}
    assert [a.classes for a in index.attributes] == [("Female", "Male"), ("<=50K", ">50K")]
    # The counts that the source publishes: 24.78 % and 23.93 % above 50K, with unknowns kept.
    assert index.records["income"].sum() == 11_687
    columns = {c.name: c.categories for c in reader.fit(index.records).columns}
    assert len(columns) == 12
    assert not {"fnlwgt", "sex", "income", "official_split"} & set(columns)
    assert "?" in columns["workclass"]
    assert columns["age"] == ()
    assert set(columns["relationship"]) >= {"Husband", "Wife"}


def test_what_is_private_is_no_input_and_what_is_not_is() -> None:
    config = adult_reader(AdultConfig(private=("race",), utility=("income", "race"))).config
    assert "sex" in config.x
    assert "race" not in config.x


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"private": ("gender",)}, "one of workclass"),
        ({"private": ("incom",)}, "did you mean 'income'"),
        ({"utility": ("age",)}, "prepare.adult.utility: age"),
        ({"private": ()}, "prepare.adult.private: empty\n  expected: at least one"),
    ],
)
def test_wrong_settings(change: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(ConfigError, match=r"^prepare\.adult") as refused:
        AdultConfig(**change)
    assert words in str(refused.value)
