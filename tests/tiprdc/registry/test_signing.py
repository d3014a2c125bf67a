"""Keys and signatures: what counts, until when, and for what."""

from __future__ import annotations

import base64
import json
import stat
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.registry.signing import (
    TrustedKey,
    canonical,
    generate,
    load_private,
    read_trust,
    sign,
    verify_signature,
)

DOCUMENT: dict[str, Any] = {"b": 1.0, "a": ["é", 1e-7, None], "c": {"y": 2, "x": True}}


def keys(folder: Path, name: str = "us", **given: Any) -> tuple[Any, tuple[TrustedKey, ...]]:
    generate(name, folder / f"{name}.pem", folder / f"{name}.json", **given)
    return load_private(folder / f"{name}.pem"), read_trust(folder / f"{name}.json")


def test_canonical_json_is_rfc_8785s() -> None:
    """Sorted keys, no spaces, shortest numbers, UTF-8: as section 3.2 of the RFC has it."""
    assert canonical(DOCUMENT) == '{"a":["é",1e-7,null],"b":1,"c":{"x":true,"y":2}}'.encode()
    assert canonical(dict(reversed(DOCUMENT.items()))) == canonical(DOCUMENT)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60])
def test_what_has_no_canonical_form_is_refused(value: float) -> None:
    with pytest.raises(ReleaseError):
        canonical({"a": value})


def test_ed25519_is_rfc_8032s() -> None:
    """Its first test vector, through our own reading of a key file."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")


def test_a_key_pair_is_two_files_of_which_one_is_ours_alone(tmp_path: Path) -> None:
    id_ = generate("us", tmp_path / "k", tmp_path / "t", date(2027, 1, 1))
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    (key,) = read_trust(tmp_path / "t")
    assert (key.name, key.id, key.expires) == ("us", id_, date(2027, 1, 1))
    assert "PRIVATE" not in (tmp_path / "t").read_text()


@pytest.mark.parametrize("taken", ["k", "t"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        generate("us", tmp_path / "k", tmp_path / "t")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_who_signs_vouches(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    _, others = keys(tmp_path, "them")
    signature = sign(DOCUMENT, "release", key)
    found = verify_signature(DOCUMENT, "release", [signature], (*others, *trusted), "x")
    assert found.name == "us"


CHANGED: dict[str, Any] = {
    "a value": {**DOCUMENT, "b": 2},
    "a key more": {**DOCUMENT, "d": 0},
    "a key less": {"b": 1.0},
    "the order of a list": {**DOCUMENT, "a": ["é", None, 1e-7]},
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_document_is_not_vouched_for(tmp_path: Path, name: str) -> None:
    key, trusted = keys(tmp_path)
    with pytest.raises(ReleaseError, match="does not fit"):
        verify_signature(CHANGED[name], "release", [sign(DOCUMENT, "release", key)], trusted, "x")


def test_a_signature_counts_for_its_purpose_alone(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    with pytest.raises(ReleaseError, match="does not fit"):
        verify_signature(DOCUMENT, "release", [sign(DOCUMENT, "promotion", key)], trusted, "x")


def test_one_good_signature_among_bad_ones_is_enough(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    good = sign(DOCUMENT, "release", key)
    bad = {**good, "ed25519": base64.b64encode(bytes(64)).decode()}
    strange = {"key": "0" * 16, "ed25519": "not base64 at all"}
    assert verify_signature(DOCUMENT, "release", [strange, bad, good], trusted, "x").name == "us"


def test_an_expired_key_beside_one_that_counts(tmp_path: Path) -> None:
    old, gone = keys(tmp_path, "old", expires=date(2026, 1, 1))
    new, still = keys(tmp_path, "new", expires=date(2030, 1, 1))
    signatures = [sign(DOCUMENT, "release", key) for key in (old, new)]
    today = date(2026, 1, 2)
    assert (
        verify_signature(DOCUMENT, "release", signatures, (*gone, *still), "x", today).name == "new"
    )
    with pytest.raises(ReleaseError, match="the key of old expired on 2026-01-01"):
        verify_signature(DOCUMENT, "release", signatures, gone, "x", today)


def rsa_key() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def locked_key() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize("content", [rsa_key, locked_key, lambda: b"nothing"])
def test_what_is_no_key_of_ours_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "k"
    path.write_bytes(content())
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"kind of key|not such a key"):
        load_private(path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    keys(tmp_path)
    (tmp_path / "us.pem").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_private(tmp_path / "us.pem")
    with pytest.raises(ConfigError, match="No such file"):
        load_private(tmp_path / "none.pem")


PUBLIC = base64.b64encode(bytes(32)).decode()
NO_TRUST: dict[str, Any] = {
    "no version": {"keys": []},
    "later version": {"trust_version": 2, "keys": []},
    "nobody": {"trust_version": 1, "keys": []},
    "short key": {"trust_version": 1, "keys": [{"name": "a", "public_key": "AAAA"}]},
    "no base64": {"trust_version": 1, "keys": [{"name": "a", "public_key": "?"}]},
    "no key": {"trust_version": 1, "keys": [{"name": "a"}]},
    "no name": {"trust_version": 1, "keys": [{"public_key": PUBLIC}]},
    "no date": {
        "trust_version": 1, "keys": [{"name": "a", "public_key": PUBLIC, "expires": "soon"}],
    },
    "keys of another kind": {"trust_version": 1, "keys": 7},
}  # fmt: skip


@pytest.mark.parametrize("name", NO_TRUST)
def test_a_trust_file_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t"
    path.write_text(json.dumps(NO_TRUST[name]))
    with pytest.raises(TiprdcError):
        read_trust(path)


@pytest.mark.parametrize("package", ["rfc8785", "cryptography"])
def test_the_bare_install_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    _, trusted = keys(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r'pip install "tiprdc\[verify\]"'):
        verify_signature(DOCUMENT, "release", [{"key": "0", "ed25519": ""}], trusted, "x")
    with pytest.raises(ConfigError, match="is not installed"):
        generate("us", tmp_path / "k", tmp_path / "t")
    with pytest.raises(ConfigError, match="is not installed"):
        load_private(tmp_path / "us.pem")
