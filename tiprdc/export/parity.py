"""Compares the features of two models on the same real records: torch, ONNX file, variant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from tiprdc.errors import ModelError
from tiprdc.export.onnx_export import BEFORE_NOISE, ExportConfig, rough_extractor
from tiprdc.formats.manifest import Agreement
from tiprdc.models.inputs import FeatureMaker
from tiprdc.runtime.session import open_session

_BATCH = 512

FeatureFunction = Callable[[NDArray[Any]], NDArray[Any]]
"""Records `[B, *shape]` -> features `[B, ...]`."""


def check_parity(
    extractor: FeatureMaker, path: Path, x: NDArray[Any], config: ExportConfig
) -> Agreement:
    """`check_features` of an extractor in torch, in evaluation mode."""
    return check_features(torch_features(extractor), path, x, config)


def check_features(
    reference: FeatureFunction, path: Path, x: NDArray[Any], config: ExportConfig
) -> Agreement:
    """Compare what was trained and an ONNX file on the same real records.

    If noise, levels or codes are applied, the features before them are compared: noise differs by
    design, and a difference of 1e-7 next to a border becomes one of a whole level or code.

    Args:
        reference: What was trained, such as `torch_features` of an extractor.
        path: The ONNX file.
        x: Records `[N, *shape]`, N >= 1.
        config: Tolerance.

    Raises:
        ModelError: They differ by more than the tolerance, or a feature is not finite.
    """
    parity = compare_features(reference, file_features(path), x)
    # Written so that NaN fails too.
    if not parity.max_abs <= config.tolerance:
        raise ModelError(
            str(path), f"differs from torch by {parity.max_abs:.2g}",
            f"at most {config.tolerance:g}",
            "raise export.tolerance only if you decide on the release by the audit of this file",
        )  # fmt: skip
    return parity


def compare_features(
    reference: FeatureFunction, candidate: FeatureFunction, x: NDArray[Any]
) -> Agreement:
    """Compute both features of the same records.

    Args:
        reference, candidate: The two models.
        x: Records `[N, *shape]`, N >= 1.

    Returns:
        Their differences; NaN where a feature is NaN.
    """
    largest, total, count = [0.0], 0.0, 0
    for start in range(0, len(x), _BATCH):
        batch = np.ascontiguousarray(x[start : start + _BATCH])
        difference = np.abs(candidate(batch).astype(np.float64) - reference(batch))
        largest.append(float(difference.max()))
        total, count = total + float(difference.sum()), count + difference.size
    return Agreement(records=len(x), max_abs=float(np.max(largest)), mean_abs=total / count)


def torch_features(extractor: FeatureMaker) -> FeatureFunction:
    """Features of a network in torch, before noise, levels or codes if any."""
    rough = rough_extractor(extractor)
    network = rough.features_before_release if rough else extractor

    def features(x: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            z: NDArray[Any] = network(torch.from_numpy(x)).numpy()
        return z

    return features


def file_features(path: Path) -> FeatureFunction:
    """Features of an ONNX file, before noise, levels or codes if any."""
    model = onnx.load(path, load_external_data=False)
    is_noisy = any(BEFORE_NOISE in node.output for node in model.graph.node)
    if is_noisy:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(BEFORE_NOISE))
    session = open_session(bytes(model.SerializeToString()))
    output = BEFORE_NOISE if is_noisy else "z"

    def features(x: NDArray[Any]) -> NDArray[Any]:
        z: NDArray[Any] = session.run([output], {"x": x})[0]
        return z

    return features
