"""The audit's decoder of pictures as an ONNX file: features in, the rebuilt picture out.

An audit keeps no weights. So the decoder is fitted again, as the audit fits it: on the records of
attacker-train, selected on attacker-select.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.attacks.families.decoder import Decoder
from tiprdc.attacks.measures.reconstruction import fit_decoder
from tiprdc.audit.tasks import MAX_DECODED
from tiprdc.datasets.schema import Records, read_schema, read_split
from tiprdc.errors import DataError, ModelError
from tiprdc.export.onnx_export import write_model
from tiprdc.runtime.extractor import Extractor

_BATCH = 256
_OPSET = 20


def write_decoder(shards: Path, release: Path, path: Path) -> None:
    """Fit a decoder of a release's features on the attackers' records, and export it.

    Args:
        shards: Folder of `prepare`, which the release was trained on.
        release: Folder of the release.
        path: File to write: input `z` `[B, *features]`, output `picture` `[B, C, H, W]` in [0, 1].

    Raises:
        DataError: The shards are damaged, others than the release's, or hold no pictures.
    """
    schema, extractor = read_schema(shards), Extractor.load(release)
    if schema.modality != "image":
        given = f"records of kind {schema.modality}"
        raise DataError("--records", given, "pictures: a page shows no other reconstruction")
    if schema.digest != extractor.contract.data_digest:
        raise DataError(
            "--records", "other records than the release was trained on",
            hint="artifacts/shards of the project that released it, or shards in the private folder"
            " of `tiprdc protect`",
        )  # fmt: skip
    fit = read_split(shards, schema, "attacker-train", fewest=MAX_DECODED)
    select = read_split(shards, schema, "attacker-select")
    pairs = [_pairs(extractor, records) for records in (fit, select)]
    export_decoder(fit_decoder(schema, pairs[0], pairs[1]), extractor.contract.features, path)


def export_decoder(decoder: Decoder, features: tuple[int, ...], path: Path) -> None:
    """Write a decoder of pictures as ONNX.

    Args:
        decoder: Fitted.
        features: Shape of one record's features.
        path: File to write.
    """
    with warnings.catch_warnings():
        # They are advice for developers of torch's exporter.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Whole(decoder).eval(), (torch.zeros(2, *features),), dynamo=True, verbose=False,
            input_names=["z"], output_names=["picture"], opset_version=_OPSET,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=2**20)},),
            external_data=False,
        )  # fmt: skip
    if program is None:
        raise ModelError(str(path), "torch exported no ONNX program")
    write_model(program.model_proto, path)


class _Whole(nn.Module):
    """The decoder's scaling and network in one module."""

    mean: Tensor
    std: Tensor
    axes: Tensor

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        scaling = decoder.scaling
        assert scaling.axes is not None
        for name, value in (("mean", scaling.mean), ("std", scaling.std), ("axes", scaling.axes)):
            self.register_buffer(name, torch.from_numpy(value))
        self.network = decoder.network

    def forward(self, z: Tensor) -> Tensor:
        picture: Tensor = self.network(((z.flatten(1) - self.mean) / self.std) @ self.axes)
        return picture


def _pairs(extractor: Extractor, records: Records) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Features and pictures of the first `MAX_DECODED` records."""
    x = records.x[:MAX_DECODED]
    z = [extractor.run(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH)]
    return np.concatenate(z), x
