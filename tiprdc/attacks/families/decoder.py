"""Decoders: networks trained on pairs (z, x) of attacker-train to reconstruct records.

They need no labels, and each record gives as many targets as it has numbers. So a decoder learns
from features where a classifier, with one bit a person, does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tiprdc.attacks.best_pass import train_best_pass
from tiprdc.attacks.device import attack_device
from tiprdc.attacks.scaling import Scaling, whiten
from tiprdc.datasets.schema import Column
from tiprdc.models.inputs import Columns
from tiprdc.models.seeds import seeded

Pairs = tuple[NDArray[Any], NDArray[Any]]
"""Features `[N, D]` and the targets to decode from them `[N, ...]`."""
PICTURE_EPOCHS, EPOCHS = 5, 15
"""Passes of a picture decoder and of any other; the best pass on held-out pairs is kept."""
MIN_STEPS = 20
"""Fewest steps of a pass on average: with few people, more passes are made."""
BATCH = 128
MOST_TOKENS = 2000
"""Most tokens that a text decoder predicts: the most frequent ones of attacker-train."""


class Decoder:
    """A trained decoder and the scaling of its features.

    Args:
        tokens: For text, the token ids `[V]` of its outputs.
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
    train: Pairs, holdout: Pairs, seed: int, epochs: int = PICTURE_EPOCHS
) -> Decoder:
    """Learn pictures `[N, C, H, W]` uint8 from features `[N, D]`, by least squares.

    Args:
        train: Pairs of attacker-train.
        holdout: Other pairs, which select the pass.
        seed: The same seed gives the same decoder.
        epochs: Passes.
    """
    network = partial(_PictureDecoder, train[1].shape[1:])
    return _fit(network, train, holdout, _picture_loss, seed, epochs)


def fit_column_decoder(
    train: Pairs, holdout: Pairs, columns: tuple[Column, ...], seed: int
) -> Decoder:
    """Learn columns `[N, F]` from features `[N, D]`: squared error and cross-entropy.

    Args:
        columns: Descriptions of the F columns.
        train, holdout, seed: As for pictures.
    """
    encoder = Columns(columns)
    network = partial(_perceptron, encoder.width)
    return _fit(network, train, holdout, partial(_column_loss, columns, encoder), seed)


def fit_number_decoder(train: Pairs, holdout: Pairs, seed: int) -> Decoder:
    """Learn numbers `[N, F]` from features `[N, D]` by least squares; arguments as for pictures."""
    return _fit(partial(_perceptron, train[1].shape[1]), train, holdout, functional.mse_loss, seed)


def fit_token_decoder(train: Pairs, holdout: Pairs, seed: int) -> Decoder:
    """Learn which tokens occur in a text, ids `[N, T]`, from features `[N, D]`: a logit a token.

    Args:
        train, holdout, seed: As for pictures.
    """
    tokens = frequent_tokens(train[1], MOST_TOKENS)
    fit_pairs, select_pairs = ((z, token_presence(ids, tokens)) for z, ids in (train, holdout))
    network = partial(_token_network, token_log_odds(fit_pairs[1]))
    return _fit(network, fit_pairs, select_pairs, _token_loss, seed, tokens=tokens)


def frequent_tokens(ids: NDArray[Any], most: int) -> NDArray[np.int64]:
    """The most frequent token ids `[<= most]` of `[N, T]`, without padding (0)."""
    count = np.bincount(ids[ids > 0].ravel().astype(np.int64), minlength=2)
    order = np.argsort(-count, kind="stable")[:most]
    return np.asarray(order[count[order] > 0], dtype=np.int64)


def token_presence(ids: NDArray[Any], tokens: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Whether each token occurs in each text: ids `[N, T]` -> 0 or 1 `[N, V]`."""
    column = np.full(max(int(ids.max(initial=0)), int(tokens.max(initial=0))) + 1, len(tokens))
    column[tokens] = np.arange(len(tokens))
    present = np.zeros((len(ids), len(tokens) + 1), np.uint8)
    present[np.arange(len(ids))[:, None], column[ids]] = 1
    return present[:, :-1]


def token_log_odds(present: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Log odds `[V]` of each token, from presence `[N, V]`: the best logits without features."""
    share = (present.sum(0, dtype=np.float64) + 0.5) / (len(present) + 1)
    return np.asarray(np.log(share / (1 - share)), dtype=np.float32)


def _fit(
    build: Callable[[int], nn.Module],
    train: Pairs,
    holdout: Pairs,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    seed: int,
    epochs: int = EPOCHS,
    tokens: NDArray[np.int64] | None = None,
) -> Decoder:
    scaling, device = whiten(train[0], seed), attack_device()
    z, x = (
        part.to(device) for part in (torch.from_numpy(scaling(train[0])), torch.tensor(train[1]))
    )
    held_out = torch.from_numpy(scaling(holdout[0])), torch.tensor(holdout[1])
    steps = -(-len(z) // BATCH)

    def batch_loss(batch: Tensor) -> Tensor:
        rows = batch.to(device)
        return loss_of(network(z[rows]), x[rows])

    with seeded(seed, device):
        # Built on the CPU: the first weights are the same on every device.
        network = build(z.shape[1]).to(device)
        train_best_pass(
            network, torch.arange(len(z)), batch_loss,
            lambda: _mean_loss(network, held_out, loss_of, device),
            passes=max(epochs, -(-MIN_STEPS * epochs // steps)), steps=steps, learning_rate=4e-3,
        )  # fmt: skip
    # Whoever decodes with it may have no GPU.
    network.to("cpu")
    return Decoder(scaling, network, tokens)


@torch.no_grad()
def _mean_loss(
    network: nn.Module,
    holdout: tuple[Tensor, Tensor],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    device: torch.device,
) -> float:
    network.eval()
    parts = zip(*(torch.split(each, 512) for each in holdout), strict=True)
    losses = (float(loss_of(network(z.to(device)), x.to(device))) * len(z) for z, x in parts)
    return sum(losses) / len(holdout[0])


class _PictureDecoder(nn.Module):
    """Three upsamplings by 2, from a map of an eighth of the picture's size."""

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


def _picture_loss(decoded: Tensor, x: Tensor) -> Tensor:
    return (decoded - x.float() / 255).square().mean()


def _column_loss(
    columns: tuple[Column, ...], encoder: Columns, decoded: Tensor, x: Tensor
) -> Tensor:
    target: Tensor = encoder.to(x.device)(x)
    numeric = sum(not column.categories for column in columns)
    loss: Tensor = (decoded[:, :numeric] - target[:, :numeric]).square().sum(1).mean()
    start = numeric
    for column in columns:
        if column.categories:
            part = slice(start, start + len(column.categories) + 1)
            loss = loss + functional.cross_entropy(decoded[:, part], target[:, part])
            start = part.stop
    return loss


def _token_network(prior: NDArray[np.float32], features: int) -> nn.Module:
    """A perceptron whose output starts at the token frequencies."""
    network = _perceptron(len(prior), features)
    last = list(network.modules())[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(prior))
    return network


def _token_loss(decoded: Tensor, present: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(decoded, present.float())
