"""Start from weights that somebody trained on other pictures: a local file, in torchvision's names.

Nothing is downloaded. The file is the state_dict of torchvision's whole network, or of its first
blocks, as safetensors or as `torch.save` writes it (read with weights_only=True: no code in it is
run). Only the first training step needs it: checkpoints hold the weights that came of it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import resnet18, vgg16_bn

from tiprdc.errors import ConfigError
from tiprdc.models.backbone import Backbone, BackboneFamily

_WHERE = "train.extractor.pretrained"
_WHOLE: dict[BackboneFamily, Callable[[], nn.Module]] = {
    "vgg16_bn": vgg16_bn,
    "resnet18": resnet18,
}
_HEADS = ("classifier.", "fc.")
_COUNTER = "num_batches_tracked"


def read(path: Path) -> dict[str, Tensor]:
    """The weights of a file by name, on the CPU.

    Raises:
        ConfigError: There is no such file, or it holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(
            _WHERE, f"{path}: no such file", "the path of a local file", "null does without"
        ) from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ConfigError(
            _WHERE, f"{path}: cannot be read ({type(error).__name__})",
            "weights alone, as safetensors or as torch.save(network.state_dict(), path) writes",
        ) from error  # fmt: skip
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise ConfigError(
            _WHERE, f"{path}: a {type(found).__name__}, not tensors by name", "a state_dict",
            "write it with torch.save(network.state_dict(), path)",
        )  # fmt: skip
    return dict(found)


def start_from(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Give the layers up to the cut these weights; the linear map after them stays as it is.

    Args:
        backbone: The network to change.
        weights: torchvision's names -> weights, of `read`.

    Raises:
        ConfigError: They are another network's; the message names what differs.
    """
    _check(backbone, weights)
    prefix = backbone.prefix
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    # Files older than the counter of batches lack it, and later blocks are not wanted.
    backbone.layers.load_state_dict(own, strict=False)


def _check(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    with torch.device("meta"):
        whole = _WHOLE[backbone.family]().state_dict()
    needed = {backbone.prefix + name for name in backbone.layers.state_dict()}
    missing = [k for k in whole if k in needed and k not in weights and _COUNTER not in k]
    unknown = [k for k in weights if k not in whole and not k.startswith(_HEADS)]
    shapes = [
        f"{k} {_shape(weights[k])} in place of {_shape(v)}"
        for k, v in whole.items()
        if k in weights and not k.startswith(_HEADS) and weights[k].shape != v.shape
    ]
    differs = [("lacks", missing), ("has besides", unknown), ("has of another shape", shapes)]
    said = "; ".join(f"{what} {_some(names)}" for what, names in differs if names)
    if said:
        raise ConfigError(
            _WHERE, f"weights of another network: {said}",
            f"the state_dict of torchvision's {backbone.family}",
            "set train.extractor.family to the network that the file is of",
        )  # fmt: skip


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
