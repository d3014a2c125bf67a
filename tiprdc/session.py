"""An ONNX file in onnxruntime, opened everywhere alike."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort


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
