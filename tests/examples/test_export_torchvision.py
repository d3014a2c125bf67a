"""examples/export_torchvision.py writes encoders that the sandbox takes, equal to torchvision's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torchvision.models import get_model

from examples.export_torchvision import PictureEncoder, build, main
from tests.helpers.shards import make_shards
from tiprdc.datasets.schema import read_split
from tiprdc.encoders.encoder import open_encoder
from tiprdc.errors import ConfigError
from tiprdc.models.trunks.torchvision_families import BackboneFamily
from tiprdc.training.encoder_config import EncoderConfig

PIXELS = 16


def write(tmp_path: Path, network: str, *options: str) -> Path:
    path = tmp_path / "encoder.onnx"
    main([network, str(path), "--pixels", str(PIXELS), *options])
    return path


def test_encoder_gives_what_torchvision_gives_with_local_weights(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = get_model("mobilenet_v3_small").eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    encoder = PictureEncoder(
        build("mobilenet_v3_small", tmp_path / "w.pth", PIXELS), "features.1", PIXELS
    )
    x = torch.randint(256, (3, 3, PIXELS, PIXELS), dtype=torch.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        z = network.features[:2]((x / 255 - mean) / std).mean((2, 3))  # type: ignore[index, operator]
        torch.testing.assert_close(encoder.eval()(x), z)


@pytest.mark.slow
@pytest.mark.parametrize("family", get_args(BackboneFamily))
def test_every_family_becomes_an_encoder_with_a_licence_that_the_sandbox_runs(
    tmp_path: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    node = ["--node", "features"] if family == "vgg16_bn" else []
    path = write(tmp_path, family, "--resize", "32", "--licence", "BSD", *node)
    assert f"tiprdc protect {path} --data faces.csv" in capsys.readouterr().out
    schema = make_shards(tmp_path / "shards", "image", people=60)
    encoder = open_encoder(EncoderConfig(path=str(path)), schema)
    assert encoder.document.licence == "BSD"
    z = encoder.features(read_split(tmp_path / "shards", schema, "attacker-test").x)
    assert z.shape[1] in range(512, 1281)
    assert z.std(0).max() > 0


def test_operations_are_listed_without_the_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    main(["resnet18", "-", "--list"])
    names = capsys.readouterr().out.split()
    assert "layer2.0.add" in names
    assert names[-1] == "flatten"


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    arguments: Any = ("resnet18", "--weights", str(tmp_path / "none.pth"))
    with pytest.raises(ConfigError, match=r"none\.pth: no such file"):
        write(tmp_path, *arguments)
