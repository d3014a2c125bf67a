"""Which version a collector takes, and that a deprecation in the registry is noticed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipelines.release import lifecycle
from tests.helpers.pulled_release import write_pulled
from tests.helpers.release_project import Lab
from tiprdc.collect.release_source import keep_fresh, open_source
from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.feature_batch import AcceptedRelease
from tiprdc.formats.manifest import read_contract
from tiprdc.registry.signing import generate, read_trust


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


def test_deprecation_is_noticed_and_the_last_reading_stays(lab: Lab, tmp_path: Path) -> None:
    trusted = read_trust(lab.trust)
    release, watch = open_source("extractor@v0.1.0", str(lab.origin), trusted, tmp_path)
    assert (release.name, release.features) == ("extractor@v0.1.0", (192,))
    assert watch
    watch.refresh()
    assert watch.blocked_reason() == ""
    lifecycle.deprecate(lab.project, "v0.1.0", "it leaks", True)
    assert watch.blocked_reason() == ""
    watch.refresh()
    assert watch.blocked_reason() == "was deprecated: it leaks"
    lab.origin.rename(tmp_path / "away")
    failed, stop = threading.Event(), threading.Event()
    thread = keep_fresh(watch, 0.01, failed.set, stop)
    assert failed.wait(60)
    stop.set()
    thread.join(60)
    assert watch.blocked_reason() == "was deprecated: it leaks"
    # A collector that starts now can still delete.
    (tmp_path / "away").rename(lab.origin)
    (tmp_path / "again").mkdir()
    _, again = open_source("extractor@v0.1.0", str(lab.origin), None, tmp_path / "again")
    assert again
    assert again.blocked_reason() == "was deprecated: it leaks"


def test_signature_is_checked(lab: Lab, tmp_path: Path) -> None:
    generate("somebody else", tmp_path / "other.pem", tmp_path / "other.json")
    other = read_trust(tmp_path / "other.json")
    with pytest.raises(ReleaseError, match="sign"):
        open_source("extractor@v0.1.0", str(lab.origin), other, tmp_path)


def test_pulled_folder_is_accepted_only_whole(tmp_path: Path) -> None:
    folder = write_pulled(tmp_path / "release", tmp_path / "work")
    release, watch = open_source(str(folder), None, None, tmp_path)
    contract = read_contract(folder / "manifest.json")
    expected = AcceptedRelease(
        artifact="extractor", version="v1.0.0", model_sha256=contract.model_sha256,
        output=contract.output,
    )  # fmt: skip
    assert (release, watch) == (expected, None)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ReleaseError, match="do not use it"):
        open_source(str(folder), None, None, tmp_path)


@pytest.mark.parametrize(
    ("source", "message"), [("extractor@v1.0.0", "--repo"), ("../extractor", "no such folder")]
)
def test_other_sources_are_refused(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        open_source(source, None, None, tmp_path)
