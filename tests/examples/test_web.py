"""The page of examples/web in Chromium: the features of Python, and nothing leaves before Send."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.helpers import release_samples
from tests.helpers.audit_samples import image_audit
from tests.helpers.pulled_release import write_pulled
from tests.helpers.web_page import Browser, build_page
from tests.helpers.web_server import serving
from tests.test_browser import _chromium
from tests.tiprdc.cli import test_collect_commands as collecting
from tests.tiprdc.export.test_onnx_export import save_checkpoints
from tests.tiprdc.runtime.test_extraction import coded
from tiprdc.collect.database import opened
from tiprdc.collect.tokens import Tokens
from tiprdc.datasets.schema import Modality, Schema, write_schema
from tiprdc.datasets.tokenizer import train_tokenizer, vocabulary_size
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig
from tiprdc.formats.manifest import read_contract
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.session import open_session
from tiprdc.web.decoder import write_decoder
from tiprdc.web.site import SiteRequest, write_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MakeShards = Callable[..., Schema]
TEXTS = [
    "The river is wide", "the river is deep", "A river, the wide one", "it's   Über\n\nélan 123",
    "ΟΔΥΣΣΕΥΣ İstanbul", "日本語 🎉", "[PAD] the [PAD]", "\ufeffends\u0085", "r " * 99,
]  # fmt: skip


REBUILT = """(() => {
  const canvas = document.querySelector("#rebuilt canvas");
  return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_page(tmp_path_factory.mktemp("page"))


@pytest.fixture
def browser(page: Path, tmp_path: Path) -> Iterator[Browser]:
    """A new profile; a page that is left has reported no fault."""
    browser = Browser(page, _chromium(), tmp_path / "profile")
    yield browser
    assert browser.errors == []


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """extractor@v1.0.0 of pictures 3 x 8 x 8, whose features are the record."""
    folder = tmp_path_factory.mktemp("pulled")
    return write_pulled(folder / "release", folder / "work")


def write_trained(folder: Path, make_shards: MakeShards, modality: Modality) -> Path:
    """A release of networks as they are before training, exported as any other."""
    shards = folder / "shards"
    schema = make_shards(shards, modality)
    if modality == "text":
        tokenizer = train_tokenizer(TEXTS, map(str, range(9)), vocabulary=300, length=12)
        (shards / "tokenizer.json").write_text(tokenizer)
        schema = write_schema(
            shards, replace(schema, vocabulary_size=vocabulary_size(tokenizer)), []
        )
    save_checkpoints(folder / "checkpoints", schema)
    build(
        ExportConfig(parity_records=50), shards=shards, checkpoint=folder / "checkpoints",
        release=folder / "release", unprotected=folder / "unprotected",
    )  # fmt: skip
    return add_audit(folder / "release")


def add_audit(release: Path) -> Path:
    """Write an audit of a release's model into its folder."""
    contract = read_contract(release / "manifest.json")
    audit = {**image_audit(), "modality": contract.modality, "model_sha256": contract.model_sha256}
    (release / "audit.json").write_text(json.dumps(audit))
    return release


def test_features_of_a_network_of_pictures_are_those_of_python(
    tmp_path: Path, page: Path, browser: Browser, make_shards: MakeShards
) -> None:
    release = write_trained(tmp_path, make_shards, "image")
    decoder = partial(write_decoder, tmp_path / "shards", release)
    write_site(
        SiteRequest(
            release=release, page=page / "dist", out=tmp_path / "site", write_decoder=decoder
        )
    )
    picture = tmp_path / "a.png"
    noise((50, 37)).save(picture)
    with serving(tmp_path) as origin:
        answers = browser.use(f"{origin}/site/", {"file": str(picture)}, {"evaluate": REBUILT})
    extractor = Extractor.load(release)
    z = extractor(extractor.read(picture))
    assert_close(answers[1], z)
    session = open_session(tmp_path / "site" / "release" / "decoder.onnx")
    rebuilt = session.run(["picture"], {"z": z})[0][0].transpose(1, 2, 0) * 255
    pixels = np.array(answers[2]["value"], float).reshape(16, 16, 4)
    assert np.abs(pixels[:, :, :3] - rebuilt).max() < 1


def test_features_of_texts_are_those_of_python(
    tmp_path: Path, page: Path, browser: Browser, make_shards: MakeShards
) -> None:
    release = write_trained(tmp_path, make_shards, "text")
    write_site(SiteRequest(release=release, page=page / "dist", out=tmp_path / "site"))
    with serving(tmp_path) as origin:
        answers = browser.use(f"{origin}/site/", *({"text": text} for text in TEXTS))
    extractor = Extractor.load(release)
    for text, answer in zip(TEXTS, answers[1:], strict=True):
        assert_close(answer, extractor([text]))


def test_features_of_a_form_are_those_of_python(
    tmp_path: Path, page: Path, browser: Browser, make_shards: MakeShards
) -> None:
    release = write_trained(tmp_path, make_shards, "table")
    write_site(SiteRequest(release=release, page=page / "dist", out=tmp_path / "site"))
    extractor = Extractor.load(release)
    columns = extractor.contract.columns
    rows = [
        {c.name: c.categories[-1] if c.categories else "-1.5e-1" for c in columns},
        {c.name: "" if c.categories else "NA" for c in columns},
    ]
    number = next(column.name for column in columns if not column.categories)
    with serving(tmp_path) as origin:
        *answers, refused = browser.use(
            f"{origin}/site/", *({"fields": row} for row in rows), {"fields": {number: "1_0"}}
        )
    for row, answer in zip(rows, answers[1:], strict=True):
        assert_close(answer, extractor({name: [value] for name, value in row.items()}))
    assert refused["status"] == f"{number} is not a number."


def test_code_is_that_of_python(tmp_path: Path, page: Path, browser: Browser) -> None:
    data = coded().SerializeToString()
    release = release_samples.write_release(tmp_path / "release", "table", data=data)
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["output"]["codes"] = 3
    (release / "manifest.json").write_text(json.dumps(manifest))
    write_site(SiteRequest(release=add_audit(release), page=page / "dist", out=tmp_path / "site"))
    rows = [{"age": "38", "hours": "5"}, {"age": "1", "hours": "40"}]
    with serving(tmp_path) as origin:
        answers = browser.use(f"{origin}/site/", *({"fields": row} for row in rows))
    extractor = Extractor.load(release)
    for row, answer in zip(rows, answers[1:], strict=True):
        table = {name: [value] for name, value in {"job": "", **row}.items()}
        assert_close(answer, extractor(table))
        assert answer["code"] == f"Code {extractor.codes(table)[0]} of 3"


def test_row_of_many_columns_is_pasted(
    tmp_path: Path, page: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of an encoder's vector."""
    columns = [{"name": f"v_{n}", "categories": [], "mean": 0.0, "std": 1.0} for n in range(50)]
    monkeypatch.setitem(release_samples.SHAPES, "table", (50,))
    monkeypatch.setattr(release_samples, "COLUMNS", columns)
    release = add_audit(release_samples.write_release(tmp_path / "release", "table"))
    write_site(SiteRequest(release=release, page=page / "dist", out=tmp_path / "site"))
    row = np.random.default_rng(0).uniform(-1, 1, (1, 50)).astype(np.float32)
    pasted = [separator.join(map(str, row[0].tolist())) for separator in (", ", "\n", " ")]
    with serving(tmp_path) as origin:
        *answers, short = browser.use(
            f"{origin}/site/", *({"text": text} for text in pasted), {"text": "1 2 3"}
        )
    for answer in answers[1:]:
        assert_close(answer, Extractor.load(release)(row))
    assert short["status"] == "3 values, but the release takes 50."


def test_pictures_are_read_as_in_python(
    tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    """Of PNG bit by bit; transparent pixels and JPEG nearly so."""
    write_site(SiteRequest(release=release, page=page / "dist", out=tmp_path / "site"))
    rng = np.random.default_rng(0)
    turned = Image.Exif()
    turned[0x0112] = 6
    gamma = PngInfo()
    gamma.add(b"gAMA", (100_000).to_bytes(4))
    opaque, large = noise((61, 100)), noise((700, 520))
    smooth = noise((9, 7)).resize((700, 420), Image.Resampling.BICUBIC)
    transparent = opaque.copy()
    transparent.putalpha(Image.fromarray(rng.integers(0, 256, (100, 61), dtype=np.uint8)))
    files: dict[str, tuple[Image.Image, float, dict[str, Any]]] = {
        "plain.png": (opaque, 0, {}),
        "large.png": (large, 0, {}),
        # Before Pillow 13 the two passes of a tall picture were the other way round.
        "tall.png": (noise((20, 300)), 1, {}),
        "enlarged.png": (noise((5, 3)), 0, {}),
        "same size.png": (noise((8, 8)), 0, {}),
        "grey.png": (opaque.convert("L"), 0, {}),
        "palette.png": (opaque.quantize(16), 0, {}),
        "turned.png": (opaque, 0, {"exif": turned}),
        "linear colours.png": (opaque, 0, {"pnginfo": gamma}),
        "deep grey.png": (
            Image.fromarray(rng.integers(0, 65536, (60, 61), dtype=np.uint16)),
            1,
            {},
        ),
        "transparent.png": (transparent, 1, {}),
        "small.jpg": (smooth.resize((15, 12)), 1, {"quality": 95}),
        "large.jpg": (smooth, 2, {"quality": 95}),
        "large and turned.jpg": (smooth, 2, {"quality": 95, "exif": turned}),
    }
    for name, (picture, _, options) in files.items():
        picture.save(tmp_path / name, **options)
    with serving(tmp_path) as origin:
        answers = browser.use(f"{origin}/site/", *({"drop": str(tmp_path / n)} for n in files))
    extractor = Extractor.load(release)
    for (name, (_, most, _)), answer in zip(files.items(), answers[1:], strict=True):
        expected = extractor(extractor.read(tmp_path / name))[0]
        assert np.abs(np.array(answer["z"]) - expected).max() <= most, name


def test_nothing_is_requested_once_the_page_is_there(
    tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    """It works with the network off, and asks for nothing with the network on."""
    noise((20, 20)).save(tmp_path / "a.png")
    picture = {"file": str(tmp_path / "a.png")}
    (tmp_path / "b.txt").write_text("no picture")
    (tmp_path / "some").mkdir()
    write_site(SiteRequest(
        release=release, page=page / "dist", out=tmp_path / "some" / "path",
        collector="http://127.0.0.1:9",
    ))  # fmt: skip
    with serving(tmp_path) as origin:
        start, *answers = browser.use(
            f"{origin}/some/path/", {"offline": True}, picture, {"camera": True},
            {"offline": False}, picture, {"file": str(tmp_path / "b.txt")},
        )  # fmt: skip
    assert {address.split("/some/path/")[0] for address in start["addresses"]} == {f"GET {origin}"}
    assert [answer["addresses"] for answer in answers] == [[]] * len(answers)
    assert [len(answers[step]["z"]) for step in (1, 2, 4)] == [192, 192, 192]
    assert answers[2]["z"] != answers[1]["z"]
    assert answers[-1]["status"] == "This browser cannot read that file as a picture."


def test_send_arrives_once_and_can_be_deleted(
    tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    noise((20, 20)).save(tmp_path / "a.png")
    picture, database = {"file": str(tmp_path / "a.png")}, tmp_path / "features.db"
    with opened(f"sqlite:///{database}") as engine:
        token = Tokens(engine).issue("page")
    with (
        serving(tmp_path) as origin,
        collecting.serving(
            release, f"sqlite:///{database}", "--allow-origin", origin
        ) as collector,
    ):  # fmt: skip
        write_site(SiteRequest(
            release=release, page=page / "dist", out=tmp_path / "site", collector=collector
        ))  # fmt: skip
        _, given, refused, sent, again = browser.use(
            f"{origin}/site/", picture, {"send": "another token"}, {"send": token}, {"reload": True}
        )
        # Chromium notes the refusal on its console, too.
        assert [error for error in browser.errors if "401" not in error] == []
        browser.errors = []
        assert "no token that this collector knows" in refused["status"]
        assert sent["status"].startswith("Sent.")
        assert [a.split("/v1/")[0] for a in sent["addresses"]] == [f"PUT {collector}"]
        (features,) = stored(database)
        np.testing.assert_array_equal(features, np.array(given["z"], np.float32))
        assert again["status"] == "Ready. Nothing has left this page since it was opened."

        is_off = {"evaluate": "document.querySelector('button[type=submit]').textContent"}
        answers = browser.use(f"{origin}/site/", picture, is_off, {"forget": token})
        assert answers[2]["value"] == "Sent"
        assert "has deleted" in answers[3]["status"]
        assert stored(database) == []


def write_linked_site(release: Path, page: Path, folder: Path) -> None:
    """A site whose collector does not answer."""
    write_site(SiteRequest(
        release=release, page=page / "dist", out=folder / "site",
        collector="http://127.0.0.1:9",
    ))  # fmt: skip


def test_page_connects_to_no_other_host(
    tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    write_linked_site(release, page, tmp_path)
    with serving(tmp_path) as other, serving(tmp_path) as origin:
        attempt = f"fetch('{other}/').then(() => 'connected', () => 'refused')"
        script = """(() => {
          const script = document.createElement("script");
          script.text = "globalThis.ran = 'ran'";
          document.body.append(script);
          return globalThis.ran ?? "refused";
        })()"""
        answers = browser.use(f"{origin}/site/", {"evaluate": attempt}, {"evaluate": script})
    assert [answer["value"] for answer in answers[1:]] == ["refused", "refused"]
    assert "Content Security Policy" in "".join(browser.errors)
    browser.errors = []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_axe_finds_no_fault(
    scheme: str, tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    noise((20, 20)).save(tmp_path / "a.png")
    write_linked_site(release, page, tmp_path)
    too_wide = {"evaluate": "document.documentElement.scrollWidth - innerWidth"}
    unfold = {"evaluate": "document.querySelectorAll('details').forEach((d) => (d.open = true))"}
    steps = [{"file": str(tmp_path / "a.png")}, unfold, too_wide, {"axe": True}, {"resize": 320},
             too_wide, {"axe": True}]  # fmt: skip
    with serving(tmp_path) as origin:
        _, *answers = browser.use(f"{origin}/site/", *steps, scheme=scheme)
    assert answers[2]["value"] <= 0
    assert answers[5]["value"] <= 0
    assert answers[3]["value"] == answers[6]["value"] == []


def test_keyboard_alone_reaches_every_step(
    tmp_path: Path, page: Path, browser: Browser, release: Path
) -> None:
    write_linked_site(release, page, tmp_path)
    with serving(tmp_path) as origin:
        _, *answers = browser.use(f"{origin}/site/", *[{"press": "Tab"}] * 4)
    assert [answer["focus"] for answer in answers] == [
        "Read the report", "file", "Use the camera", "token",
    ]  # fmt: skip


def noise(size: tuple[int, int]) -> Image.Image:
    """A picture of random colours."""
    rng = np.random.default_rng(size)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def assert_close(answer: dict[str, Any], expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(answer["z"], expected[0].ravel(), rtol=0, atol=1e-4)


def stored(database: Path) -> list[NDArray[np.float32]]:
    """The features in a collector's database."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT features FROM batches WHERE features IS NOT NULL")
        return [np.frombuffer(row[0], "<f4") for row in rows]
