"""The page shows the audit's figures, claims nothing more, and loads nothing from elsewhere."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.audit_parts import measure
from tests.helpers.audit_project import write_project
from tests.helpers.audit_samples import (
    AUDITS,
    HOSTILE,
    bare_audit,
    image_audit,
    table_audit,
    text_audit,
)
from tiprdc.attacks.suite import ATTACKS
from tiprdc.audit.plan import STACK
from tiprdc.errors import DataError
from tiprdc.reports.attack_wording import MEANINGS
from tiprdc.reports.axis import Axis
from tiprdc.reports.page import write_report
from tiprdc.reports.pictures import read_pictures
from tiprdc.reports.training_curves import read_training

VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Tags in order, the text of each, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.texts["body"][0].replace("\u00a0", " ").split())


def page(root: Path, audit: dict) -> Page:
    write_project(root, audit)
    return Page(write_report(root / "reports", root / "artifacts/release").read_text())


@pytest.mark.parametrize("name", AUDITS)
def test_every_kind_of_audit_gives_a_complete_page(name: str, tmp_path: Path) -> None:
    html = page(tmp_path, AUDITS[name]())
    assert len(html.all("h1")) == len(html.all("main")) == len(html.all("nav")) == 1
    assert all(image["alt"] for image in html.all("img"))
    assert len(html.all("caption")) == len(html.all("table"))
    assert {th.get("scope") for th in html.all("th") if th} <= {"row", "col"}
    targets = {attributes["id"] for _, attributes in html.tags if "id" in attributes}
    assert {str(a["href"])[1:] for a in html.all("a")} <= targets


@pytest.mark.parametrize("name", AUDITS)
def test_page_fetches_and_runs_nothing(name: str, tmp_path: Path) -> None:
    html = page(tmp_path, AUDITS[name]())
    assert not html.all("script")
    for tag, attributes in html.tags:
        assert not any(attribute.startswith("on") for attribute in attributes), tag
        for attribute in ("src", "href", "srcset", "data", "action", "xlink:href"):
            assert (attributes.get(attribute) or "#").startswith(("#", "data:")), tag
    assert "url(" not in html.texts["style"][0]
    assert "@import" not in html.texts["style"][0]
    policy = next(m for m in html.all("meta") if m.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("audit", "text"),
    [
        (
            image_audit,
            "No attack of suite 1.0.0 exceeded 56.1 % on skin tone (95 % upper bound) on 1,984",
        ),
        (
            table_audit,
            "recognised sex at 71.3 % balanced accuracy (95 % lower bound 69.5 %) on 9,020 people.",
        ),
        (text_audit, "about 5,200 people would settle it."),
    ],
)
def test_verdict_comes_first_with_baseline_and_interval(
    audit: object, text: str, tmp_path: Path
) -> None:
    document = audit()
    html = page(tmp_path, document)
    assert document["verdict"] in html.texts["h1"][0]
    assert text in html.text
    assert html.text.index(text) < html.text.index("What is hidden")
    for reason in document["reasons"]:
        assert reason in html.text


@pytest.mark.parametrize("name", AUDITS)
def test_page_makes_no_claim_that_attacks_cannot_support(name: str, tmp_path: Path) -> None:
    text = page(tmp_path, AUDITS[name]()).text.lower()
    for claim in ("anonym", "is private", "are private", "guarantee", "safe", "secure"):
        assert claim not in text


def test_every_measured_figure_is_on_page(tmp_path: Path) -> None:
    audit = table_audit()
    text = page(tmp_path, audit).text
    for attribute in audit["attributes"].values():
        for rate in ("prior", "floor", "limit", "ceiling"):
            assert f"{100 * attribute[rate]:.1f} %" in text
    for task in audit["utility"].values():
        for representation in ("released", "unprotected", "ceiling"):
            assert f"{100 * task[representation]['low']:.1f} to" in text
    assert "out of time after 60 s" in text
    assert "failed" in text
    for digest in ("model_sha256", "data_digest", "plan_sha256"):
        assert audit[digest] in text
    assert "membership" in text


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    html = page(tmp_path, AUDITS["hostile"]())
    assert HOSTILE in html.texts["h1"][0]
    assert not html.all("script")
    assert all(str(image["src"]).startswith("data:") for image in html.all("img"))
    assert "\x1b" not in html.text
    assert "\u202e" not in html.text


def test_same_audit_gives_same_bytes(tmp_path: Path) -> None:
    pages = []
    for name in ("a", "b"):
        write_project(tmp_path / name, image_audit())
        path = write_report(tmp_path / name / "reports", tmp_path / name / "artifacts/release")
        pages.append(path.read_bytes())
    assert pages[0] == pages[1]


def test_pictures_and_curves_may_be_absent(tmp_path: Path) -> None:
    write_project(tmp_path, {**image_audit(), "reconstruction": None})
    (tmp_path / "reports/pictures.npz").unlink()
    (tmp_path / "reports/training/protected.csv").unlink()
    html = Page(write_report(tmp_path / "reports", tmp_path / "artifacts/release").read_text())
    assert not html.all("img")
    assert "rebuil" not in html.text
    assert "Training" not in html.text


def test_page_of_variant_names_its_source_model(tmp_path: Path) -> None:
    plain = page(tmp_path, image_audit())
    assert "variant" not in plain.text
    path = tmp_path / "artifacts/release/manifest.json"
    made = {"name": "int8", "of": "ab" * 32, "max_abs": 0.1, "mean_abs": 0.0123, "records": 5}
    path.write_text(json.dumps({**json.loads(path.read_text()), "variant": made}))
    html = Page(write_report(tmp_path / "reports", path.parent).read_text())
    assert "· variant int8 ·" in html.text
    assert "int8 of model abababababab: features differ from that model's by 0.012" in html.text


def test_audit_of_other_bytes_is_refused(tmp_path: Path) -> None:
    write_project(tmp_path, image_audit())
    (tmp_path / "reports/audit.json").write_text(
        json.dumps({**image_audit(), "model_sha256": "0" * 64})
    )
    with pytest.raises(DataError, match=r"and the audited model 0{12}\n.*dvc repro audit"):
        write_report(tmp_path / "reports", tmp_path / "artifacts/release")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read as JSON"),
        ("[]", "a JSON list"),
        ("{}", "schema_version None"),
        (
            json.dumps({**image_audit(), "verdict": "MAYBE"}),
            "verdict: a value that is not allowed here",
        ),
        (
            json.dumps({**image_audit(), "mean_utility_loss": float("nan")}),
            "mean_utility_loss: a number that is not finite",
        ),
        (json.dumps({**image_audit(), "seconds": 1.0}), "unknown key 'seconds'"),
        (json.dumps({k: v for k, v in image_audit().items() if k != "plan"}), "no key 'plan'"),
        (
            json.dumps({**image_audit(), "attributes": []}),
            "attributes: expected `object`, got `array`",
        ),
    ],
)
def test_broken_audit_is_refused(text: str, message: str, tmp_path: Path) -> None:
    write_project(tmp_path, image_audit())
    (tmp_path / "reports/audit.json").write_text(text)
    with pytest.raises(DataError, match=message):
        write_report(tmp_path / "reports", tmp_path / "artifacts/release")


def test_positions_are_shares_of_axis() -> None:
    axis = Axis(0.4, 1.0)
    assert [axis.at(0.4), axis.at(0.7), axis.at(1)] == ["0.00%", "50.00%", "100.00%"]
    assert axis.span(0.4, 0.7) == "50.00%"
    assert [round(tick, 2) for tick in axis.ticks] == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert [round(tick, 2) for tick in Axis(0.1, 1.0).ticks] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_curves_skip_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["run", "epoch", "seconds", "adversary", "mutual_information"],
                ["protected", 0, 2, "", -1],
                ["protected", 1, 2, "nan", 0],
                ["unprotected", 0, 1, 0, -1],
            ]
        )
    training = read_training(tmp_path)
    assert training.seconds == 5
    assert [curve.name for curve in training.curves] == ["mutual_information"]
    assert training.curves[0].lines["protected"] == "0.00,40.00 100.00,0.00"
    assert "protected: from \N{MINUS SIGN}1 to 0" in training.curves[0].description


def test_other_csv_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="columns run, epoch"):
        read_training(tmp_path)


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 2, 8, 8)])
def test_pictures_of_another_shape_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", record=np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match="record is uint8"):
        read_pictures(tmp_path / "pictures.npz")


def test_pickled_pictures_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", record=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="cannot be read as pictures"):
        read_pictures(tmp_path / "pictures.npz")


def test_measures_show_baseline_and_reuse_is_shown(tmp_path: Path) -> None:
    text = page(tmp_path, image_audit()).text
    for words in ("surest 5 %", "rank 1 among 812 people", "3.3 to 5.3 %", "0.1 %"):
        assert words in text
    assert "attacked by 3 different plans so far, on 2 models" in text
    assert "It was not counted how often" in page(tmp_path, bare_audit()).text


def test_page_of_foreign_model_describes_sandbox(tmp_path: Path) -> None:
    write_project(tmp_path, image_audit())
    text = write_report(tmp_path / "reports", None).read_text()
    assert "run in a process with limits" in text
    assert "dvc repro" not in text
    assert "tiprdc audit MODEL.onnx" in text


def test_exposed_people_stand_under_the_verdict(tmp_path: Path) -> None:
    text = page(tmp_path, image_audit()).text
    assert text.index("Two records of one person can be joined") < text.index("What is hidden")


def test_every_attack_of_the_page_is_explained(tmp_path: Path) -> None:
    text = page(tmp_path, image_audit()).text
    assert "many small decision trees" in text
    assert {*ATTACKS, STACK} == set(MEANINGS)


def test_page_shows_no_name_with_an_underscore_but_in_code(tmp_path: Path) -> None:
    audit = image_audit()
    audit["reasons"] = ["skin_tone: gradient_boosting recognises it."]
    audit["notes"] = ["hair_tone has 3 classes."]
    audit["measures"]["worst_people"].append(measure("hair_tone: dark", 0.6, baseline=0.5))
    html = page(tmp_path, audit)
    shown = html.texts["body"][0]
    for code in (*html.texts["pre"], *html.texts["code"]):
        shown = shown.replace(code, "")
    for name in ("skin_tone", "gradient_boosting", "hair_tone"):
        assert name not in shown


def test_label_floor_and_negative_loss_are_explained(tmp_path: Path) -> None:
    audit = image_audit()
    audit["attributes"]["skin_tone"]["floor"] = 0.53
    text = page(tmp_path, audit).text
    assert "The label floor is what somebody recognises who knows" in text
    assert "A loss below 0 means" in text
    audit["utility"]["hair_length"]["loss"] = 0.001
    assert "A loss below 0 means" not in page(tmp_path, audit).text
