"""torchvision's networks with a cut: shapes, export, pretrained weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import (
    get_model,
    mobilenet_v3_large,
    resnet18,
    resnet34,
    vgg13_bn,
    vgg16,
    vgg16_bn,
)
from torchvision.models.vision_transformer import interpolate_embeddings

from tiprdc.datasets.schema import Records
from tiprdc.errors import ConfigError
from tiprdc.export.onnx_export import ExportConfig, export
from tiprdc.export.parity import check_parity
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import build_networks
from tiprdc.models.trunks.backbone import Backbone
from tiprdc.models.trunks.pretrained import load_weights, read_weights
from tiprdc.models.trunks.torchvision_families import FAMILIES, BackboneFamily, vgg16_bn_blocks
from tiprdc.sandbox import runner
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

ENDS: list[Any] = [
    pytest.param(family, cut, marks=[pytest.mark.slow] if cut == 12 else [])
    for family in FAMILIES
    for cut in FAMILIES[family].cuts
]
EXPORTS = [
    ("vgg16_bn", 2),
    ("resnet18", 0),
    *(
        pytest.param(family, cut, marks=pytest.mark.slow)
        for family, cut in [
            ("resnet18", 3), ("mobilenet_v3_small", 2), ("mobilenet_v3_large", 3),
            ("efficientnet_b0", 2), ("convnext_tiny", 1), ("vit_b_16", 1),
        ]
    ),
]  # fmt: skip
SPEC = InputSpec(modality="image", shape=(3, 33, 46))
SQUARE = InputSpec(modality="image", shape=(3, 32, 32))
PRIVATE = {"secret": 2}


def _pictures(count: int, spec: InputSpec = SPEC) -> Tensor:
    return torch.randint(256, (count, *spec.shape), dtype=torch.uint8)


def _config(family: BackboneFamily, cut: int, pretrained: Path | None = None) -> ExtractorConfig:
    path = str(pretrained) if pretrained else None
    return ExtractorConfig(family=family, cut=cut, features=5, pretrained=path)


def _random_weights(network: nn.Module) -> dict[str, Tensor]:
    """A state_dict in which no layer has its initial values."""
    torch.manual_seed(7)
    return {
        k: torch.rand_like(v) + 0.5 if v.is_floating_point() else v
        for k, v in network.state_dict().items()
    }


def _spec(family: BackboneFamily) -> InputSpec:
    return SQUARE if family == "vit_b_16" else SPEC


@pytest.mark.parametrize(("family", "cut"), ENDS)
def test_first_and_last_cut_give_critic_and_extractor_what_they_read(
    family: BackboneFamily, cut: int
) -> None:
    torch.manual_seed(0)
    spec = _spec(family)
    networks = build_networks(_config(family, cut), spec, PRIVATE, 1)
    x, u = _pictures(4, spec), torch.eye(2)[torch.tensor([0, 1, 1, 0])]
    z = networks.extractor(x)
    assert z.shape == (4, 5)
    assert networks.critic(x, z, u, 2) <= 0


@pytest.mark.parametrize(
    ("family", "cut", "part"),
    [
        ("vgg16_bn", 2, lambda n: n.features[:14]),
        ("resnet18", 0, lambda n: nn.Sequential(n.conv1, n.bn1, n.relu, n.maxpool)),
        ("resnet18", 2, lambda n: nn.Sequential(*list(n.children())[:6])),
        ("mobilenet_v3_small", 5, lambda n: n.features),
        ("mobilenet_v3_large", 3, lambda n: n.features[:7]),
        ("efficientnet_b0", 5, lambda n: n.features),
        ("convnext_tiny", 2, lambda n: n.features[:4]),
    ],
)
def test_network_up_to_a_cut_equals_torchvisions(
    family: BackboneFamily, cut: int, part: Callable[[Any], nn.Module]
) -> None:
    torch.manual_seed(0)
    whole = get_model(family).eval()
    backbone = Backbone(family, cut, (64, 64), 5).eval()
    load_weights(backbone, whole.state_dict())
    x = torch.randn(2, 3, 64, 64)
    _, last = backbone.maps(x)
    torch.testing.assert_close(last, part(whole)(x))


@pytest.mark.slow
def test_vit_equals_torchvisions_with_positions_of_smaller_pictures() -> None:
    torch.manual_seed(0)
    weights = get_model("vit_b_16").state_dict()
    backbone = Backbone("vit_b_16", 2, (32, 32), 5).eval()
    load_weights(backbone, weights)
    smaller = get_model("vit_b_16", image_size=32).eval()
    smaller.load_state_dict(interpolate_embeddings(32, 16, weights))
    x = torch.randn(2, 3, 32, 32)
    tokens = torch.cat([smaller.class_token.expand(2, 1, -1), smaller._process_input(x)], 1)
    expected = smaller.encoder.layers[:2](tokens + smaller.encoder.pos_embedding)
    local, last = backbone.maps(x)
    torch.testing.assert_close(last.flatten(2).mT, expected[:, 1:])
    torch.testing.assert_close(local, smaller.conv_proj(x))


@pytest.mark.parametrize(("shape", "better"), [((32, 48), 32), ((40, 40), 32), ((60, 60), 64)])
def test_vit_refuses_pictures_that_patches_do_not_fill(shape: Any, better: int) -> None:
    with pytest.raises(ConfigError, match=f"vit_b_16 for.*(.|\n)*pictures of {better} pixels"):
        Backbone("vit_b_16", 1, shape, 5)


def test_pictures_are_normalised_as_by_torchvision() -> None:
    backbone, x = Backbone("resnet18", 0, (32, 32), 5), _pictures(2)
    raw = (x.float() - 127.5) / 64
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    expected = (x.float() / 255 - mean) / std
    torch.testing.assert_close(raw * backbone.scale + backbone.shift, expected)


def test_blocks_concatenate_to_the_whole_network() -> None:
    sizes = [[m.out_channels for m in vgg16_bn_blocks(a, b) if isinstance(m, nn.Conv2d)]
             for a, b in ((1, 2), (3, 5), (1, 5))]  # fmt: skip
    assert sizes[0] + sizes[1] == sizes[2]


@pytest.mark.parametrize(("family", "cut"), EXPORTS)
def test_exported_file_agrees_with_torch(tmp_path: Path, family: BackboneFamily, cut: int) -> None:
    torch.manual_seed(0)
    spec = _spec(family)
    extractor = Extractor(_config(family, cut), spec)
    for _ in range(3):
        extractor(_pictures(32, spec))
    extractor.eval()
    path = tmp_path / "extractor.onnx"
    export(extractor, path, ExportConfig())
    x = _pictures(9, spec).numpy()
    assert check_parity(extractor, path, x, ExportConfig()).max_abs <= 1e-4
    assert runner.validate(path).operators


@pytest.mark.parametrize(("family", "cut", "least"), [("vgg16_bn", 4, 16), ("convnext_tiny", 2, 8)])
def test_too_small_picture_is_refused_with_the_allowed_size(
    family: BackboneFamily, cut: int, least: int
) -> None:
    with pytest.raises(
        ConfigError, match=f"{cut} blocks for pictures of {least - 1} x 40"
    ) as raised:
        Backbone(family, cut, (least - 1, 40), 5)
    assert f"at least {least} pixels a side" in str(raised.value)
    x = torch.randn(2, 3, least, 40)
    assert Backbone(family, cut, (least, 40), 5)(x).global_.shape == (2, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "vgg16_bn", "cut": 0}, r"train.extractor.cut: 0\n  expected: 1 to 5"),
        ({"family": "resnet18", "cut": 5}, r"train.extractor.cut: 5\n  expected: 0 to 4"),
        ({"family": "cnn", "pretrained": "w.pt"}, "a file for family cnn"),
    ],
)
def test_unsupported_cut_or_pretrained_file_is_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtractorConfig(**settings)  # type: ignore[arg-type]  # invalid on purpose


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_extractor_and_critic_load_the_pretrained_file(tmp_path: Path, suffix: str) -> None:
    weights = _random_weights(resnet18(num_classes=3))
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(weights, path)
    else:
        save_file(weights, path)
    networks = build_networks(_config("resnet18", 1, path), SPEC, PRIVATE, 0)
    for network in (networks.extractor, networks.critic):
        for name, value in network.trunk.layers.state_dict().items():  # type: ignore[union-attr]
            torch.testing.assert_close(value, weights[name])


def test_old_file_without_batch_counters_is_accepted() -> None:
    weights = {k: v for k, v in _random_weights(vgg16_bn()).items() if not k.endswith("tracked")}
    backbone = Backbone("vgg16_bn", 1, (32, 32), 5)
    load_weights(backbone, weights)
    assert torch.equal(
        backbone.layers.state_dict()["features.0.weight"], weights["features.0.weight"]
    )


@pytest.mark.parametrize(
    ("family", "other", "message"),
    [
        ("resnet18", resnet34, r"unknown layer1\.2\.conv1\.weight, .* and \d+ more"),
        ("vgg16_bn", vgg16, r"missing features\.1\.weight"),
        (
            "vgg16_bn",
            vgg13_bn,
            r"of another shape features\.21\.weight 512x256x3x3 in",
        ),
        ("mobilenet_v3_small", mobilenet_v3_large, r"of another shape features\.2\.block"),
        ("vgg16_bn", resnet18, r"missing features\.0\.weight, .*unknown conv1\.weight"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(
    family: BackboneFamily, other: object, message: str
) -> None:
    with torch.device("meta"):
        weights = other().state_dict()  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message):
        load_weights(Backbone(family, 2, (32, 32), 5), weights)


def test_file_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_weights(tmp_path / "nowhere.pt")
    for name in ("text.pt", "text.safetensors"):
        (tmp_path / name).write_text("not weights")
        with pytest.raises(ConfigError, match="cannot be read"):
            read_weights(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ConfigError, match="a list, not tensors by name"):
        read_weights(tmp_path / "list.pt")
    torch.save(resnet18(), tmp_path / "module.pt")
    with pytest.raises(ConfigError, match=r"cannot be read \(UnpicklingError\)"):
        read_weights(tmp_path / "module.pt")


def test_resuming_needs_no_pretrained_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(_random_weights(resnet18()), path)
    records = Records(
        x=_pictures(16).numpy(),
        labels={"secret": np.arange(16) % 2},
        person=np.array([str(n) for n in range(16)]),
    )

    def trainer(resuming: bool) -> Trainer:
        return Trainer(
            ObjectiveConfig(memory=16),
            _config("resnet18", 0, path),
            ScheduleConfig(batch=8, epochs=2),
            SPEC,
            PRIVATE,
            seed=0,
            resuming=resuming,
        )

    first = trainer(resuming=False)
    first.train_epoch(records)
    checkpoint.save(first, tmp_path / "ck")
    path.unlink()
    resumed = trainer(resuming=True)
    checkpoint.load(resumed, tmp_path / "ck")
    assert (resumed.features(records) == first.features(records)).all()
    extractor = checkpoint.load_extractor(tmp_path / "ck")
    with torch.inference_mode():
        z = extractor(torch.from_numpy(records.x)).numpy()
    # Not bit for bit: weights in another memory layout are summed in another order.
    np.testing.assert_allclose(z, first.features(records), atol=1e-4)
    assert str(tmp_path) not in (tmp_path / "ck" / "checkpoint.json").read_text()
    with pytest.raises(ConfigError, match="no such file"):
        trainer(resuming=False)
