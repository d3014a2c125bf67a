"""What a checkpoint trained: an extractor, and the frozen encoder before it if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from msgspec.structs import replace
from numpy.typing import NDArray

from tiprdc.encoders.composition import join, operator_set
from tiprdc.encoders.encoder import Encoder, stored_encoder
from tiprdc.export.onnx_export import ExportConfig, write_model
from tiprdc.export.parity import torch_features
from tiprdc.models.extractor import Extractor
from tiprdc.training.checkpoint import load_extractor, told_tasks

_MOST_ENCODED = 1024
"""Records on which a file with an encoder is compared: the encoder runs twice on each."""


@dataclass(frozen=True)
class Trained:
    """An extractor that was trained.

    Args:
        extractor: In evaluation mode.
        encoder: Makes the vectors that it reads from records; None: it reads records.
        told: Tasks whose labels training used.
    """

    extractor: Extractor
    encoder: Encoder | None
    told: tuple[str, ...]

    def features(self, x: NDArray[Any]) -> NDArray[Any]:
        """Features `[B, D]` of raw records, before noise, levels or codes if any."""
        return torch_features(self.extractor)(self.encoder.features(x) if self.encoder else x)

    def export_config(self, config: ExportConfig) -> ExportConfig:
        """The settings with an operator set that is not below the encoder's."""
        if self.encoder is None:
            return config
        return replace(config, opset=max(config.opset, self.encoder.info.opset))

    def parity_records(self, config: ExportConfig) -> int:
        """Records on which the file is compared with this."""
        return min(config.parity_records, _MOST_ENCODED) if self.encoder else config.parity_records

    @property
    def licence_text(self) -> str:
        """Text of the encoder's licence; empty if there is none."""
        return self.encoder.document.licence_text if self.encoder else ""

    def notes(self) -> Iterator[str]:
        """What users of the file must know."""
        if self.encoder:
            yield from self.encoder.document.notes()


def load_trained(folder: Path) -> Trained:
    """What is in a checkpoint.

    Raises:
        ModelError: It is incomplete or damaged.
    """
    return Trained(load_extractor(folder), stored_encoder(folder), told_tasks(folder))


def join_encoder(encoder: Encoder, path: Path, shape: tuple[int, ...]) -> None:
    """Put the encoder before the extractor in an exported file.

    Args:
        encoder: Of the same checkpoint.
        path: The extractor's file, which is replaced.
        shape: Of one record.

    Raises:
        ModelError: onnx cannot join them.
    """
    head, model = onnx.load(path), onnx.load(encoder.path)
    assert operator_set(head) >= encoder.info.opset
    write_model(join(model, encoder.document, head, shape), path)
