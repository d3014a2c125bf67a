"""Residual perceptron that predicts the private attribute, the record and every label it knows.

A label teaches one bit a person, a record many numbers. What helps to predict the record and the
other labels helps to predict the private attribute, so the network learns more from each person
than one that is told the private attribute alone. Its cost grows linearly with the people. Raw
pictures pass through a few convolutions first.

Where a release has noise, an attacker runs the extractor on own people as often as it likes, and
learns from each draw: what is left of a person behind many draws is what noise does not hide.

Source: Caruana, "Multitask Learning" (1997); He et al. (2016) for residual blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from tiprdc.attacks.base import (
    Attacker,
    Kind,
    TargetsAttack,
    TrainingSet,
    class_frequencies,
    inner_holdout,
    kind_of,
)
from tiprdc.attacks.best_pass import train_best_pass
from tiprdc.attacks.calibration import fit_temperature
from tiprdc.attacks.device import attack_device, mixed_precision
from tiprdc.attacks.families.decoder import frequent_tokens, token_presence
from tiprdc.attacks.scaling import Scaling, standardise, whiten
from tiprdc.models.seeds import seeded

WIDTH, BLOCKS, EXPANSION = 192, 3, 2
MAX_BATCH, MIN_PASSES, MAX_PASSES = 512, 5, 24
MAX_PICTURE_BATCH, MIN_PICTURE_PASSES, CHANNELS = 256, 2, (16, 32, 64)
STEPS, STEPS_OF_MANY = 400, 2500
"""Steps of a training on few people, and on so many that a batch is full, about. What is spread
thin takes many steps: a network overlooks it at first, and then reads it."""
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 0.02
OTHER_LABELS = 0.2
"""Weight of each label that is not a target."""
HOLDOUT, MAX_HOLDOUT = 0.15, 6000
"""Share of the people, and most people, that select the pass."""
SAMPLE = 16_384
"""Most records that fit the scaling."""
PICTURE_SIDE, MAX_TOKENS = 8, 512
"""Records are predicted as pictures of this side, or as the presence of so many tokens."""
BLOCK_ROWS = 8192


class ResidualAttack(TargetsAttack):
    """One network for all targets; with records it reconstructs them as well."""

    name = "residual"
    kinds = frozenset[Kind]({"flat", "picture"})
    random = True
    uses_gpu = True
    joint = True
    redraws = True

    def fit_targets(
        self, data: TrainingSet, targets: tuple[str, ...], seed: int, budget: int
    ) -> dict[str, Attacker]:
        rng = np.random.default_rng(seed)
        scaling = None
        if kind_of(data.z) != "picture":
            scaling = whiten(data.z[np.sort(rng.permutation(len(data))[:SAMPLE])], seed)
        names = (*targets, *(name for name in data.labels if name not in targets))
        heads = {name: data.classes[name] for name in names}
        frequencies = {n: class_frequencies(data.labels[n], k) for n, k in heads.items()}
        record = _record_targets(data.x)
        with seeded(seed, attack_device()):
            one = _inputs(scaling, data.z[:1])[0]
            network = ResidualNetwork(tuple(one.shape), heads, record.shape[1])
            temperatures = _train(network, scaling, data, targets, frequencies, record, seed)
        return {
            name: ResidualAttacker(frequencies[name], scaling, network, name, temperature)
            for name, temperature in temperatures.items()
        }

    def predict_targets(
        self, attackers: Mapping[str, Attacker], z: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        of_fit = {n: a for n, a in attackers.items() if isinstance(a, ResidualAttacker)}
        first = next(iter(of_fit.values()))
        logits = _logits(first.network, _inputs(first.scaling, z))
        return {name: a.balanced(logits[a.name]) for name, a in of_fit.items()}


class ResidualNetwork(nn.Module):
    """A residual perceptron with one head a label, and one for the record.

    Args:
        shape: Of one input: columns (P,), or a picture (C, H, W).
        heads: Label -> K.
        record: Numbers of a record; 0: there are no records.
    """

    def __init__(self, shape: tuple[int, ...], heads: Mapping[str, int], record: int) -> None:
        super().__init__()
        stem = [nn.Linear(shape[0], WIDTH)] if len(shape) == 1 else _picture_stem(shape[0])
        self.body = nn.Sequential(*stem, *(_Block() for _ in range(BLOCKS)), nn.LayerNorm(WIDTH))
        self.sizes = (*heads.values(), record)
        self.names = tuple(heads)
        self.head = nn.Linear(WIDTH, sum(self.sizes))

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """`[B, P]`, or pictures `[B, C, H, W]` uint8 -> logits `[B, K]` of each label.

        The record `[B, R]` has the name "".
        """
        if inputs.dtype == torch.uint8:
            inputs = (inputs.float() - 127.5) / 64
        with mixed_precision(inputs.device):
            out = self.head(self.body(inputs))
        return dict(zip((*self.names, ""), out.float().split(self.sizes, dim=1), strict=True))


def _picture_stem(channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in CHANNELS:
        convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return [*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, WIDTH)]


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, EXPANSION * WIDTH), nn.GELU(),
            nn.Linear(EXPANSION * WIDTH, WIDTH),
        )  # fmt: skip

    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)  # type: ignore[no-any-return]  # torch leaves it untyped


class ResidualAttacker(Attacker):
    """One head of a fitted network, with the temperature of its logits."""

    def __init__(
        self,
        frequencies: NDArray[np.float64],
        scaling: Scaling | None,
        network: ResidualNetwork,
        name: str,
        temperature: float,
    ) -> None:
        super().__init__(frequencies)
        self.scaling, self.network, self.name = scaling, network, name
        self.temperature = temperature

    def balanced(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]` under equal class priors, which the network is trained for."""
        return np.asarray(softmax(logits / self.temperature, axis=1))

    def posterior(self, z: NDArray[Any]) -> NDArray[np.float64]:
        """p(u | z) `[N, K]`."""
        logits = _logits(self.network, _inputs(self.scaling, z))[self.name]
        weighted = self.balanced(logits) * self.frequencies
        return np.asarray(weighted / weighted.sum(1, keepdims=True))


def _train(
    network: ResidualNetwork,
    scaling: Scaling | None,
    data: TrainingSet,
    targets: tuple[str, ...],
    frequencies: Mapping[str, NDArray[np.float64]],
    record: NDArray[np.float32],
    seed: int,
) -> dict[str, float]:
    """Train in place; end with the weights of the pass that did best on the holdout.

    Passes are compared at the temperature that fits each of them.

    Returns:
        The temperature of each target's logits.
    """
    rng, device = np.random.default_rng(seed), attack_device()
    share = min(HOLDOUT, MAX_HOLDOUT / len(data))
    inside, outside = inner_holdout(data.labels[targets[0]], share, rng)
    draws = [data.z] if data.draws is None else [data.z, *data.draws]
    inputs = torch.cat([_inputs(scaling, z) for z in draws]).to(device)
    # Copies, since Ray's arrays are read-only.
    truth = {name: torch.tensor(data.labels[name], device=device) for name in network.names}
    weights = {
        name: torch.tensor(1 / (len(f) * f), dtype=torch.float32, device=device)
        for name, f in frequencies.items()
    }
    records = torch.tensor(record, device=device)
    network.to(device)

    def batch_loss(batch: Tensor) -> Tensor:
        drawn = batch.to(device)
        out, rows = network(inputs[drawn]), drawn % len(data)
        loss = torch.zeros((), device=device)
        for name in network.names:
            weight = 1.0 if name in targets else OTHER_LABELS
            loss = loss + weight * functional.cross_entropy(
                out[name], truth[name][rows], weights[name]
            )
        if records.shape[1]:
            loss = loss + functional.mse_loss(out[""], records[rows])
        return loss

    held_out = inputs[torch.from_numpy(outside)]

    def fits() -> dict[str, tuple[float, float]]:
        logits = _logits(network, held_out)
        return {n: fit_temperature(logits[n], data.labels[n][outside]) for n in targets}

    def holdout_loss() -> float:
        return sum(loss for _, loss in fits().values())

    most, passes = (MAX_BATCH, MIN_PASSES) if scaling else (MAX_PICTURE_BATCH, MIN_PICTURE_PASSES)
    batch = int(np.clip(len(inside) // 32, 16, most))
    rows = np.concatenate([inside + first for first in range(0, len(inputs), len(data))])
    steps = -(-len(rows) // batch)
    total = STEPS_OF_MANY if scaling and batch == MAX_BATCH else STEPS
    train_best_pass(
        network, torch.from_numpy(rows), batch_loss, holdout_loss, steps=steps,
        passes=int(np.clip(total // steps, passes, MAX_PASSES)),
        learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, warmup=0.15,
    )  # fmt: skip
    temperatures = {name: temperature for name, (temperature, _) in fits().items()}
    network.to("cpu")
    return temperatures


def _inputs(scaling: Scaling | None, z: NDArray[Any]) -> Tensor:
    """The network's input: scaled columns; pictures as they are."""
    if scaling is None:
        return torch.tensor(z)
    blocks = np.array_split(z, max(1, -(-len(z) // BLOCK_ROWS)))
    return torch.from_numpy(np.concatenate([scaling(block) for block in blocks]))


@torch.no_grad()
def _logits(network: ResidualNetwork, inputs: Tensor) -> dict[str, NDArray[np.float64]]:
    """Logits `[N, K]` of each label, from `_inputs`."""
    was_on = next(network.parameters()).device
    device = attack_device()
    network.eval().to(device)
    parts = [network(part.to(device)) for part in torch.split(inputs, 2048)]
    network.to(was_on)
    return {
        name: torch.cat([part[name] for part in parts]).double().cpu().numpy()
        for name in network.names
    }


def _record_targets(x: NDArray[Any] | None) -> NDArray[np.float32]:
    """Standardised numbers of each record `[N, R]`; no columns without records."""
    if x is None:
        return np.zeros((0, 0), np.float32)
    if kind_of(x) == "text":
        numbers = token_presence(x, frequent_tokens(x, MAX_TOKENS)).astype(np.float32)
    elif kind_of(x) == "picture":
        side = tuple(min(PICTURE_SIDE, length) for length in x.shape[2:])
        blocks = np.array_split(x, max(1, -(-len(x) // BLOCK_ROWS)))
        numbers = np.concatenate(
            [
                functional.adaptive_avg_pool2d(torch.tensor(block).float(), side).flatten(1).numpy()
                for block in blocks
            ]
        )
    else:
        numbers = x
    return np.clip(standardise(numbers)(numbers), -5, 5)
