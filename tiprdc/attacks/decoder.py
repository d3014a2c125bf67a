"""Decoders: networks that learn from (z, x) of attacker-train what record had these features.

No label is needed for that, and each record teaches as many targets as it has numbers: a decoder
finds its way through features that a classifier, with one bit a person, does not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tiprdc.attacks.scaling import Scaling, whiten
from tiprdc.datasets.schema import Column
from tiprdc.models.inputs import Columns

Pairs = tuple[NDArray[Any], NDArray[Any]]
"""Features `[N, D]` and what they are of `[N, ...]`."""
PICTURE_EPOCHS, EPOCHS = 5, 15
"""Passes of a decoder of pictures, of any other; the best one on held-out pairs is kept."""
FEWEST_STEPS = 20
"""Of a pass on average: more passes are made where people are few."""
BATCH = 128
MOST_TOKENS = 2000
"""Tokens that a decoder of text asks for: the most frequent ones of attacker-train."""


class Decoder:
    """A trained decoder behind the scaling of its features.

    Args:
        tokens: Of text, the ids `[V]` that its outputs are about.
    """

    def __init__(
        self, scaling: Scaling, network: nn.Module, tokens: NDArray[np.int64] | None = None
    ) -> None:
        self.scaling, self.network = scaling, network
        self.tokens = np.zeros(0, np.int64) if tokens is None else tokens

    @torch.no_grad()
    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        """`[N, D]` -> pictures in [0, 1] `[N, C, H, W]`, or numbers and logits `[N, W]`."""
        self.network.eval()
        parts = torch.split(torch.from_numpy(self.scaling(z)), 512)
        return np.asarray(torch.cat([self.network(part) for part in parts]).numpy())


def fit_picture_decoder(
    train: Pairs, held: Pairs, seed: int, epochs: int = PICTURE_EPOCHS
) -> Decoder:
    """Learn pictures `[N, C, H, W]` uint8 from features `[N, D]`, by least squares.

    Args:
        train: Of attacker-train.
        held: Other pairs, which choose among the passes.
        seed: The same seed gives the same decoder.
        epochs: Passes.
    """
    network = partial(_Painter, train[1].shape[1:])
    return _fit(network, train, held, _picture_loss, seed, epochs)


def fit_column_decoder(
    train: Pairs, held: Pairs, columns: tuple[Column, ...], seed: int
) -> Decoder:
    """Learn columns `[N, F]` from features `[N, D]`: numbers by squares, categories by entropy.

    Args:
        columns: What the F columns are.
        train, held, seed: As for pictures.
    """
    network = partial(_perceptron, Columns(columns).width)
    return _fit(network, train, held, partial(_column_loss, columns), seed)


def fit_number_decoder(train: Pairs, held: Pairs, seed: int) -> Decoder:
    """Learn any numbers `[N, F]` from features `[N, D]`, by least squares. Arguments as above."""
    return _fit(partial(_perceptron, train[1].shape[1]), train, held, functional.mse_loss, seed)


def fit_token_decoder(train: Pairs, held: Pairs, seed: int) -> Decoder:
    """Learn which tokens are in a text, ids `[N, T]`, from features `[N, D]`: one logit each.

    Args:
        train, held, seed: As for pictures.
    """
    tokens = frequent_tokens(train[1], MOST_TOKENS)
    there, also = ((z, presence(ids, tokens)) for z, ids in (train, held))
    network = partial(_token_network, token_logits(there[1]))
    return _fit(network, there, also, _token_loss, seed, tokens=tokens)


def frequent_tokens(ids: NDArray[Any], most: int) -> NDArray[np.int64]:
    """The most frequent token ids `[<= most]` of `[N, T]`; padding, 0, is none of them."""
    count = np.bincount(ids[ids > 0].ravel().astype(np.int64), minlength=2)
    order = np.argsort(-count, kind="stable")[:most]
    return np.asarray(order[count[order] > 0], dtype=np.int64)


def presence(ids: NDArray[Any], tokens: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Whether each token is in each text: ids `[N, T]` -> 0 or 1 `[N, V]`."""
    place = np.full(max(int(ids.max(initial=0)), int(tokens.max(initial=0))) + 1, len(tokens))
    place[tokens] = np.arange(len(tokens))
    there = np.zeros((len(ids), len(tokens) + 1), np.uint8)
    there[np.arange(len(ids))[:, None], place[ids]] = 1
    return there[:, :-1]


def token_logits(there: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What can be said of tokens without features: the log odds `[V]` of `[N, V]`."""
    share = (there.sum(0, dtype=np.float64) + 0.5) / (len(there) + 1)
    return np.asarray(np.log(share / (1 - share)), dtype=np.float32)


def _fit(
    make: Callable[[int], nn.Module],
    train: Pairs,
    held: Pairs,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    seed: int,
    epochs: int = EPOCHS,
    tokens: NDArray[np.int64] | None = None,
) -> Decoder:
    scaling = whiten(train[0], seed)
    z, x = torch.from_numpy(scaling(train[0])), torch.tensor(train[1])
    others = torch.from_numpy(scaling(held[0])), torch.tensor(held[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(z.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
        steps = -(-len(z) // BATCH)
        epochs = max(epochs, -(-FEWEST_STEPS * epochs // steps))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, 4e-3, epochs=epochs, steps_per_epoch=steps
        )
        best, weights = np.inf, copy.deepcopy(network.state_dict())
        for _ in range(epochs):
            network.train()
            for rows in torch.randperm(len(z)).tensor_split(steps):
                loss = loss_of(network(z[rows]), x[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                optimiser.step()
                schedule.step()
            loss_held = _mean_loss(network, others, loss_of)
            if loss_held < best:
                best, weights = loss_held, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return Decoder(scaling, network, tokens)


@torch.no_grad()
def _mean_loss(
    network: nn.Module,
    held: tuple[Tensor, Tensor],
    loss_of: Callable[[Tensor, Tensor], Tensor],
) -> float:
    network.eval()
    parts = zip(*(torch.split(each, 512) for each in held), strict=True)
    return sum(float(loss_of(network(z), x)) * len(z) for z, x in parts) / len(held[0])


class _Painter(nn.Module):
    """Three doublings from a map of an eighth of the picture's size."""

    def __init__(self, shape: Sequence[int], features: int) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        rows, columns = -(-self.height // 8), -(-self.width // 8)
        layers: list[nn.Module] = [
            nn.Linear(features, 48 * rows * columns),
            nn.Unflatten(1, (48, rows, columns)),
        ]
        for inputs, outputs in ((48, 24), (24, 12)):
            layers += [nn.BatchNorm2d(inputs), nn.GELU()]
            layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
        layers += [nn.BatchNorm2d(12), nn.GELU()]
        layers.append(nn.ConvTranspose2d(12, channels, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """`[B, D]` -> `[B, C, H, W]` in [0, 1]."""
        picture: Tensor = self.layers(z)[:, :, : self.height, : self.width]
        return torch.sigmoid(picture)


def _perceptron(outputs: int, features: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, 256), nn.BatchNorm1d(256), nn.GELU(), nn.Dropout(0.1),
        nn.Linear(256, 256), nn.GELU(), nn.Linear(256, outputs),
    )  # fmt: skip


def _picture_loss(made: Tensor, x: Tensor) -> Tensor:
    return (made - x.float() / 255).square().mean()


def _column_loss(columns: tuple[Column, ...], made: Tensor, x: Tensor) -> Tensor:
    wanted: Tensor = Columns(columns)(x)
    numeric = sum(not column.categories for column in columns)
    loss: Tensor = (made[:, :numeric] - wanted[:, :numeric]).square().sum(1).mean()
    place = numeric
    for column in columns:
        if column.categories:
            part = slice(place, place + len(column.categories) + 1)
            loss = loss + functional.cross_entropy(made[:, part], wanted[:, part])
            place = part.stop
    return loss


def _token_network(prior: NDArray[np.float32], features: int) -> nn.Module:
    """It begins with how frequent each token is."""
    network = _perceptron(len(prior), features)
    last = list(network.modules())[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(prior))
    return network


def _token_loss(made: Tensor, there: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(made, there.float())
