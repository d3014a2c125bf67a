"""The pages in a real browser: they fit, are legible in light and dark mode, and load no host."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.search import pareto
from pipelines.search.space import TuneConfig
from tests.helpers.audit_project import write_project
from tests.helpers.audit_samples import AUDITS
from tests.helpers.chromium import OFFLINE
from tiprdc.reports.page import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SEARCH = TuneConfig(limits=(0.1, 0.2))
WIDTHS = {"desktop": 1200, "tablet": 760, "phone": 390, "small phone": 320}
FLAGS = (
    "--headless",
    "--no-sandbox",
    *OFFLINE,
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1300,900",
)

# Each page is in a frame as wide as a device. The script runs outside of it: the page has none.
PROBE = """
const channels = (color) => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const luminance = (color) => {
  const [r, g, b] = channels(color).slice(0, 3).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const behind = (view, element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = view.getComputedStyle(at).backgroundColor;
    const alpha = channels(color)[3];
    if (alpha === undefined || alpha === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
function measure(frame) {
  const view = frame.contentWindow, page = frame.contentDocument, root = page.documentElement;
  const texts = [...page.body.querySelectorAll("*")].filter((e) =>
    [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length);
  const faint = texts.map((e) => {
    const style = view.getComputedStyle(e);
    const ink = e.namespaceURI.endsWith("svg") ? style.fill : style.color;
    return [contrast(ink, behind(view, e)), e.tagName, e.textContent.trim().slice(0, 40)];
  }).filter(([ratio]) => ratio < 4.5);
  const wide = [...page.body.querySelectorAll("*")].filter((e) =>
    !e.closest(".scroll") && e.getBoundingClientRect().right > root.clientWidth + 1);
  const narrow = [...page.querySelectorAll("tbody th")].filter((e) =>
    e.clientWidth && e.clientWidth < 64 && e.textContent.trim().length > 12);
  return {
    narrow: narrow.map((e) => e.textContent.trim().slice(0, 40)).slice(0, 5),
    overflow: root.scrollWidth - root.clientWidth,
    wide: wide.map((e) => e.tagName + "." + e.getAttribute("class")).slice(0, 5),
    faint: faint.slice(0, 5),
    fetched: view.performance.getEntriesByType("resource").map((e) => e.name)
      .filter((name) => !name.startsWith("data:")),
    headings: [...page.querySelectorAll("h1, h2, h3")].map((e) => [+e.tagName[1], e.textContent]),
    broken: [...page.images].filter((image) => !image.naturalWidth).length,
    paper: view.getComputedStyle(page.body).backgroundColor,
    texts: texts.length,
  };
}
addEventListener("load", () => {
  const figures = Object.fromEntries([...document.querySelectorAll("iframe")].map((f) =>
    [f.title, measure(f)]));
  document.body.textContent = JSON.stringify(figures);
});
"""


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium here: apt-get install chromium")


def _browse(folder: Path, *flags: str) -> str:
    """Output of headless Chromium with a temporary profile."""
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [_chromium(), *FLAGS, profile, *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind of audit -> its page; "front" -> the page of a search."""
    root = tmp_path_factory.mktemp("pages")
    for name, audit in AUDITS.items():
        write_project(root / name, audit())
    pages = {
        name: write_report(root / name / "reports", root / name / "artifacts/release")
        for name in AUDITS
    }
    pareto.write(
        pareto.aggregate_seeds(pd.DataFrame(search_rows()), SEARCH.searched()), SEARCH, root
    )
    return {**pages, "front": root / "front.html"}


def search_rows() -> list[dict[str, float]]:
    """Rows of a search: the better the privacy, the lower the utility."""
    return [
        {"privacy_weight": 0.3 + n / 40, "budget": 0.1, "features": 16, "seconds": 1.0}
        | {"advantage": 0.3 - n / 100, "advantage_low": 0.27 - n / 100}
        | {"advantage_high": 0.33 - n / 100, "utility": 0.8 - n / 200 - n % 3 / 100}
        | {"utility_low": 0.75 - n / 200, "utility_high": 0.83 - n / 200, "kept": 0.6 - n / 200}
        for n in range(20)
    ]


@pytest.fixture(scope="module", params=["light", "dark"])
def rendered(
    request: pytest.FixtureRequest, pages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """The color scheme, and the measured properties of each page at each width in it."""
    folder = tmp_path_factory.mktemp(request.param)
    frames = [
        f'<iframe title="{name}, {device}" style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{html.escape(path.read_text())}"></iframe>'
        for name, path in pages.items()
        for device, width in WIDTHS.items()
    ]
    probe = folder / "probe.html"
    probe.write_text(
        '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<body>{''.join(frames)}<script>{PROBE}</script>"
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if request.param == 'dark' else 1}"
    dom = _browse(folder, scheme, "--virtual-time-budget=20000", "--dump-dom", probe.as_uri())
    body = re.search(r"<body>(.*)</body>", dom, re.DOTALL)
    assert body
    return request.param, json.loads(html.unescape(body[1]))


def test_page_fits_screen_width(rendered: tuple[str, dict[str, Any]]) -> None:
    for where, page in rendered[1].items():
        assert page["overflow"] <= 0, where
        assert not page["wide"], (where, page["wide"])


def test_row_names_are_not_broken_into_few_letters(rendered: tuple[str, dict[str, Any]]) -> None:
    for where, page in rendered[1].items():
        assert not page["narrow"], (where, page["narrow"])


def test_text_contrast_is_sufficient(rendered: tuple[str, dict[str, Any]]) -> None:
    scheme, rendered_pages = rendered
    for where, page in rendered_pages.items():
        assert page["texts"] > 50, where
        assert not page["faint"], (where, page["faint"])
        red = int(re.findall(r"\d+", page["paper"])[0])
        assert red < 64 if scheme == "dark" else red > 192, where


def test_page_loads_no_host_and_shows_every_picture(rendered: tuple[str, dict[str, Any]]) -> None:
    for where, page in rendered[1].items():
        assert not page["fetched"], where
        assert page["broken"] == 0, where


def test_headings_form_an_outline(rendered: tuple[str, dict[str, Any]]) -> None:
    for where, page in rendered[1].items():
        levels = [level for level, _ in page["headings"]]
        assert levels[0] == 1, where
        assert levels.count(1) == 1, where
        steps = [after - before for before, after in pairwise(levels)]
        assert max(steps) <= 1, where


def test_printed_page_unfolds_plan(pages: dict[str, Path], tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    _browse(tmp_path, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", pages["image"].as_uri())
    assert pdf.read_bytes().startswith(b"%PDF")
    if reader := shutil.which("pdftotext"):
        text = subprocess.run([reader, pdf, "-"], capture_output=True, text=True, check=True).stdout
        assert "sample_seed" in text
        assert "What is hidden, and how well" in text
