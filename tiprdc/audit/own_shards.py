"""Opens the input of an audit of our own release: shards, the release's files, the control."""

from __future__ import annotations

from pathlib import Path

from tiprdc.audit.evidence import Evidence
from tiprdc.audit.own_model import Model, OwnModel
from tiprdc.audit.run import Digests
from tiprdc.datasets.schema import Schema, read_schema, read_split, searched_records
from tiprdc.errors import ModelError
from tiprdc.formats.manifest import Contract, read_contract

MAX_KNOWN = 100_000
"""Records of extractor-train that attackers know, about."""


def open_shards(shards: Path, release: Path, unprotected: Path | None) -> Evidence:
    """The people of the shards and the models, after a check that they belong together.

    Args:
        shards: Folder of `prepare`.
        release: Folder with `extractor.onnx` and `manifest.json`.
        unprotected: Folder with `unprotected.onnx`; None: no comparison with it.

    Raises:
        DataError: Damaged shards.
        ModelError: The release does not match its manifest, or was not made from these shards.
    """
    schema, models, contract = _files(shards, release, unprotected)
    train = read_split(shards, schema, "attacker-train")
    return Evidence(
        schema,
        train=train,
        select=read_split(shards, schema, "attacker-select"),
        test=read_split(shards, schema, "attacker-test"),
        models=models,
        members=read_split(shards, schema, "extractor-train", fewest=MAX_KNOWN),
        searched=searched_records(len(train)),
        told=contract.told,
    )


def digests_of(shards: Path, release: Path, unprotected: Path | None) -> Digests:
    """Digests of what lies in these folders now."""
    schema, models, _ = _files(shards, release, unprotected)
    return Digests.of_files(schema, models)


def _files(
    shards: Path, release: Path, unprotected: Path | None
) -> tuple[Schema, dict[str, Model], Contract]:
    """The schema, the models and the manifest, after a check that they belong together."""
    schema = read_schema(shards)
    contract = read_contract(release / "manifest.json")
    models: dict[str, Model] = {
        "released": OwnModel(_read(release / "extractor.onnx")),
    }
    if unprotected is not None:
        models["unprotected"] = OwnModel(_read(unprotected / "unprotected.onnx"))
    digest = models["released"].sha256
    if digest != contract.model_sha256:
        raise ModelError(
            str(release / "extractor.onnx"), f"sha256 {digest[:12]}",
            f"{contract.model_sha256[:12]}, as its manifest says", "run `dvc repro -f export`",
        )  # fmt: skip
    if contract.data_digest != schema.digest:
        raise ModelError(
            str(release / "manifest.json"), "the extractor was trained on other shards",
            "one whose training people are known not to be in attacker-test", "run `dvc repro`",
        )  # fmt: skip
    return schema, models, contract


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(str(path), "no such file", hint="run `dvc repro export`") from None
