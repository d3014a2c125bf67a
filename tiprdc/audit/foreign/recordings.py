"""Recordings as a foreign model takes them: raw samples, as they are or within -1 and 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets.recordings import FULL_SCALE
from tiprdc.errors import ConfigError, ModelError
from tiprdc.formats.manifest import Contract
from tiprdc.sandbox.execution import Feed
from tiprdc.sandbox.messages import quote
from tiprdc.sandbox.model_info import ModelInfo


@dataclass(frozen=True, kw_only=True)
class RecordingAdapter:
    """Converts samples int16 `[N, T]` to a model's input.

    Args:
        name, dtype: Of the input; floating-point samples lie within -1 and 1.
    """

    name: str
    dtype: str

    def __call__(self, x: NDArray[Any]) -> Feed:
        """The input for records."""
        if self.dtype == "int16":
            return {self.name: x}
        return {self.name: (x.astype(np.float32) / FULL_SCALE).astype(self.dtype)}

    def notes(self) -> Iterator[str]:
        """The range of the samples."""
        if self.dtype != "int16":
            yield "Samples were given within -1 and 1."


def recording_adapter(model: ModelInfo) -> RecordingAdapter:
    """The adapter of a model of recordings.

    Raises:
        ModelError: It has several inputs, or one that is no row of samples.
    """
    only = model.inputs[0]
    fits = len(model.inputs) == 1 and len(only.shape or ()) == 1
    if not fits or only.dtype not in ("int16", "float16", "float32", "float64"):
        shape = " x ".join("any" if size is None else str(size) for size in only.shape or ())
        raise ModelError(
            "MODEL", f"its input {quote(only.name)} is {only.dtype}, batch x {shape}",
            "one input, batch x samples, int16 or floating-point",
            "export what comes before the model with it, from raw samples on",
        )  # fmt: skip
    return RecordingAdapter(name=only.name, dtype=only.dtype)


def with_format(request: AuditRequest, model: ModelInfo, contract: Contract | None) -> AuditRequest:
    """The request with the rate and the duration that the release or the model states.

    Raises:
        ConfigError: The rate is not known, or the duration is not the model's.
    """
    recording = contract.input.recording if contract else UNSET
    rate = request.rate or (recording.rate if recording is not UNSET else None)
    if rate is None:
        raise ConfigError(
            "--rate", "not given, and the model does not state it", "samples a second",
            "give the rate that the model was trained with, such as --rate 16000",
        )  # fmt: skip
    (samples,) = model.inputs[0].shape or (None,)
    if samples is None:
        return replace(request, rate=rate)
    stated = request.duration
    if stated is not None and round(stated * rate) != samples:
        raise ConfigError(
            "--duration", f"{stated:g} s at {rate:,} samples a second", f"{samples:,} samples",
            f"leave it out: the model takes {samples / rate:g} s",
        )  # fmt: skip
    return replace(request, rate=rate, duration=samples / rate)
