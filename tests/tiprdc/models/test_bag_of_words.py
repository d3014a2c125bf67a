"""Words weigh by how rare they are; order and length do not count; no rare one is singled out."""

from __future__ import annotations

import math

import pytest
import torch

from tiprdc.models.bag_of_words import Bag
from tiprdc.models.critic import Critic
from tiprdc.models.embedding import embedding
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec


def _bag(vocabulary: int = 11) -> Bag:
    torch.manual_seed(0)
    return Bag(vocabulary, width=8, out=5)


def _whole(bag: Bag, *ids: int) -> torch.Tensor:
    with torch.inference_mode():
        return bag.eval()(torch.tensor([ids])).global_


def test_order_and_repetition_of_the_whole_text_do_not_count() -> None:
    bag = _bag()
    wanted = _whole(bag, 3, 4, 5, 0, 0, 0)
    torch.testing.assert_close(_whole(bag, 0, 5, 3, 0, 4, 0), wanted)
    assert (_whole(bag, 3, 4, 4, 0, 0, 0) - wanted).abs().max() > 1e-3


def test_a_text_without_tokens_is_as_if_nothing_had_been_said() -> None:
    bag = _bag()
    torch.testing.assert_close(_whole(bag, 0, 0, 0), bag.out.bias[None])


def test_a_token_weighs_by_the_share_of_texts_that_hold_it() -> None:
    bag = _bag().train()
    # 3 is in every text, 4 in every second, twice in the same; 5 never.
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
    wanted = torch.tensor([[math.log(2), math.log(3), 0, 0, 0]]) / length
    torch.testing.assert_close(_whole(bag, 3, 4, 0, 0), wanted)


def test_counting_ends_with_training() -> None:
    bag = _bag()
    _whole(bag, 3, 4)
    assert bag.texts == 0


def test_no_weight_tells_whether_one_text_or_none_holds_a_token() -> None:
    bag = _bag().train()
    texts = torch.full((2_000, 2), 3)
    texts[0, 1] = 7
    bag(texts)
    assert bag.holders[7] == 1
    assert bag.weights[7] == bag.weights[8]


def test_rows_are_small_and_padding_is_nothing() -> None:
    table = embedding(1_000, 16).weight
    assert table[1:].std().item() == pytest.approx(0.05, rel=0.05)
    assert not table[0].any()


@pytest.mark.parametrize("family", ["bag", "lstm", "transformer"])
def test_the_critic_asks_of_a_word_whether_the_text_holds_it_not_where(family: str) -> None:
    torch.manual_seed(0)
    spec = InputSpec(modality="text", shape=(5,), vocabulary_size=11)
    config = ExtractorConfig(family=family, width=8, features=4)  # type: ignore[arg-type]
    critic = Critic(config, spec, 2).eval()
    assert critic.places[-1].out_features == 32
    x = torch.randint(1, 11, (6, 5))
    j = critic(x, torch.randn(6, 4), torch.eye(2)[[0, 1, 0, 1, 0, 1]], negatives=5)
    assert j.isfinite()
