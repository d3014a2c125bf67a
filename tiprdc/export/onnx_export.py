"""Exports a torch extractor as one ONNX file: raw records in, features out, same bytes every time.

The graph contains the normalization, so a device feeds the raw uint8 image, the documented column
numbers or the token ids. Paths and stack traces of the build machine are removed: the same
checkpoint gives the same bytes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, ClassVar

import onnx
import torch
from msgspec import Meta
from torch import Tensor, nn

from tiprdc.errors import ConfigError, ModelError, suggestion
from tiprdc.formats.dtypes import RECORD_DTYPES
from tiprdc.formats.manifest import CODE, VARIANTS
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import FeatureMaker, InputSpec
from tiprdc.settings import Settings

BEFORE_NOISE = "exact"
"""Name in the graph of the features before noise, levels or codes, if any are applied."""
_MAX_BATCH = 2**20


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


def export(extractor: FeatureMaker, path: Path, config: ExportConfig) -> None:
    """Write the extractor as one self-contained ONNX file.

    If the extractor applies noise, levels or codes, the graph names the features before them
    (`BEFORE_NOISE`), so that parity can be checked there. Noise is drawn anew at every run: with a
    seed in the file, anybody could subtract it.

    Args:
        extractor: In evaluation mode.
        path: The file to write; its folder is made.
        config: Operator set.

    Raises:
        ModelError: torch exports nothing.
    """
    assert isinstance(extractor, nn.Module)
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    rough = rough_extractor(extractor)
    names = ["z", *_further_outputs(rough)] if rough else ["z"]
    with warnings.catch_warnings():
        # They are advice for developers of torch's exporter; the parity check decides.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _WithFurtherOutputs(rough) if rough else extractor,
            (_example(extractor.spec),),
            dynamo=True,
            input_names=["x"],
            output_names=names,
            dynamic_shapes=({0: batch},),
            opset_version=config.opset,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ModelError(str(path), "torch exported no ONNX program")
    model = program.model_proto
    if BEFORE_NOISE in names:
        del model.graph.output[-1]
    write_model(model, path)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Check a model and write it without the paths and stack traces of the build machine."""
    model = _remove_traces(model)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def features_shape(extractor: FeatureMaker) -> tuple[int, ...]:
    """Shape of one record's features.

    Args:
        extractor: In evaluation mode.
    """
    with torch.inference_mode():
        z: Tensor = extractor(_example(extractor.spec))
    return tuple(z.shape[1:])


def rough_extractor(extractor: object) -> Extractor | None:
    """The extractor if it applies noise, levels or codes, else None."""
    if isinstance(extractor, Extractor) and not extractor.is_smooth:
        return extractor
    return None


class _WithFurtherOutputs(nn.Module):
    """Returns the features that are sent, their codes if any, and the features before both."""

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        z = self.extractor.features_before_release(x)
        released = self.extractor.release(z)
        if self.extractor.codebook is None:
            return released, z
        return released, self.extractor.codebook.number(z), z


def _further_outputs(extractor: Extractor) -> list[str]:
    return [BEFORE_NOISE] if extractor.codebook is None else [CODE, BEFORE_NOISE]


def _example(spec: InputSpec) -> Tensor:
    """Two records of ones."""
    return torch.ones(2, *spec.shape, dtype=getattr(torch, RECORD_DTYPES[spec.modality]))


def _remove_traces(model: onnx.ModelProto) -> onnx.ModelProto:
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
