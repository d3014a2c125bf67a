"""Networks of attacks are trained where the process has a GPU, and end on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.helpers.fake_gpu import GPU, fake_gpu
from tiprdc.attacks.base import Attack
from tiprdc.attacks.families import decoder, torch_attack
from tiprdc.attacks.families.cnn import CnnAttack
from tiprdc.attacks.families.mlp import MlpAttack
from tiprdc.datasets.schema import Column

RNG = np.random.default_rng(0)
U = np.arange(64) % 2
Z = RNG.normal(size=(64, 6)).astype(np.float32)
PICTURES = RNG.integers(0, 255, (64, 3, 16, 16)).astype(np.uint8)
TEXTS = RNG.integers(0, 9, (64, 5)).astype(np.int32)
COLUMNS = (
    Column(name="age", categories=(), mean=0.0, std=1.0),
    Column(name="job", categories=("a", "b"), mean=0.0, std=1.0),
)
TABLE = np.stack([RNG.normal(size=64), RNG.integers(0, 2, 64)], axis=1).astype(np.float32)
CLASSIFIERS: dict[str, tuple[Attack, np.ndarray[Any, Any]]] = {
    "cnn on pictures": (CnnAttack(), PICTURES), "cnn on features": (CnnAttack(), Z),
    "mlp": (MlpAttack(), Z),
}  # fmt: skip
DECODERS: dict[str, Callable[[], Any]] = {
    "pictures": lambda: decoder.fit_picture_decoder((Z, PICTURES), (Z, PICTURES), 0),
    "columns": lambda: decoder.fit_column_decoder((Z, TABLE), (Z, TABLE), COLUMNS, 0),
    "tokens": lambda: decoder.fit_token_decoder((Z, TEXTS), (Z, TEXTS), 0),
    "numbers": lambda: decoder.fit_number_decoder((Z, Z), (Z, Z), 0),
}


def one_batch(trained: list[torch.device]) -> Callable[..., float]:
    """In place of all passes: the losses of a batch and of the holdout, which fakes can compute."""

    def train(
        network: nn.Module, rows: torch.Tensor, batch_loss: Any, holdout_loss: Any, **_: Any
    ) -> float:
        trained.append(next(network.parameters()).device)
        assert batch_loss(rows[:16]).device == GPU
        holdout_loss()
        return 0.0

    return train


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Where networks were trained."""
    devices: list[torch.device] = []
    for module in (torch_attack, decoder):
        monkeypatch.setattr(module, "attack_device", lambda: GPU)
        monkeypatch.setattr(module, "train_best_pass", one_batch(devices))
    # A loss of fakes has no value.
    monkeypatch.setattr(torch.Tensor, "__float__", lambda _: 0.0)
    monkeypatch.setattr(torch.Tensor, "numpy", lambda t: np.full(t.shape, 0.5))
    return devices


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_attacker_is_trained_on_the_gpu(trained: list[torch.device], name: str) -> None:
    attack, z = CLASSIFIERS[name]
    with fake_gpu():
        attacker: Any = attack.fit(z, U, 2, 0, 1)
        assert {p.device.type for p in attacker.network.parameters()} == {"cpu"}
    assert set(trained) == {GPU}


@pytest.mark.parametrize("name", DECODERS)
def test_decoder_is_trained_on_the_gpu(trained: list[torch.device], name: str) -> None:
    with fake_gpu():
        fitted = DECODERS[name]()
        assert {p.device.type for p in fitted.network.parameters()} == {"cpu"}
    assert set(trained) == {GPU}


def test_operation_on_two_devices_fails_as_on_a_gpu() -> None:
    with fake_gpu(), pytest.raises(RuntimeError, match="device"):
        torch.ones(2).to(GPU) + torch.ones(2)
