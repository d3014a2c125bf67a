"""The tokenizer: ids, padding, and which words shape the vocabulary."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tiprdc.datasets.tokenizer import encode, train_tokenizer, vocabulary_size

TEXTS = ["The river is wide", "the river is deep", "A river, the wide one", "zanzibar zanzibar"]
PEOPLE = ["a", "b", "c", "d"]


def train(**change: int) -> str:
    return train_tokenizer(TEXTS, PEOPLE, **{"vocabulary": 400, "length": 8, **change})


def test_ids_are_padded_and_cut_to_the_length() -> None:
    ids = encode(train(), ["river", "", "river " * 50])
    assert ids.shape == (3, 8)
    assert ids.dtype == np.int32
    assert ids[0, 0] > 0
    assert (ids[0, -1], ids[1].tolist()) == (0, [0] * 8)
    assert (ids[2] > 0).all()


@pytest.mark.parametrize("text", ["the RIVER", "  the river\n"])
def test_case_and_surrounding_space_are_ignored(text: str) -> None:
    ids = encode(train(), ["the river", text])
    np.testing.assert_array_equal(ids[0], ids[1])


def test_first_word_of_a_text_is_the_same_token_as_elsewhere() -> None:
    first, alone = encode(train(), ["the river", "river"])
    assert first[1] == alone[0]
    assert alone[1] == 0


def test_any_text_has_ids_within_the_vocabulary() -> None:
    tokenizer = train()
    ids = encode(tokenizer, ["日本語 \U0001f600 \x00 naïve"])
    assert ids.max() < vocabulary_size(tokenizer)
    assert (ids > 0).all()


def test_word_of_one_person_is_not_in_the_vocabulary() -> None:
    words = set(json.loads(train())["model"]["vocab"])
    assert "Ġriver" in words
    assert not any(piece in word for word in words for piece in ("za", "zi", "nz"))


def test_person_counts_once_for_each_word() -> None:
    texts = [*TEXTS, *["thunder thunder"] * 99]
    repeated = train_tokenizer(texts, [*PEOPLE, *["e"] * 99], vocabulary=400, length=8)
    assert json.loads(repeated)["model"] == json.loads(train())["model"]


def test_word_of_many_people_enters_the_vocabulary_first() -> None:
    texts = ["ab"] * 3 + ["yz"] * 9
    tokenizer = train_tokenizer(texts, map(str, range(12)), vocabulary=259, length=2)
    words = set(json.loads(tokenizer)["model"]["vocab"])
    assert "Ġyz" in words
    assert not {"ab", "Ġab"} & words


def test_training_is_deterministic() -> None:
    assert train() == train()


def test_json_contains_the_length() -> None:
    assert encode(train(length=5), ["river"]).shape == (1, 5)
