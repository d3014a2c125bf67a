"""Tokens are weighted by rarity, order and length have no effect, and no rare token stands out."""

from __future__ import annotations

import math

import pytest
import torch

from tiprdc.models.critic import Critic
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunks.bag_of_words import BagOfWords
from tiprdc.models.trunks.embedding import embedding


def _bag(vocabulary: int = 11) -> BagOfWords:
    torch.manual_seed(0)
    return BagOfWords(vocabulary, width=8, out=5)


def _vector(bag: BagOfWords, *ids: int) -> torch.Tensor:
    with torch.inference_mode():
        return bag.eval()(torch.tensor([ids])).global_


def test_order_and_repetition_of_the_whole_text_have_no_effect() -> None:
    bag = _bag()
    expected = _vector(bag, 3, 4, 5, 0, 0, 0)
    torch.testing.assert_close(_vector(bag, 0, 5, 3, 0, 4, 0), expected)
    assert (_vector(bag, 3, 4, 4, 0, 0, 0) - expected).abs().max() > 1e-3


def test_text_without_tokens_gives_the_bias() -> None:
    bag = _bag()
    torch.testing.assert_close(_vector(bag, 0, 0, 0), bag.out.bias[None])


def test_token_weight_follows_from_its_share_of_texts() -> None:
    bag = _bag().train()
    # 3 is in every text, 4 in every second (twice in one text), 5 in none.
    for _ in range(2):
        bag(torch.tensor([[3, 4, 4, 0], [3, 0, 0, 0]]))
    assert bag.texts == 4
    weights = bag.weights
    assert weights[3].item() == pytest.approx(math.log(2))
    assert weights[4].item() == pytest.approx(math.log(3))
    assert weights[5].item() == pytest.approx(math.log(1001))
    with torch.no_grad():
        bag.embedding.weight[3:5] = torch.eye(8)[:2]
        bag.out.weight.copy_(torch.eye(5, 8))
        bag.out.bias.zero_()
    length = math.hypot(math.log(2), math.log(3))
    expected = torch.tensor([[math.log(2), math.log(3), 0, 0, 0]]) / length
    torch.testing.assert_close(_vector(bag, 3, 4, 0, 0), expected)


def test_evaluation_does_not_count_texts() -> None:
    bag = _bag()
    _vector(bag, 3, 4)
    assert bag.texts == 0


def test_weight_is_the_same_for_tokens_in_one_text_and_in_none() -> None:
    bag = _bag().train()
    texts = torch.full((2_000, 2), 3)
    texts[0, 1] = 7
    bag(texts)
    assert bag.texts_with_token[7] == 1
    assert bag.weights[7] == bag.weights[8]


def test_rows_are_small_and_padding_is_zero() -> None:
    table = embedding(1_000, 16).weight
    assert table[1:].std().item() == pytest.approx(0.05, rel=0.05)
    assert not table[0].any()


@pytest.mark.parametrize("family", ["bag", "lstm", "transformer"])
def test_critic_has_one_query_for_all_token_positions(family: str) -> None:
    torch.manual_seed(0)
    spec = InputSpec(modality="text", shape=(5,), vocabulary_size=11)
    config = ExtractorConfig(family=family, width=8, features=4)  # type: ignore[arg-type]
    critic = Critic(config, spec, 2).eval()
    assert critic.local_query[-1].out_features == 32
    x = torch.randint(1, 11, (6, 5))
    j = critic(x, torch.randn(6, 4), torch.eye(2)[[0, 1, 0, 1, 0, 1]], negatives=5)
    assert j.isfinite()
