"""An ONNX file in onnxruntime, opened everywhere alike, and nothing of it told to anybody.

Since 1.29 onnxruntime's own builds send telemetry unless they are told not to: names and hashes of
models, how often they run, and an id of the device that they keep in a file
(https://github.com/microsoft/onnxruntime/pull/27379). A device that hides an attribute must not do
that. The variable must be set before the first import; so this is the one file that imports it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

# Where somebody else imported it first: what can still be stopped is stopped.
ort.disable_telemetry_events()


def open_session(
    model: Path | bytes, *, threads: int = 1, careful: bool = False
) -> ort.InferenceSession:
    """The file in onnxruntime; on one thread the same input gives the same bits.

    Args:
        model: Path, or the bytes of a file that was checked already.
        threads: Cores that one batch may use, at least 1.
        careful: For a file from a stranger: no rewriting of the graph beyond the basic, and not a
            word on standard error.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if careful else 3
    # Its own format is guessed from the first bytes otherwise, and is read by another parser.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if careful:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def seed_noise(seed: int) -> None:
    """Start onnxruntime's generator of this process anew, for figures that can be had again."""
    ort.set_seed(seed)


def quantiser() -> Any:
    """onnxruntime's own `quantization`.

    It imports onnx and opens sessions: here, so that those are silent too, and only when asked, so
    that a device needs no onnx.
    """
    from onnxruntime import quantization

    return quantization
