"""Hide a private attribute in what a network of torchvision makes of pictures.

    python examples/export_torchvision.py mobilenet_v3_small encoder.onnx \
        --weights mobilenet_v3_small.pth --pixels 64 --resize 224 --licence BSD-3-Clause

writes the network, with the weights of a local file and cut before its classifier, as an encoder
for `tiprdc protect` and `train.encoder.path`. Then, with a row for each picture of faces.csv:

    tiprdc protect encoder.onnx --data faces.csv --private gender --task over_30 -o release

The file takes pictures as they are, uint8 RGB. Normalisation, and enlarging them to the size that
the network was trained on (--resize), are part of it. --node cuts elsewhere: --list prints the
names. A map, or the vectors of a transformer's patches, is averaged to one vector.

To train a network further instead of leaving it as it is, set train.extractor.family and
train.extractor.pretrained in params.yaml.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from tiprdc.models.trunks.pretrained import read_weights
from tiprdc.models.trunks.torchvision_families import IMAGENET_MEAN, IMAGENET_STD

CLASSIFIERS = ("classifier", "fc", "head")
MOST_FEATURES = 4096


class PictureEncoder(nn.Module):
    """Pictures uint8 `[B, 3, H, W]` -> vectors float32 `[B, F]`.

    Args:
        network: torchvision's.
        node: Its operation that gives the features.
        side: Pixels to which pictures are stretched.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, node: str, side: int) -> None:
        super().__init__()
        self.side = side
        self.features = create_feature_extractor(network, {node: "z"})
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        pixels = (x.float() / 255 - self.mean) / self.std
        if x.shape[-1] != self.side:
            pixels = F.interpolate(pixels, (self.side, self.side), mode="bilinear")
        z: Tensor = self.features(pixels)["z"]
        if z.ndim == 4:
            return z.mean((2, 3))
        return z.mean(1) if z.ndim == 3 else z


def build(name: str, weights: Path | None, side: int) -> nn.Module:
    """torchvision's network for pictures of a size; random weights without a file."""
    options = {"image_size": side} if name.startswith("vit_") else {}
    network: nn.Module = get_model(name, **options)
    if weights:
        network.load_state_dict(read_weights(weights))
    return network.eval()


def nodes(network: nn.Module) -> list[str]:
    """Operations before the classifier."""
    names = get_graph_node_names(network)[1]
    return [name for name in names if not name.startswith(CLASSIFIERS)]


def write(encoder: PictureEncoder, path: Path, pixels: int, licence: str) -> int:
    """Write the ONNX file, which takes any number of pictures; returns the width of its vectors."""
    x = torch.zeros(2, 3, pixels, pixels, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder, (x,), path, dynamo=True, external_data=False, verbose=False,
            input_names=["x"], output_names=["z"], opset_version=20,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    if licence:
        model = onnx.load(path)
        onnx.helper.set_model_props(model, {"license": licence})
        onnx.save(model, path)
    with torch.inference_mode():
        return encoder(x).shape[1]


def main(arguments: list[str] | None = None) -> None:
    """Write the file that the arguments name."""
    parser = argparse.ArgumentParser(description="Write a network of torchvision as an encoder.")
    parser.add_argument("network", help="torchvision's name, such as mobilenet_v3_small")
    parser.add_argument("path", type=Path, help="ONNX file to write")
    parser.add_argument("--weights", type=Path, help="local state_dict; none: random weights")
    parser.add_argument("--pixels", type=int, default=64, help="side of the pictures")
    parser.add_argument("--resize", type=int, help="side of the pictures that the network knows")
    parser.add_argument("--node", help="operation that gives the features")
    parser.add_argument("--list", action="store_true", help="print the operations and end")
    parser.add_argument("--licence", default="", help="licence of the weights")
    given = parser.parse_args(arguments)
    side = given.resize or given.pixels
    network = build(given.network, given.weights, side)
    names = nodes(network)
    if given.list:
        print("\n".join(names))
        return
    encoder = PictureEncoder(network, given.node or names[-1], side).eval()
    width = write(encoder, given.path, given.pixels, given.licence)
    print(f"{given.path}: pictures of {given.pixels} x {given.pixels} to {width:,} numbers")
    if width > MOST_FEATURES:
        print(f"tiprdc takes up to {MOST_FEATURES:,}: give an earlier --node, see --list")
    else:
        print(f"tiprdc protect {given.path} --data faces.csv --private gender -o release")


if __name__ == "__main__":
    main()
