"""Classes of attributes that differ only in spelling are refused, with code that merges them."""

from __future__ import annotations

import pandas as pd
import pytest

from tiprdc.datasets.manifest.attribute_classes import read_attribute
from tiprdc.errors import DataError


@pytest.mark.parametrize(
    ("classes", "difference"),
    [
        (["<=50K", ">50K", "<=50K.", ">50K."], "a full stop"),
        (["Male", "Female", "male", "female"], "case"),
        (["0", "1", "0.0", "1.0"], "decimals that are zero"),
        (["New York", "New  York", "Rome"], "spaces"),
        (["caf\u00e9", "cafe\u0301", "tea"], "accents"),
        (["A.", "a", "b"], "accents or case"),
    ],
)
def test_classes_that_differ_in_spelling_are_refused_and_the_hint_merges_them(
    classes: list[str], difference: str
) -> None:
    table = pd.DataFrame({"income": classes * 5}, dtype="str")
    with pytest.raises(DataError) as error:
        read_attribute(table, "income", "prepare.manifest.utility")
    message = str(error.value)
    assert f"of 'income' differ from others only by {difference}" in message
    assert not any(repr(one) in message for one in classes)
    code = message.split("with pandas: ")[1].split("; rename")[0]
    exec(code, {"table": table})
    assert len(read_attribute(table, "income", "x").classes) == 2


@pytest.mark.parametrize(
    "classes", [("+", "-"), ("<50", ">50"), ("1", "10"), ("a", "a b"), ("C", "C++")]
)
def test_different_classes_are_kept(classes: tuple[str, str]) -> None:
    table = pd.DataFrame({"income": [*classes] * 5}, dtype="str")
    assert set(read_attribute(table, "income", "x").classes) == set(classes)
