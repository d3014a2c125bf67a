"""Keys and signatures: which key counts, until when, and over which bytes."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tiprdc.errors import ConfigError, ReleaseError, TiprdcError
from tiprdc.formats.envelope import PAYLOAD_TYPE, Envelope, Signature, encode_json, parse_envelope
from tiprdc.registry.signing import (
    TrustedKey,
    generate,
    load_private,
    read_trust,
    sign,
    verify_signature,
)

DOCUMENT: dict[str, Any] = {"b": 1.0, "a": ["é", 1e-7, None], "c": {"y": 2, "x": True}}
PAYLOAD = encode_json(DOCUMENT)


def keys(folder: Path, name: str = "us", **options: Any) -> tuple[Any, tuple[TrustedKey, ...]]:
    generate(name, folder / f"{name}.pem", folder / f"{name}.json", **options)
    return load_private(folder / f"{name}.pem"), read_trust(folder / f"{name}.json")


def with_signatures(*signatures: Signature) -> Envelope:
    return Envelope(payload=PAYLOAD, signatures=signatures)


def test_payload_bytes_do_not_depend_on_key_order() -> None:
    assert encode_json(DOCUMENT) == '{"a":["é",1e-07,null],"b":1.0,"c":{"x":true,"y":2}}'.encode()
    assert encode_json(dict(reversed(DOCUMENT.items()))) == PAYLOAD


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_value_without_json_form_is_refused(value: object) -> None:
    with pytest.raises(ReleaseError):
        encode_json({"a": value})


def test_ed25519_matches_rfc_8032() -> None:
    """Its first test vector, through the library that we use."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")


def test_key_pair_is_private_file_and_trust_file(tmp_path: Path) -> None:
    id_ = generate("us", tmp_path / "k", tmp_path / "t", date(2027, 1, 1))
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    (key,) = read_trust(tmp_path / "t")
    assert (key.name, key.id, key.expires) == ("us", id_, date(2027, 1, 1))
    assert "PRIVATE" not in (tmp_path / "t").read_text()


@pytest.mark.parametrize("taken", ["k", "t"])
def test_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        generate("us", tmp_path / "k", tmp_path / "t")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_signature_of_trusted_key_is_accepted(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    _, others = keys(tmp_path, "them")
    signer = verify_signature(sign(PAYLOAD, key), (*others, *trusted), "x")
    assert signer.name == "us"


def pre_authentication_encoding(payload_type: bytes, payload: bytes) -> bytes:
    """PAE of the DSSE v1 specification, section "Signature Definition"."""
    return b" ".join([
        b"DSSEv1",
        str(len(payload_type)).encode(),
        payload_type,
        str(len(payload)).encode(),
        payload,
    ])  # fmt: skip


def test_envelope_is_verified_by_the_specification_alone(tmp_path: Path) -> None:
    """With `cryptography` and the words of DSSE, as any other tool does."""
    key, _ = keys(tmp_path)
    document = json.loads(encode_json(sign(PAYLOAD, key)))
    assert set(document) == {"payload", "payloadType", "signatures"}
    assert document["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.standard_b64decode(document["payload"])
    assert json.loads(payload) == DOCUMENT
    (signature,) = document["signatures"]
    public = serialization.load_pem_public_key(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(
        base64.standard_b64decode(signature["sig"]),
        pre_authentication_encoding(document["payloadType"].encode(), payload),
    )


CHANGED: dict[str, dict[str, Any]] = {
    "a value": {**DOCUMENT, "b": 2},
    "a key more": {**DOCUMENT, "d": 0},
    "a key less": {"b": 1.0},
    "the order of a list": {**DOCUMENT, "a": ["é", None, 1e-7]},
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_document_is_refused(tmp_path: Path, name: str) -> None:
    key, trusted = keys(tmp_path)
    envelope = msgspec.structs.replace(sign(PAYLOAD, key), payload=encode_json(CHANGED[name]))
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(envelope, trusted, "x")


def test_same_document_in_other_bytes_is_refused(tmp_path: Path) -> None:
    """The signature is over bytes: whitespace is a change."""
    key, trusted = keys(tmp_path)
    envelope = msgspec.structs.replace(sign(PAYLOAD, key), payload=json.dumps(DOCUMENT).encode())
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(envelope, trusted, "x")
    assert verify_signature(sign(envelope.payload, key), trusted, "x").name == "us"


OTHER_TYPE = "application/json"


def signature_over(key: Any, payload_type: str) -> Signature:
    data = pre_authentication_encoding(payload_type.encode(), PAYLOAD)
    keyid = sign(PAYLOAD, key).signatures[0].keyid
    return Signature(keyid=keyid, sig=base64.b64encode(key.sign(data)).decode())


def test_signature_over_another_payload_type_is_refused(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    same = with_signatures(signature_over(key, PAYLOAD_TYPE))
    assert verify_signature(same, trusted, "x").name == "us"
    other = with_signatures(signature_over(key, OTHER_TYPE))
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(other, trusted, "x")


def test_envelope_of_another_payload_type_is_refused(tmp_path: Path) -> None:
    """Also with a valid signature of a trusted key over that type."""
    key, _ = keys(tmp_path)
    document = json.loads(encode_json(with_signatures(signature_over(key, OTHER_TYPE))))
    document["payloadType"] = OTHER_TYPE
    with pytest.raises(ReleaseError, match="payloadType"):
        parse_envelope(json.dumps(document), "x")


def test_signature_over_bare_payload_is_refused(tmp_path: Path) -> None:
    """As before DSSE, without the encoding that binds the type."""
    key, trusted = keys(tmp_path)
    keyid = sign(PAYLOAD, key).signatures[0].keyid
    bare = Signature(keyid=keyid, sig=base64.b64encode(key.sign(PAYLOAD)).decode())
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(with_signatures(bare), trusted, "x")


def test_one_valid_signature_among_bad_ones_is_enough(tmp_path: Path) -> None:
    key, trusted = keys(tmp_path)
    (good,) = sign(PAYLOAD, key).signatures
    bad = Signature(keyid=good.keyid, sig=base64.b64encode(bytes(64)).decode())
    strange = Signature(keyid="0" * 64, sig="not base64 at all")
    anonymous = Signature(sig=good.sig)
    envelope = with_signatures(strange, bad, anonymous, good)
    assert verify_signature(envelope, trusted, "x").name == "us"
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(with_signatures(strange, bad), trusted, "x")


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_signers_one_trusted_is_enough(tmp_path: Path, first: int) -> None:
    (us, trusted), (them, _) = keys(tmp_path), keys(tmp_path, "them")
    signatures = [sign(PAYLOAD, key).signatures[0] for key in (us, them)]
    envelope = with_signatures(signatures[first], signatures[1 - first])
    assert verify_signature(envelope, trusted, "x").name == "us"
    with pytest.raises(ReleaseError, match="which your trust file does not name"):
        verify_signature(with_signatures(signatures[1]), trusted, "x")


def test_signature_under_the_id_of_a_trusted_key_is_refused(tmp_path: Path) -> None:
    (us, trusted), (them, _) = keys(tmp_path), keys(tmp_path, "them")
    forged = Signature(
        keyid=sign(PAYLOAD, us).signatures[0].keyid, sig=sign(PAYLOAD, them).signatures[0].sig
    )
    with pytest.raises(ReleaseError, match="does not match"):
        verify_signature(with_signatures(forged), trusted, "x")


def test_unsigned_envelope_is_refused(tmp_path: Path) -> None:
    _, trusted = keys(tmp_path)
    with pytest.raises(ReleaseError, match="is not signed"):
        verify_signature(sign(PAYLOAD, None), trusted, "x")


def test_expired_key_beside_a_valid_one(tmp_path: Path) -> None:
    old, expired = keys(tmp_path, "old", expires=date(2026, 1, 1))
    new, valid = keys(tmp_path, "new", expires=date(2030, 1, 1))
    envelope = with_signatures(*(sign(PAYLOAD, key).signatures[0] for key in (old, new)))
    today = date(2026, 1, 2)
    assert verify_signature(envelope, (*expired, *valid), "x", today).name == "new"
    with pytest.raises(ReleaseError, match="the key of old expired on 2026-01-01"):
        verify_signature(envelope, expired, "x", today)


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
def test_file_without_an_ed25519_key_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "k"
    path.write_bytes(content())
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"kind of key|not such a key"):
        load_private(path)


def test_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
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
    "no key in it": {"trust_version": 1, "keys": []},
    "short key": {"trust_version": 1, "keys": [{"name": "a", "public_key": "AAAA"}]},
    "no base64": {"trust_version": 1, "keys": [{"name": "a", "public_key": "?"}]},
    "no public key": {"trust_version": 1, "keys": [{"name": "a"}]},
    "no name": {"trust_version": 1, "keys": [{"public_key": PUBLIC}]},
    "no date": {
        "trust_version": 1, "keys": [{"name": "a", "public_key": PUBLIC, "expires": "soon"}],
    },
    "keys of another kind": {"trust_version": 1, "keys": 7},
}  # fmt: skip


@pytest.mark.parametrize("name", NO_TRUST)
def test_malformed_trust_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t"
    path.write_text(json.dumps(NO_TRUST[name]))
    with pytest.raises(TiprdcError):
        read_trust(path)


@pytest.mark.parametrize("package", ["securesystemslib", "cryptography"])
def test_bare_install_names_the_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    _, trusted = keys(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r'pip install "tiprdc\[verify\]"'):
        verify_signature(with_signatures(Signature(keyid="0", sig="")), trusted, "x")
    with pytest.raises(ConfigError, match="is not installed"):
        generate("us", tmp_path / "k", tmp_path / "t")
    with pytest.raises(ConfigError, match="is not installed"):
        load_private(tmp_path / "us.pem")


def test_key_is_made_outside_of_every_work_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repository = tmp_path / "clone"
    (repository / "keys").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for folder in (repository, repository / "keys"):
        with pytest.raises(ConfigError, match="in a Git work tree"):
            generate("us", folder / "release.pem", folder / "trust")
        assert list(folder.glob("*e*.pem")) == []
    monkeypatch.chdir(repository)
    with pytest.raises(ConfigError, match="in a Git work tree") as raised:
        generate("us", Path("release.pem"), Path("trust"))
    assert raised.value.hint == "-o ~/release.pem"
    assert generate("us", tmp_path / "release.pem", tmp_path / "trust")
