"""The site of `tiprdc web`: its files, its policy, and what it refuses; without a browser."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.pulled_release import write_pulled
from tests.tiprdc.cli.test_main import run
from tiprdc.attacks.families.decoder import fit_picture_decoder
from tiprdc.errors import ConfigError, DataError, ReleaseError
from tiprdc.formats.audit_report import read_audit
from tiprdc.reports.verdict_wording import headline
from tiprdc.runtime.session import open_session
from tiprdc.web.decoder import export_decoder
from tiprdc.web.site import SiteRequest, write_site

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SiteRequest:
    """A site of a pulled release; the page is the source of examples/web."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "page").mkdir()
    shutil.copy(ROOT / "examples" / "web" / "index.html", folder / "page")
    release = write_pulled(folder / "release", folder / "work")
    return SiteRequest(release=release, page=folder / "page", out=folder / "site")


def test_site_holds_the_release_and_the_words_of_the_report(
    site: SiteRequest, tmp_path: Path
) -> None:
    write_site(replace(site, out=tmp_path / "site"))
    release = tmp_path / "site" / "release"
    for name in ("extractor.onnx", "manifest.json", "audit.json"):
        assert (release / name).read_bytes() == (site.release / name).read_bytes()
    page = json.loads((release / "page.json").read_text())
    assert (page["artifact"], page["version"]) == ("extractor", "v1.0.0")
    assert page["promise"] == f"{headline(read_audit(release / 'audit.json'))}."
    assert page["promise"][:-1] in (release / "report.html").read_text()
    assert (page["collector"], page["decoder"]) == ("", False)


@pytest.mark.parametrize(
    ("collector", "allowed"),
    [
        ("", "'self'"),
        ("https://collector.example:8443/path", "'self' https://collector.example:8443"),
        ("http://127.0.0.1:8080", "'self' http://127.0.0.1:8080"),
    ],
)
def test_page_may_connect_to_itself_and_the_collector_alone(
    collector: str, allowed: str, site: SiteRequest, tmp_path: Path
) -> None:
    write_site(replace(site, out=tmp_path / "site", collector=collector))
    html = (tmp_path / "site" / "index.html").read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules.pop("connect-src") == allowed
    assert rules["default-src"] == "'none'"
    assert not {"*", "'unsafe-inline'", "'unsafe-eval'", "https:"} & {
        source for rule in rules.values() for source in rule.split()
    }


@pytest.mark.parametrize(
    "collector",
    [
        "http://collector.example",
        "https://a;script-src *",
        "https://a' *",
        "ftp://a",
        "https://u@a",
    ],
)
def test_collector_that_may_not_be_sent_to_is_refused(
    collector: str, site: SiteRequest, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--collector"):
        write_site(replace(site, out=tmp_path / "site", collector=collector))
    assert not (tmp_path / "site").exists()


def test_folder_without_a_released_version_sends_nothing(site: SiteRequest, tmp_path: Path) -> None:
    folder = shutil.copytree(site.release, tmp_path / "release")
    (folder / "release.json").unlink()
    request = replace(site, release=folder, out=tmp_path / "site")
    with pytest.raises(ConfigError, match=r"--collector: given, but there is no release\.json"):
        write_site(replace(request, collector="https://collector.example"))
    write_site(request)
    assert json.loads((tmp_path / "site/release/page.json").read_text())["version"] == ""
    (folder / "audit.json").unlink()
    with pytest.raises(DataError, match=r"no audit\.json in it"):
        write_site(request)


def test_changed_release_is_refused(site: SiteRequest, tmp_path: Path) -> None:
    folder = shutil.copytree(site.release, tmp_path / "release")
    (folder / "model_card.md").write_text("another")
    with pytest.raises(ReleaseError, match=r"model_card\.md"):
        write_site(replace(site, release=folder, out=tmp_path / "site"))


def test_command_writes_a_site_once(
    site: SiteRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "site"
    words = ("web", str(site.release), "--page", str(site.page), "-o", str(out))
    code, stdout, _ = run(capsys, *words)
    assert (code, stdout) == (0, f"Site: {out}\n")
    assert run(capsys, *words)[0] == 2
    assert run(capsys, *words, "--replace")[0] == 0


def test_page_that_was_not_built_is_named_with_the_step_that_helps(
    site: SiteRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--page", str(tmp_path), "-o", str(tmp_path / "site"))
    code, _, err = run(capsys, "web", str(site.release), *words)
    assert code == 2
    assert "make web" in err


@pytest.mark.slow
def test_exported_decoder_rebuilds_what_the_audit_rebuilds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 3, 9, 9), dtype=np.uint8)
    z = rng.normal(size=(40, 5)).astype(np.float32)
    z[:, 3] = 1
    decoder = fit_picture_decoder((z, x), (z[:8], x[:8]), seed=0, epochs=1)
    export_decoder(decoder, (5,), tmp_path / "decoder.onnx")
    session = open_session(tmp_path / "decoder.onnx")
    for rows in (1, 8):
        rebuilt = session.run(["picture"], {"z": z[:rows]})[0]
        np.testing.assert_allclose(rebuilt, decoder(z[:rows]), atol=1e-5)
