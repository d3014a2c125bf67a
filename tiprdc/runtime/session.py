"""Opens ONNX files in onnxruntime with the same options everywhere and without telemetry.

Since 1.29 onnxruntime's own builds send telemetry unless it is disabled: names and hashes of
models, how often they run, and an id of the device that they keep in a file
(https://github.com/microsoft/onnxruntime/pull/27379). A device that hides an attribute must not do
that. The variable must be set before the first import, so only this file imports onnxruntime.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

# If another package imported it first, this still stops what can be stopped.
ort.disable_telemetry_events()


def open_session(
    model: Path | bytes, *, threads: int = 1, untrusted: bool = False
) -> ort.InferenceSession:
    """Open an ONNX file; on one thread the same input gives the same bits.

    Args:
        model: Path, or the bytes of a file that was checked already.
        threads: Cores that one batch may use, at least 1.
        untrusted: For a file from an untrusted source: only basic rewriting of the graph, and
            nothing on standard error.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if untrusted else 3
    # Otherwise onnxruntime's own format is guessed from the first bytes and read by another parser.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if untrusted:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def seed_noise(seed: int) -> None:
    """Seed onnxruntime's random generator of this process, for reproducible figures."""
    ort.set_seed(seed)


def quantization_tools() -> Any:
    """onnxruntime's module `quantization`.

    It imports onnx and opens sessions. It is imported here so that those are silent too, and only
    on call, so that a device needs no onnx.
    """
    from onnxruntime import quantization

    return quantization
