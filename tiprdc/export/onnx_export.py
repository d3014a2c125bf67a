"""torch -> ONNX: one file, raw records in, features out, and the proof that both agree.

The graph holds the normalisation, so a device feeds the raw uint8 picture, the documented column
numbers or the token ids. Everything that a build machine leaves in the file (paths, stack traces)
is taken out: the same checkpoint gives the same bytes.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import onnx
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc import __version__
from tiprdc.errors import ConfigError, ModelError, suggestion
from tiprdc.formats.files import sha256
from tiprdc.formats.manifest import MANIFEST_VERSION, VARIANTS, artifact_of
from tiprdc.models.capacity import attribute_bits, channel_bits
from tiprdc.models.channel import Channel
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import FeatureMaker, InputSpec
from tiprdc.runtime.session import open_session
from tiprdc.settings import Settings

_MOST_RECORDS = 2**20
_EXACT = "exact"
"""Name in the graph of the features before noise and levels, where there are any."""

Features = Callable[[NDArray[Any]], NDArray[Any]]


class ExportConfig(Settings, frozen=True, kw_only=True):
    """The ONNX file and its variants (`export`)."""

    params_key: ClassVar[str] = "export"

    opset: Annotated[int, Meta(ge=18, le=23, description="ONNX operator set.")] = 20
    tolerance: Annotated[
        float,
        Meta(
            ge=1e-9, le=0.1,
            description="Largest absolute difference allowed between torch's features and the "
            "file's.",
        ),
    ] = 1e-4  # fmt: skip
    parity_records: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000,
            description="Real records on which the two are compared; fewer if there are fewer.",
        ),
    ] = 10_000  # fmt: skip
    variants: Annotated[
        tuple[str, ...],
        Meta(
            description="Smaller files beside it, each audited and released on its own: int8, fp16."
        ),
    ] = ()
    variants_tolerance: Annotated[
        float,
        Meta(
            ge=1e-9, le=10,
            description="Mean absolute difference allowed between a variant's features and the "
            "file's; the standard deviation of a feature is 1.",
        ),
    ] = 0.1  # fmt: skip
    calibration_records: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000,
            description="Records of extractor-train that set the ranges of int8; fewer if there "
            "are fewer.",
        ),
    ] = 1024  # fmt: skip

    def _check(self) -> None:
        for name in self.variants:
            if name not in VARIANTS or self.variants.count(name) > 1:
                raise ConfigError(
                    "export.variants", name, f"each of {', '.join(VARIANTS)} at most once",
                    suggestion(name, VARIANTS),
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far a file is from torch, or a variant from the file.

    Args:
        records: Number of real records compared.
        max_abs: Largest absolute difference of a feature.
        mean_abs: Mean absolute difference over records and features.
    """

    records: int
    max_abs: float
    mean_abs: float


def export(extractor: FeatureMaker, path: Path, config: ExportConfig) -> None:
    """Write the extractor as one self-contained ONNX file.

    A release with noise or levels names what comes before them, so that `compare` can look there.
    Noise is drawn anew at every run: a seed in the file would let anybody subtract it.

    Args:
        extractor: In evaluation mode.
        path: Where; its folder is made.
        config: Operator set.
    """
    assert isinstance(extractor, nn.Module)
    batch = torch.export.Dim("batch", min=1, max=_MOST_RECORDS)
    noisy = _noisy(extractor)
    with warnings.catch_warnings():
        # Advice of torch's exporter to its own developers; parity below is what we go by.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Watched(noisy) if noisy else extractor,
            (_example(extractor.spec),),
            dynamo=True,
            input_names=["x"],
            output_names=["z", _EXACT] if noisy else ["z"],
            dynamic_shapes=({0: batch},),
            opset_version=config.opset,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ModelError(str(path), "torch exported nothing", "an ONNX program")
    model = program.model_proto
    del model.graph.output[1:]
    write_model(model, path)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Check a model and write it without what a build machine leaves in it: paths, traces."""
    model = _without_traces(model)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def compare(extractor: FeatureMaker, path: Path, x: NDArray[Any], config: ExportConfig) -> Parity:
    """Run torch and the file on the same real records.

    Where noise or levels follow, what comes before them is compared: noise differs by design, and a
    difference of 1e-7 beside the middle of two levels becomes one of a whole level.

    Args:
        extractor: In evaluation mode.
        path: The ONNX file.
        x: Records `[N, *shape]`, N >= 1.
        config: Tolerance.

    Raises:
        ModelError: They differ by more than the tolerance, or a feature is not finite.
    """
    parity = difference(torch_features(extractor), features_before_noise(path), x)
    # Written so that NaN fails too.
    if not parity.max_abs <= config.tolerance:
        raise ModelError(
            str(path), f"differs from torch by {parity.max_abs:.2g}",
            f"at most {config.tolerance:g}",
            "raise export.tolerance only if the audit of this file is what you release by",
        )  # fmt: skip
    return parity


def difference(wanted: Features, found: Features, x: NDArray[Any]) -> Parity:
    """Run both on the same records.

    Args:
        wanted, found: Records `[B, *shape]` -> features `[B, ...]`.
        x: Records `[N, *shape]`, N >= 1.

    Returns:
        What they differ by; NaN where a feature is.
    """
    worst, total, numbers = [0.0], 0.0, 0
    for start in range(0, len(x), 512):
        part = np.ascontiguousarray(x[start : start + 512])
        apart = np.abs(found(part).astype(np.float64) - wanted(part))
        worst.append(float(apart.max()))
        total, numbers = total + float(apart.sum()), numbers + apart.size
    return Parity(records=len(x), max_abs=float(np.max(worst)), mean_abs=total / numbers)


def torch_features(extractor: FeatureMaker) -> Features:
    """The network's features before noise and levels, where it has any."""
    noisy = _noisy(extractor)
    network = noisy.features_before_noise if noisy else extractor

    def features(x: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            z: NDArray[Any] = network(torch.from_numpy(x)).numpy()
        return z

    return features


def features_before_noise(path: Path) -> Features:
    """A file's features before noise and levels, where it has any."""
    model = onnx.load(path, load_external_data=False)
    noisy = any(_EXACT in node.output for node in model.graph.node)
    if noisy:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_EXACT))
    session = open_session(bytes(model.SerializeToString()))
    output = _EXACT if noisy else "z"

    def features(x: NDArray[Any]) -> NDArray[Any]:
        z: NDArray[Any] = session.run([output], {"x": x})[0]
        return z

    return features


def features_shape(extractor: FeatureMaker) -> tuple[int, ...]:
    """Shape of one record's features.

    Args:
        extractor: In evaluation mode.
    """
    with torch.inference_mode():
        z: Tensor = extractor(_example(extractor.spec))
    return tuple(z.shape[1:])


def _example(spec: InputSpec) -> Tensor:
    """Two records of ones."""
    dtype = {"image": torch.uint8, "table": torch.float32, "text": torch.int32}
    return torch.ones(2, *spec.shape, dtype=dtype[spec.modality])


def _noisy(extractor: object) -> Extractor | None:
    """An extractor that sends through noise or levels; torch and file differ after them."""
    if isinstance(extractor, Extractor) and not extractor.channel.is_deterministic:
        return extractor
    return None


class _Watched(nn.Module):
    """What is sent, and the features that it is made from."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.extractor.features_before_noise(x)
        return self.extractor.channel(z), z


def write_manifest(
    path: Path,
    extractor: FeatureMaker,
    parity: Parity,
    config: ExportConfig,
    *,
    files: Mapping[str, Path],
    private: Mapping[str, int],
    dataset: str,
    data_digest: str,
    notes: tuple[str, ...] = (),
    variant: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe a release so that a device can feed it and anybody can check its bytes.

    Args:
        path: Where `manifest.json` goes.
        extractor: What was exported.
        parity: Result of `compare`.
        config: As exported.
        files: Name in the release -> file.
        private: Attributes that it was trained to hide -> number of classes.
        dataset: Name of the training data.
        data_digest: sha256 of the shards.
        notes: What a user should know.
        variant: Of a variant: its `name`, the sha256 that it was made `of`, and how far it is from
            that.
    """
    spec, shape = extractor.spec, features_shape(extractor)
    sent = extractor.channel if isinstance(extractor, Extractor) else Channel(0.0, 0.0, 0)
    document = {
        "manifest_version": MANIFEST_VERSION,
        "name": artifact_of(variant["name"] if variant else None),
        "tiprdc_version": __version__,
        "private": list(private),
        "input": {
            "name": "x",
            "modality": spec.modality,
            "dtype": {"image": "uint8", "table": "float32", "text": "int32"}[spec.modality],
            "shape": ["batch", *spec.shape],
            "columns": [asdict(column) for column in spec.columns],
            "vocabulary_size": spec.vocabulary_size,
        },
        "output": {
            "name": "z",
            "dtype": "float32",
            "shape": ["batch", *shape],
            "clip": sent.clip,
            "noise": sent.noise,
            "bits": sent.bits,
        },
        "most_bits": {
            "record": channel_bits(math.prod(shape), sent.clip, sent.noise, sent.bits),
            "private": {name: attribute_bits(classes) for name, classes in private.items()},
        },
        "opset": config.opset,
        "parity": asdict(parity),
        "training_data": {"dataset": dataset, "digest": data_digest},
        "files": {
            name: {"sha256": sha256(file), "bytes": file.stat().st_size}
            for name, file in sorted(files.items())
        },
        "notes": list(notes),
        "variant": dict(variant) if variant else None,
    }
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    return document


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    model.producer_version = ""
    graphs = [model.graph, *model.functions]
    del model.metadata_props[:]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        value.doc_string = ""
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    return model
