"""Verify: changes of a pulled folder are found offline."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.release_project import Lab
from tests.tiprdc.registry.test_pull import EXPECTED, V2
from tests.tiprdc.registry.test_pull_faults import flipped
from tiprdc.errors import TiprdcError
from tiprdc.formats.envelope import encode_json
from tiprdc.registry.pull import pull, verify
from tiprdc.registry.signing import read_trust


@pytest.fixture(scope="module")
def pulled(released_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pulled") / "extractor"
    released_lab.link.unlink()
    released_lab.link.symlink_to(released_lab.store)
    pull(str(released_lab.origin), V2, target, None)
    return target


def replace_with_link(path: Path) -> None:
    copy = path.parent.with_name("copy")
    shutil.copyfile(path, copy)
    path.unlink()
    path.symlink_to(copy)


def envelope(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        document = json.loads((folder / "release.json").read_text())
        statement = json.loads(base64.b64decode(document["payload"]))
        change(document, statement)
        document["payload"] = base64.b64encode(encode_json(statement)).decode()
        (folder / "release.json").write_text(json.dumps(document))

    return fault


def bit(name: str) -> Callable[[Path], None]:
    def fault(folder: Path) -> None:
        (folder / name).write_bytes(flipped((folder / name).read_bytes()))

    return fault


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    **{f"bit flip in {name}": (bit(name), "") for name in sorted(EXPECTED)},
    **{f"{n} missing": (lambda d, n=n: (d / n).unlink(), "") for n in sorted(EXPECTED)},
    **{f"{n} a link": (lambda d, n=n: replace_with_link(d / n), "") for n in sorted(EXPECTED)},
    "one file too many": (lambda d: (d / "more.txt").write_text(""), "not a file of the release"),
    "a folder too many": (lambda d: (d / "more").mkdir(), "not a file of the release"),
    "statement changed": (
        envelope(lambda e, s: s["predicate"].update(version="v0.3.0")),
        "does not match",
    ),
    "signature removed": (envelope(lambda e, s: e.update(signatures=[])), "is not signed"),
    "old format": (
        lambda d: (d / "release.json").write_text('{"statement": {}, "signatures": []}'),
        "the publisher releases it again",
    ),
    "no folder": (shutil.rmtree, "no such file"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_after_the_pull_is_found_offline(
    pulled: Path, released_lab: Lab, tmp_path: Path, name: str
) -> None:
    fault, words = CHANGES[name]
    folder = tmp_path / "folder"
    shutil.copytree(pulled, folder)
    trusted = read_trust(released_lab.trust)
    assert verify(folder, trusted).key
    fault(folder)
    with pytest.raises(TiprdcError) as refused:
        verify(folder, trusted)
    assert words in str(refused.value)
