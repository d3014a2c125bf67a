"""Reconstruction: a decoder z -> x, trained on attacker-train, and how near it comes to the record.

Pictures are compared by PSNR and SSIM, columns by explained variance and recognised categories;
each beside what the mean record (or the most frequent category) gets, which needs no features.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
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

EPOCHS = 5
"""Passes over attacker-train; the best one on attacker-select is kept."""
FEWEST_STEPS = 100
"""More passes where people are few."""
MOST_SCORED = 500
"""Records of attacker-test on which reconstructions are scored."""
BATCH = 128
MS_SSIM_PIXELS = 176
"""Sixteen times its window of 11."""


class Decoder:
    """A trained decoder behind the scaling of its features."""

    def __init__(self, scaling: Scaling, network: nn.Module) -> None:
        self.scaling, self.network = scaling, network

    @torch.no_grad()
    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        """`[N, D]` -> pictures in [0, 1] `[N, C, H, W]`, or numbers and logits `[N, W]`."""
        self.network.eval()
        parts = torch.split(torch.from_numpy(self.scaling(z)), 512)
        return np.asarray(torch.cat([self.network(part) for part in parts]).numpy())


def fit_picture_decoder(
    train: tuple[NDArray[Any], NDArray[np.uint8]],
    select: tuple[NDArray[Any], NDArray[np.uint8]],
    seed: int,
) -> Decoder:
    """Learn pictures `[N, C, H, W]` uint8 from features `[N, D]`, by least squares.

    Args:
        train, select: Features and records of attacker-train and attacker-select.
        seed: The same seed gives the same decoder.
    """
    scaling = whiten(train[0], seed)
    network = partial(_Painter, train[1].shape[1:])
    return Decoder(scaling, _train(network, scaling, train, select, _picture_loss, seed))


def fit_column_decoder(
    train: tuple[NDArray[Any], NDArray[np.float32]],
    select: tuple[NDArray[Any], NDArray[np.float32]],
    columns: tuple[Column, ...],
    seed: int,
) -> Decoder:
    """Learn columns `[N, F]` from features `[N, D]`: numbers by squares, categories by entropy.

    Args:
        columns: What the F columns are.
        train, select, seed: As for pictures.
    """
    scaling = whiten(train[0], seed)
    loss = partial(_column_loss, columns)
    network = partial(_perceptron, Columns(columns).width)
    return Decoder(scaling, _train(network, scaling, train, select, loss, seed))


def picture_scores(made: NDArray[np.float32], x: NDArray[np.uint8]) -> dict[str, float]:
    """PSNR in dB (mean over pictures), mean SSIM and MS-SSIM of pictures `[N, C, H, W]` in [0, 1].

    MS-SSIM takes pictures of at least `MS_SSIM_PIXELS`: on smaller ones its fifth scale is smaller
    than its window, and it is left out.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004); Wang et al., "Multiscale structural similarity" (2003).
    """
    # Here, since it takes seconds to import and only the audit of pictures needs it.
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    a, b = torch.tensor(made), torch.tensor(x).float() / 255
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(a, b, data_range=1.0)
    assert isinstance(ssim, Tensor)
    # Equal pictures have no noise and no finite ratio; 100 dB stands for that.
    scores = {"psnr": float(psnr.clamp(max=100).mean()), "ssim": float(ssim)}
    if min(x.shape[2:]) >= MS_SSIM_PIXELS:
        scores["ms_ssim"] = float(
            multiscale_structural_similarity_index_measure(a, b, data_range=1.0)
        )
    return scores


def column_scores(
    made: NDArray[np.float32], x: NDArray[np.float32], columns: tuple[Column, ...]
) -> dict[str, float]:
    """`r2`: mean explained variance of numeric columns; `accuracy`: mean over categorical ones.

    Each column is also there by its name. A constant column cannot be explained and is left out.
    """
    scores: dict[str, dict[str, float]] = {"r2": {}, "accuracy": {}}
    place = 0
    for i, column in _decoded(columns):
        if column.categories:
            width = len(column.categories) + 1
            decided = np.argmax(made[:, place : place + width], axis=1)
            scores["accuracy"][column.name] = float(np.mean(decided == _category(x[:, i], column)))
            place += width
            continue
        truth = _standard(x[:, i], column)
        if truth.std() > 1e-6:
            explained = 1 - np.mean((made[:, place] - truth) ** 2) / truth.var()
            scores["r2"][column.name] = float(explained)
        place += 1
    means = {kind: float(np.mean(list(of.values()))) for kind, of in scores.items() if of}
    return {**{name: value for of in scores.values() for name, value in of.items()}, **means}


def mean_picture(x: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """What can be said without features: attacker-train's mean picture, `count` times."""
    mean = x.mean(axis=0, dtype=np.float64) / 255
    return np.broadcast_to(mean.astype(np.float32), (count, *mean.shape)).copy()


def mean_columns(
    x: NDArray[np.float32], columns: tuple[Column, ...], count: int
) -> NDArray[np.float32]:
    """The same for a table: means, and the shares of each category, as a decoder gives them."""
    with torch.no_grad():
        mean = Columns(columns)(torch.tensor(x)).mean(0).numpy()
    return np.broadcast_to(mean, (count, len(mean))).copy()


def _train(
    make: Any,
    scaling: Scaling,
    train: tuple[NDArray[Any], NDArray[Any]],
    select: tuple[NDArray[Any], NDArray[Any]],
    loss_of: Any,
    seed: int,
) -> nn.Module:
    z, x = torch.from_numpy(scaling(train[0])), torch.tensor(train[1])
    z_held, x_held = torch.from_numpy(scaling(select[0])), torch.tensor(select[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = make(z.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
        steps = -(-len(z) // BATCH)
        epochs = max(EPOCHS, -(-FEWEST_STEPS // steps))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, 4e-3, epochs=epochs, steps_per_epoch=steps
        )
        best, weights = np.inf, copy.deepcopy(network.state_dict())
        for _ in range(epochs):
            network.train()
            for rows in torch.randperm(len(z)).tensor_split(steps):
                loss = loss_of(network(z[rows]), x[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            network.eval()
            with torch.no_grad():
                held = float(loss_of(network(z_held), x_held))
            if held < best:
                best, weights = held, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return network


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


def _decoded(columns: tuple[Column, ...]) -> list[tuple[int, Column]]:
    """Place in the record and column, in the order in which `Columns` lays them out."""
    numbered = list(enumerate(columns))
    return sorted(numbered, key=lambda pair: bool(pair[1].categories))


def _standard(values: NDArray[np.float32], column: Column) -> NDArray[np.float64]:
    scaled = (values.astype(np.float64) - column.mean) / (column.std or 1.0)
    return np.asarray(np.clip(scaled, -10, 10))


def _category(values: NDArray[np.float32], column: Column) -> NDArray[np.int64]:
    return np.clip(np.rint(values).astype(np.int64), 0, len(column.categories))
