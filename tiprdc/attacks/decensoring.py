"""De-censoring: released features are mapped back to those of an extractor that hides nothing.

The attacker trains that extractor: a small network that recognises u in the records x of
attacker-train, without its last layer. Its features of the same people are what the map from z is
taught, and the attribute is read off what the map gives. They tell how, and how clearly, u shows in
each record; a label tells only which class it is.

Source: Song and Shmatikov, "Overlearning Reveals Sensitive Attributes" (ICLR 2020), section 4.2,
Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from tiprdc.attacks.base import kind_of
from tiprdc.attacks.cnn import PICTURE_WIDTHS, as_pixels, on_picture
from tiprdc.attacks.decoder import fit_number_decoder
from tiprdc.attacks.gru import known_tokens
from tiprdc.attacks.mlp import perceptron
from tiprdc.attacks.record_attack import Map, RecordAttack, train_holdout_split
from tiprdc.attacks.scaling import standardise
from tiprdc.attacks.torch_attack import Recipe, as_tensor, fit_network

EPOCHS = 6
"""Passes of the attacker's own extractor over attacker-train."""
WIDTH = 128
"""Of its hidden layer on columns, and of its embedding of tokens."""
KEPT = 64
"""Principal components of its features that the map is taught."""


class DecensoringAttack(RecordAttack):
    """A kernel on features as an extractor that hides nothing would give them."""

    name = "decensoring"

    def learn(
        self, x: NDArray[Any], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
    ) -> Map:
        """The map from released to uncensored features."""
        wanted = _components(_uncensored(x, u, classes, seed), seed)
        return fit_number_decoder(*train_holdout_split(z, wanted, u, seed), seed)


def _uncensored(
    x: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
) -> NDArray[np.float32]:
    """Features `[N, W]` of the attacker's own extractor."""
    make, rate, prepare = _extractor(x)
    recipe = Recipe(make=make, epochs=EPOCHS, rate=rate)
    network = fit_network([recipe], prepare, x, u, classes, seed).network
    assert isinstance(network, nn.Sequential)
    network.eval()
    with torch.no_grad():
        parts = [network[:-1](part) for part in torch.split(prepare(x), 512)]
    return np.asarray(torch.cat(parts).numpy())


def _extractor(
    x: NDArray[Any],
) -> tuple[Callable[[Tensor, int], nn.Module], float, Callable[[NDArray[Any]], Tensor]]:
    """How it is made, its learning rate, and what it sees of a record."""
    if kind_of(x) == "picture":
        return partial(on_picture, PICTURE_WIDTHS[0]), 8e-3, as_pixels
    if kind_of(x) == "text":
        vocabulary = int(x.max()) + 1
        return partial(_mean_word, vocabulary), 8e-3, partial(known_tokens, vocabulary)
    return partial(perceptron, (WIDTH,), 0.2), 4e-3, as_tensor(standardise(x))


def _mean_word(vocabulary: int, record: Tensor, classes: int) -> nn.Module:
    """Logistic regression on the mean of learned word vectors."""
    words = nn.EmbeddingBag(vocabulary, WIDTH, padding_idx=0)
    return nn.Sequential(words, nn.Dropout(0.4), nn.Linear(WIDTH, classes))


def _components(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Principal components `[N, P]`, scaled together to a mean variance of 1."""
    kept = min(KEPT, *features.shape)
    pca = PCA(kept, svd_solver="randomized", iterated_power=2, random_state=seed)
    found = pca.fit_transform(features.astype(np.float64))
    return np.asarray(found / (found.std() or 1.0), dtype=np.float32)
