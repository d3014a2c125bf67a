"""De-censoring attack: map released features to those of an unprotected extractor, then classify.

The attacker trains that extractor: a small network that predicts u from the records x of
attacker-train, without its last layer. Its features of the same people are the targets of the map
from z, and a kernel attack predicts the attribute from the map's output. These features carry how,
and how clearly, u shows in each record; a label carries only the class.

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
from tiprdc.attacks.families.cnn import PICTURE_WIDTHS, as_pixels, picture_network
from tiprdc.attacks.families.decoder import fit_number_decoder
from tiprdc.attacks.families.gru import known_tokens
from tiprdc.attacks.families.mlp import perceptron
from tiprdc.attacks.families.record_attack import FeatureMap, RecordAttack, train_holdout_split
from tiprdc.attacks.families.torch_attack import NetworkSpec, as_tensor, fit_network
from tiprdc.attacks.scaling import standardise

EPOCHS = 6
"""Passes over attacker-train of the attacker's own extractor."""
WIDTH = 128
"""Width of its hidden layer on columns, and of its embedding of tokens."""
COMPONENTS = 64
"""Principal components of its features that are targets of the map."""


class DecensoringAttack(RecordAttack):
    """A kernel attack on features mapped to those of an unprotected extractor."""

    name = "decensoring"
    uses_gpu = True

    def fit_map(
        self, x: NDArray[Any], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
    ) -> FeatureMap:
        """Fit the map from released to uncensored features."""
        targets = _principal_components(_uncensored_features(x, u, classes, seed), seed)
        return fit_number_decoder(*train_holdout_split(z, targets, u, seed), seed)


def _uncensored_features(
    x: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
) -> NDArray[np.float32]:
    """Features `[N, W]` of the attacker's own extractor."""
    build, learning_rate, prepare = _extractor_design(x)
    spec = NetworkSpec(build=build, epochs=EPOCHS, learning_rate=learning_rate)
    network = fit_network([spec], prepare, x, u, classes, seed).network
    assert isinstance(network, nn.Sequential)
    network.eval()
    with torch.no_grad():
        parts = [network[:-1](part) for part in torch.split(prepare(x), 512)]
    return np.asarray(torch.cat(parts).numpy())


def _extractor_design(
    x: NDArray[Any],
) -> tuple[Callable[[Tensor, int], nn.Module], float, Callable[[NDArray[Any]], Tensor]]:
    """Builder of the attacker's extractor, its learning rate, and the preparation of records."""
    if kind_of(x) == "picture":
        return partial(picture_network, PICTURE_WIDTHS[0]), 8e-3, as_pixels
    if kind_of(x) == "text":
        vocabulary = int(x.max()) + 1
        return partial(_mean_embedding, vocabulary), 8e-3, partial(known_tokens, vocabulary)
    return partial(perceptron, (WIDTH,), 0.2), 4e-3, as_tensor(standardise(x))


def _mean_embedding(vocabulary: int, record: Tensor, classes: int) -> nn.Module:
    """Logistic regression on the mean of learned token embeddings."""
    embedding = nn.EmbeddingBag(vocabulary, WIDTH, padding_idx=0)
    return nn.Sequential(embedding, nn.Dropout(0.4), nn.Linear(WIDTH, classes))


def _principal_components(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Principal components `[N, P]`, scaled jointly to a mean variance of 1."""
    count = min(COMPONENTS, *features.shape)
    pca = PCA(count, svd_solver="randomized", iterated_power=2, random_state=seed)
    components = pca.fit_transform(features.astype(np.float64))
    return np.asarray(components / (components.std() or 1.0), dtype=np.float32)
