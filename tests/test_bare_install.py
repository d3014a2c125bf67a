"""What a device has: the wheel and what it demands, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.release_project import Lab
from tests.helpers.wheel import build_wheel
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.runtime.extractor import Extractor

pytestmark = [pytest.mark.repro, pytest.mark.timeout(600)]
OURS = ("PYTHONPATH", "VIRTUAL_ENV")


class Device:
    """A new environment with the bare install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        wheel = build_wheel(folder)
        installed = self.run("python", "-m", "pip", "install", "--quiet", str(wheel))
        if installed.returncode:
            said = (installed.stderr.strip().splitlines() or ["it said nothing"])[-1]
            pytest.skip(f"pip cannot install here (no network?): {said}")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key not in OURS}
        return subprocess.run(
            [str(self.bin / program), *arguments], cwd=self.folder, env=environment,
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return Device(tmp_path_factory.mktemp("device"))


@pytest.fixture(scope="module")
def pulled(released_lab: Lab, device: Device) -> Path:
    """A release, as whoever has [pull] hands it to a device."""
    folder = device.folder / "release"
    pull(str(released_lab.origin), VersionSelector(stage="prod"), folder, None)
    return folder


def test_it_has_what_it_needs_and_no_more(device: Device) -> None:
    listed = json.loads(device.run("python", "-m", "pip", "list", "--format", "json").stdout)
    names = {package["name"].lower() for package in listed}
    assert {"tiprdc", "numpy", "onnxruntime", "pillow"} <= names
    assert not names & {"torch", "ray", "dvc", "gto", "onnx", "scipy", "pandas", "cryptography"}


def test_features_are_made_of_pictures(device: Device, pulled: Path) -> None:
    pictures, rng = device.folder / "pictures", np.random.default_rng(0)
    pictures.mkdir()
    x = rng.integers(256, size=(3, 8, 8, 3), dtype=np.uint8)
    for number, picture in enumerate(x):
        Image.fromarray(picture).save(pictures / f"{number}.png")
    done = device.run("tiprdc", "extract", str(pulled), str(pictures), "-o", "features.npz")
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(device.folder / "features.npz") as found:
        z = found["features"]
    np.testing.assert_array_equal(z, Extractor.load(pulled)(x.transpose(0, 3, 1, 2)))


def test_a_release_is_looked_at_and_held_against_its_statement(
    device: Device, pulled: Path
) -> None:
    done = device.run("tiprdc", "verify", str(pulled), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "PASS"
    assert "avatars" in device.run("tiprdc", "inspect", str(pulled)).stdout
    changed = device.folder / "changed"
    changed.mkdir()
    for file in pulled.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "extractor.onnx").write_bytes(b"x")
    done = device.run("tiprdc", "verify", str(changed))
    assert (done.returncode, done.stdout) == (2, "")
    assert "1 bytes" in done.stderr


def test_what_it_lacks_is_said_with_what_to_install(
    device: Device, pulled: Path, released_lab: Lab
) -> None:
    asked = {
        "tiprdc[pull]": ("pull", str(released_lab.origin), "extractor", "-o", "elsewhere"),
        "tiprdc[verify]": ("verify", str(pulled), "--trust", str(released_lab.trust)),
    }
    for extra, words in asked.items():
        done = device.run("tiprdc", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert f'pip install "{extra}"' in done.stderr
        assert "Traceback" not in done.stderr
    assert not (device.folder / "elsewhere").exists()


def test_this_is_not_our_own_environment(device: Device) -> None:
    """Else none of these tests could fail."""
    said = device.run("python", "-c", "import sys, tiprdc; print(sys.prefix, tiprdc.__file__)")
    assert all(Path(part).is_relative_to(device.folder) for part in said.stdout.split())
    assert sys.prefix not in said.stdout
