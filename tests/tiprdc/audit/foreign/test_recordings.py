"""Foreign models of recordings: raw samples, at a rate that somebody states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiprdc.audit.foreign.recordings import recording_adapter, with_format
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.errors import ConfigError, ModelError
from tiprdc.sandbox.model_info import ModelInfo, TensorInfo

REQUEST = AuditRequest(models=(Path("m.onnx"),), data=Path("clips.csv"), private=("sex",))


def info(dtype: str = "float32", shape: tuple[int | None, ...] = (4000,)) -> ModelInfo:
    wave = TensorInfo(name="wave", dtype=dtype, batch=None, shape=shape)
    z = TensorInfo(name="z", dtype="float32", batch=None, shape=(5,))
    return ModelInfo(
        sha256="0" * 64, size=1, opset=20, opset_run=20, nodes=1, parameters=1,
        operators=("MatMul",), inputs=(wave,), outputs=(z,), is_random=False, seeded=False,
    )  # fmt: skip


def test_samples_are_scaled_for_models_of_numbers_with_a_point() -> None:
    x = np.array([[-32768, 0, 16384]], np.int16)
    np.testing.assert_array_equal(recording_adapter(info())(x)["wave"], [[-1, 0, 0.5]])
    np.testing.assert_array_equal(recording_adapter(info("int16"))(x)["wave"], x)


@pytest.mark.parametrize("other", [info("int64"), info(shape=(1, 4000))])
def test_another_input_is_refused(other: ModelInfo) -> None:
    with pytest.raises(ModelError, match="one input, batch x samples"):
        recording_adapter(other)


def test_the_rate_is_asked_for_and_the_duration_is_the_models() -> None:
    with pytest.raises(ConfigError, match="such as --rate 16000"):
        with_format(REQUEST, info(), None)
    stated = with_format(replace(REQUEST, rate=16_000), info(), None)
    assert (stated.rate, stated.duration) == (16_000, 0.25)
    with pytest.raises(ConfigError, match=r"leave it out: the model takes 0\.25 s"):
        with_format(replace(REQUEST, rate=16_000, duration=2.0), info(), None)
    open_model = with_format(replace(REQUEST, rate=8000, duration=2.0), info(shape=(None,)), None)
    assert open_model.duration == 2.0
