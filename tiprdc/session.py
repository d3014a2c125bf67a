"""An ONNX file in onnxruntime, opened everywhere alike."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort


def open_session(model: Path | bytes) -> ort.InferenceSession:
    """The file in onnxruntime, on one thread, so that the same input gives the same bits."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
