"""Load pretrained weights from a local file in torchvision's names.

Nothing is downloaded. The file is the state_dict of torchvision's whole network, or of its first
blocks, as safetensors or as `torch.save` writes it (read with weights_only=True: no code in it
runs). Only the first training step needs it: checkpoints hold the trained weights.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tiprdc.errors import ConfigError
from tiprdc.models.trunks.backbone import Backbone
from tiprdc.models.trunks.torchvision_families import PATCH

_WHERE = "train.extractor.pretrained"
_HEADS = ("classifier.", "fc.", "heads.")
_COUNTER = "num_batches_tracked"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a file by name, on the CPU.

    Raises:
        ConfigError: There is no such file, or it does not hold weights.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(
            _WHERE, f"{path}: no such file", hint="give the path of a local file, or null for none"
        ) from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ConfigError(
            _WHERE, f"{path}: cannot be read ({type(error).__name__})",
            "safetensors, or what torch.save(network.state_dict(), path) writes",
        ) from error  # fmt: skip
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ConfigError(
            _WHERE, f"{path}: a {type(content).__name__}, not tensors by name", "a state_dict",
            "write it with torch.save(network.state_dict(), path)",
        )  # fmt: skip
    return dict(content)


def load_weights(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Set the weights of the layers up to the cut; the linear map after them is unchanged.

    Args:
        backbone: The network to change.
        weights: torchvision's names -> weights, of `read_weights`.

    Raises:
        ConfigError: The weights are of another network; the message names the differences.
    """
    _check(backbone, weights)
    if backbone.family == "vit_b_16":
        from torchvision.models.vision_transformer import interpolate_embeddings

        # Positions of patches were learnt for pictures of 224 pixels.
        weights = interpolate_embeddings(backbone.size[0], PATCH, OrderedDict(weights))
    own = {k: weights[k] for k in backbone.layers.state_dict() if k in weights}
    # Old files lack the counter of batches.
    backbone.layers.load_state_dict(own, strict=False)


def _check(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    # Here, as in `backbone`: torchvision loads torch's compiler.
    from torchvision.models import get_model

    with torch.device("meta"):
        expected = get_model(backbone.family).state_dict()
    needed = set(backbone.layers.state_dict())
    missing = [k for k in expected if k in needed and k not in weights and _COUNTER not in k]
    unknown = [k for k in weights if k not in expected and not k.startswith(_HEADS)]
    shapes = [
        f"{k} {_shape(weights[k])} in place of {_shape(v)}"
        for k, v in expected.items()
        if k in weights and not k.startswith(_HEADS) and weights[k].shape != v.shape
    ]
    groups = [("missing", missing), ("unknown", unknown), ("of another shape", shapes)]
    differences = "; ".join(f"{kind} {_first_names(names)}" for kind, names in groups if names)
    if differences:
        raise ConfigError(
            _WHERE, f"weights of another network: {differences}",
            f"the state_dict of torchvision's {backbone.family}",
            "set train.extractor.family to the network of the file",
        )  # fmt: skip


def _first_names(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
