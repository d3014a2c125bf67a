"""The model card states what was measured, its YAML parses, and its example runs."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from ruamel.yaml import YAML
from tokenizers import Tokenizer, models

from tests.helpers.audit_project import write_project
from tests.helpers.audit_samples import AUDITS, HOSTILE, image_audit
from tests.helpers.recordings import write_tone
from tiprdc.datasets.images import read_image
from tiprdc.datasets.recordings import read_recording
from tiprdc.errors import ConfigError
from tiprdc.reports.model_card import CardConfig, plain, write_card

ELEMENT = {
    "image": TensorProto.UINT8, "table": TensorProto.FLOAT, "text": TensorProto.INT32,
    "audio": TensorProto.INT16,
}  # fmt: skip


def card(root: Path, audit: dict[str, Any], config: CardConfig | None = None) -> str:
    write_project(root, audit)
    path = write_card(root / "reports", root / "artifacts/release", config or CardConfig())
    return path.read_text()


def front(text: str) -> dict[str, Any]:
    return YAML(typ="safe").load(text.split("---\n")[1])


@pytest.mark.parametrize("name", AUDITS)
def test_front_matter_is_yaml_with_every_figure(name: str, tmp_path: Path) -> None:
    audit = AUDITS[name]()
    metadata = front(card(tmp_path, audit))
    values = [result["metrics"][0]["value"] for result in metadata["model-index"][0]["results"]]
    strongest = [a["strongest"] for a in audit["attributes"].values() if a["strongest"]]
    measured = [*strongest, *(task["released"] for task in audit["utility"].values())]
    assert values == [estimate["balanced_accuracy"] for estimate in measured]


def test_notes_of_the_release_are_on_the_card_once(tmp_path: Path) -> None:
    write_project(tmp_path, image_audit())
    audit, manifest = tmp_path / "reports/audit.json", tmp_path / "artifacts/release/manifest.json"
    both, licence = "Generated faces.", "The file contains the encoder e.onnx. Its licence: mit."
    for path, notes in ((audit, [both]), (manifest, [both, licence])):
        path.write_text(json.dumps({**json.loads(path.read_text()), "notes": notes}))
    text = write_card(tmp_path / "reports", manifest.parent, CardConfig()).read_text()
    assert [text.count(f"\n- {plain(note)}\n") for note in (both, licence)] == [1, 1]


def test_configured_texts_are_on_card(tmp_path: Path) -> None:
    config = CardConfig(
        title="Faces",
        description="For kiosks.",
        intended_use="Counting smiles.",
        license="apache-2.0",
        contact="team@example.org",
        languages=("en", "pt-BR"),
    )
    text = card(tmp_path, image_audit(), config)
    for sentence in ("# Faces", "For kiosks.", "Counting smiles.", r"team\@example.org"):
        assert sentence in text
    assert front(text)["license"] == "apache-2.0"
    assert front(text)["language"] == ["en", "pt-BR"]


@pytest.mark.parametrize("name", AUDITS)
def test_tables_are_complete_and_no_claim_is_made(name: str, tmp_path: Path) -> None:
    text = card(tmp_path, AUDITS[name]())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    for line, rule in enumerate(rows):
        if set(rule) <= set("|-:"):
            assert widths[line - 1] == widths[line]
            assert rows[line + 1 :], "a table without rows"
    for claim in ("anonym", "is private", "guarantee"):
        assert claim not in text.lower()
    assert "another attacker may do better" in text


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    body = card(tmp_path, AUDITS["hostile"]()).split("---\n", 2)[2]
    assert plain(HOSTILE) in body
    assert HOSTILE not in body
    assert not re.search(r"(?<!\\)\]\(", body), "a link"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("x\n\n# y", "x # y"),
        ("# y", r"\# y"),
        ("http://a.test", r"http\://a.test"),
        ("[a](b)", r"\[a\](b)"),
    ],
)
def test_markdown_is_escaped(text: str, escaped: str) -> None:
    assert plain(text) == escaped


@pytest.mark.parametrize("name", ["image", "table", "text", "audio"])
def test_example_runs_on_model_of_same_contract(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = AUDITS[name]()
    release = tmp_path / "artifacts/release"
    release.mkdir(parents=True)
    _write_model(release / "extractor.onnx", ELEMENT[name], audit["record"])
    audit["features"] = [int(np.prod(audit["record"]))]
    audit["model_sha256"] = hashlib.sha256((release / "extractor.onnx").read_bytes()).hexdigest()
    text = card(tmp_path, audit)
    picture = release / "picture.png"
    noise = np.random.default_rng(0).integers(256, size=(300, 200, 4), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    write_tone(release / "recording.wav", rate=44_100)
    Tokenizer(models.WordLevel({"a": 1}, unk_token="a")).save(str(release / "tokenizer.json"))
    monkeypatch.chdir(release)
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    code = compile(example[1], "model_card.md", "exec")
    exec(code, variables := {})
    assert capsys.readouterr().out == f"(1, {audit['features'][0]})\n"
    assert f"{audit['model_sha256']}  extractor.onnx" in text
    if name == "audio":
        assert "8,000 samples a second (soxr HQ for other rates)" in text
        x = read_recording(release / "recording.wav", 8000, 4000)
        assert np.abs(variables["x"][0].astype(int) - x).max() <= 1
    if name == "image":
        assert "upright by their EXIF, transparent pixels on #ffffff" in text
        side = audit["record"][-1]
        np.testing.assert_array_equal(variables["x"][0], read_image(picture, side))
        Image.fromarray(noise[..., :3]).save(picture, "JPEG")
        exec(code, variables)
        np.testing.assert_array_equal(variables["x"][0], read_image(picture, side))


def _write_model(path: Path, element: int, record: list[int]) -> None:
    """x -> float32 z = flatten(x)."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["f"], ["z"]),
        ],
        "flat",
        [helper.make_tensor_value_info("x", element, ["batch", *record])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", None])],
    )
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)


@pytest.mark.parametrize(
    ("key", "value"), [("title", " "), ("license", "Apache 2.0"), ("languages", ("english!",))]
)
def test_wrong_setting_is_refused_with_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"card.{key}"):
        CardConfig(**{key: value})
