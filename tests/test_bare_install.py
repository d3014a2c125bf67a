"""The bare install on a device: the wheel and its dependencies in a new environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from benchmarks.collector.server import running
from tests.helpers.pictures import save_picture
from tests.helpers.release_project import Lab
from tests.helpers.wheel import build_wheel
from tiprdc.collect.database import opened
from tiprdc.collect.store import Store
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import accepted_release
from tiprdc.registry.pull import VersionSelector, pull, verify
from tiprdc.runtime.extractor import Extractor

pytestmark = [pytest.mark.repro, pytest.mark.timeout(600)]
EXCLUDED = ("PYTHONPATH", "VIRTUAL_ENV")


class Device:
    """A new environment with the bare install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        wheel = build_wheel(folder)
        install = self.run("python", "-m", "pip", "install", "--quiet", str(wheel))
        if install.returncode:
            reason = (install.stderr.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"pip cannot install here (no network?): {reason}")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key not in EXCLUDED}
        return subprocess.run(
            [str(self.bin / program), *arguments], cwd=self.folder, env=environment,
            capture_output=True, text=True, timeout=500,
        )  # fmt: skip


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return Device(tmp_path_factory.mktemp("device"))


@pytest.fixture(scope="module")
def pulled(released_lab: Lab, device: Device) -> Path:
    """A release that was pulled on a machine with the extra `pull`."""
    folder = device.folder / "release"
    pull(str(released_lab.origin), VersionSelector(stage="prod"), folder, None)
    return folder


def test_install_has_the_base_packages_alone(device: Device) -> None:
    listed = json.loads(device.run("python", "-m", "pip", "list", "--format", "json").stdout)
    names = {package["name"].lower() for package in listed}
    assert {"tiprdc", "numpy", "onnxruntime", "pillow"} <= names
    assert not names & {"torch", "ray", "dvc", "gto", "onnx", "scipy", "pandas", "cryptography"}


def test_images_give_features(device: Device, pulled: Path) -> None:
    pictures, rng = device.folder / "pictures", np.random.default_rng(0)
    pictures.mkdir()
    x = rng.integers(256, size=(3, 8, 8, 3), dtype=np.uint8)
    for number, picture in enumerate(x):
        Image.fromarray(picture).save(pictures / f"{number}.png")
    process = device.run("tiprdc", "extract", str(pulled), str(pictures), "-o", "features.npz")
    assert (process.returncode, process.stderr) == (0, "")
    with np.load(device.folder / "features.npz") as arrays:
        z = arrays["features"]
    np.testing.assert_array_equal(z, Extractor.load(pulled)(x.transpose(0, 3, 1, 2)))


def test_features_are_sent_to_a_collector_and_deleted(
    device: Device, pulled: Path, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'features.db'}"
    accepted = accepted_release(verify(pulled, None).release)
    with opened(database) as engine:
        (device.folder / "token").write_text(Tokens(engine).issue("a device"))
        document = msgspec.json.encode(accepted).decode()
        with running(database, tmp_path / "log", "--release", document) as url:
            (device.folder / "sent").mkdir()
            save_picture(device.folder / "sent" / "a.png")
            to = ("--token-file", "token", "--state", "state")
            words = ("extract", str(pulled), "sent", "-o", "sent.npz", "--send", url, *to)
            process = device.run("tiprdc", *words)
            assert (process.returncode, process.stderr) == (0, "")
            assert Store(engine).counts() == (1, 1)
            assert device.run("tiprdc", "forget", url, *to).returncode == 0
            assert Store(engine).counts() == (0, 0)


def test_release_is_verified_and_inspected(device: Device, pulled: Path) -> None:
    process = device.run("tiprdc", "verify", str(pulled), "--json")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["verdict"] == "PASS"
    assert "avatars" in device.run("tiprdc", "inspect", str(pulled)).stdout
    changed = device.folder / "changed"
    changed.mkdir()
    for file in pulled.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "extractor.onnx").write_bytes(b"x")
    process = device.run("tiprdc", "verify", str(changed))
    assert (process.returncode, process.stdout) == (2, "")
    assert "1 bytes" in process.stderr


def test_missing_extra_is_refused_with_the_install_command(
    device: Device, pulled: Path, released_lab: Lab
) -> None:
    commands = {
        "tiprdc[pull]": ("pull", str(released_lab.origin), "extractor", "-o", "elsewhere"),
        "tiprdc[collect]": ("collect", str(pulled), "--database", "sqlite:///f.db"),
        "tiprdc[verify]": ("verify", str(pulled), "--trust", str(released_lab.trust)),
    }
    for extra, words in commands.items():
        process = device.run("tiprdc", *words)
        assert (process.returncode, process.stdout) == (2, "")
        assert f'pip install "{extra}"' in process.stderr
        assert "Traceback" not in process.stderr
    assert not (device.folder / "elsewhere").exists()


def test_environment_is_not_the_one_of_the_tests(device: Device) -> None:
    """Without this the tests above could not fail."""
    reason = device.run("python", "-c", "import sys, tiprdc; print(sys.prefix, tiprdc.__file__)")
    assert all(Path(part).is_relative_to(device.folder) for part in reason.stdout.split())
    assert sys.prefix not in reason.stdout
