"""The trunks that trials share: trained once, their features of everybody cached in storage.

Trials that differ in the head and its noise alone have the same trunk. With its features a trial
costs seconds.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from safetensors.torch import load, save
from torch import Tensor

from pipelines.training.storage import Storage
from tiprdc.training.config import TrainConfig
from tiprdc.training.head.trunk_features import TrunkFeatures


class SharedTrunk(NamedTuple):
    """What is behind a trunk, by which a head is trained and attacked.

    Args:
        z0, known, record: Of extractor-train, as `trunk_features` gives them.
        attack, select: Features of attacker-train and attacker-select `[N, D]`.
    """

    z0: Tensor
    known: Tensor
    record: Tensor
    attack: Tensor
    select: Tensor

    @property
    def train(self) -> TrunkFeatures:
        """Everybody in extractor-train."""
        return TrunkFeatures(self.z0, self.known, self.record)

    @property
    def attackers(self) -> tuple[Tensor, Tensor]:
        """Features of attacker-train and of attacker-select."""
        return self.attack, self.select


class Trunks:
    """Trunks in a folder of storage, one file each, named after its settings.

    Args:
        root: Of the storage.
        name: Folder, which changes with the records and the code.
    """

    def __init__(self, root: str, name: str) -> None:
        self.root, self.name = root, name

    def get(self, settings: TrainConfig, fit: Callable[[], SharedTrunk]) -> SharedTrunk:
        """The trunk of these settings.

        Args:
            settings: Of `trunk_config`.
            fit: Trains it if it is not there. Two trials that miss it at the same time both train
                it, to the same end.

        Raises:
            OSError: Storage is full or does not answer.
        """
        text = json.dumps(msgspec.to_builtins(settings), sort_keys=True)
        file = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
        storage = Storage(self.root)
        if file not in storage.files(self.name):
            storage.write(self.name, file, save(fit()._asdict()))
        return _read(self.root, self.name, file)


@functools.lru_cache(maxsize=1)
def _read(root: str, name: str, file: str) -> SharedTrunk:
    """Read a file once: a worker runs one trial after another."""
    return SharedTrunk(**load(Storage(root).read(name, file)))
