"""Writes a static site: the built page of examples/web, and a release that it runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tiprdc.errors import ConfigError, DataError
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.audit_report import read_audit, read_audited
from tiprdc.formats.decoding import encode
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import FILE as MANIFEST
from tiprdc.formats.release_statement import AUDIT, STATEMENT, Release
from tiprdc.registry.pull import verify
from tiprdc.registry.signing import TrustedKey
from tiprdc.reports.page import render
from tiprdc.reports.training_curves import Training
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.http_client import check_url
from tiprdc.web.page_contract import page_contract

INDEX = "index.html"
RELEASE, CONTRACT, REPORT, DECODER = "release", "page.json", "report.html", "decoder.onnx"
"""Folder of the release in the site, and its files beside those of the release itself."""
_CONNECT = "connect-src 'self'"
"""What the page may connect to, in its Content-Security-Policy."""
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")

WriteDecoder = Callable[[Path], None]
"""Writes the ONNX file of a decoder."""


@dataclass(frozen=True, kw_only=True)
class SiteRequest:
    """What a site is made of.

    Args:
        release: Folder that `tiprdc pull` or `tiprdc protect` wrote.
        page: Folder that `npm run build` wrote.
        out: Folder to write.
        collector: URL of the collector that the page may send to; empty: it sends nothing.
        trusted: One of these keys must have signed the release; None: signatures are not checked.
        write_decoder: None: the page shows no reconstruction.
        replace: Whether a site in `out` is replaced.
    """

    release: Path
    page: Path
    out: Path
    collector: str = ""
    trusted: tuple[TrustedKey, ...] | None = None
    write_decoder: WriteDecoder | None = None
    replace: bool = False


def write_site(request: SiteRequest) -> None:
    """Write a folder that any web server can serve, from any path.

    Nothing in it shows a person: the report has no pictures. A decoder was fitted on records of
    people.

    Raises:
        ConfigError: The page was not built, or the collector's URL is not allowed.
        DataError, ModelError, ReleaseError: The release is not as its manifest or statement says.
    """
    index = _index(request.page, request.collector)
    release = _released(request)
    if not (request.release / AUDIT).is_file():
        raise DataError(
            sanitize(str(request.release)), f"no {AUDIT} in it",
            hint="give a folder that `tiprdc pull` or `tiprdc protect` wrote",
        )  # fmt: skip
    contract = Extractor.load(request.release).contract
    if contract.modality == "audio":
        raise DataError(
            sanitize(str(request.release)), "a release of recordings",
            "one of pictures, texts or tables", "give devices `tiprdc extract`",
        )  # fmt: skip
    audit = read_audit(request.release / AUDIT)
    read_audited(request.release / MANIFEST, audit)
    document = page_contract(
        contract, audit, release,
        collector=request.collector.rstrip("/"), decoder=request.write_decoder is not None,
    )  # fmt: skip
    report = render(audit, contract=contract, training=Training(), pictures={})
    with atomic_directory(request.out, replace=request.replace) as site:
        shutil.copytree(request.page, site, dirs_exist_ok=True, ignore=_earlier_release)
        (site / INDEX).write_text(index, encoding="utf-8")
        folder = site / RELEASE
        folder.mkdir()
        for name in (*contract.files, MANIFEST, AUDIT):
            shutil.copyfile(request.release / name, folder / name)
        (folder / REPORT).write_text(report, encoding="utf-8")
        (folder / CONTRACT).write_text(encode(document), encoding="utf-8")
        if request.write_decoder:
            request.write_decoder(folder / DECODER)


def _earlier_release(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == RELEASE]


def _index(page: Path, collector: str) -> str:
    """The page's HTML, which may connect to its own origin and the collector's alone."""
    path = page / INDEX
    if not path.is_file():
        raise ConfigError(
            "--page", f"no {INDEX} in {sanitize(str(page))}", "the page, built",
            "make web, in a clone of the project, builds it in examples/web/dist",
        )  # fmt: skip
    html = path.read_text(encoding="utf-8")
    if html.count(_CONNECT) != 1:
        raise ConfigError("--page", f"{sanitize(str(path))} is not the page of examples/web")
    return html.replace(_CONNECT, f"{_CONNECT} {_origin(collector)}") if collector else html


def _origin(url: str) -> str:
    parts = urlsplit(check_url(url, "--collector"))
    if not _HOST.fullmatch(parts.netloc):
        raise ConfigError("--collector", "not a URL of a collector", "https://HOST[:PORT]")
    return f"{parts.scheme}://{parts.netloc}"


def _released(request: SiteRequest) -> Release | None:
    """The statement of a released version; None for a folder without one."""
    if (request.release / STATEMENT).exists():
        return verify(request.release, request.trusted).release
    for option, value in (("--collector", request.collector), ("--trust", request.trusted)):
        if value:
            raise ConfigError(
                option, f"given, but there is no {STATEMENT} in {sanitize(str(request.release))}",
                hint="a released version is needed: give a folder that `tiprdc pull` wrote",
            )  # fmt: skip
    return None
