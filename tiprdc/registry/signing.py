"""Ed25519 signatures over canonical JSON: who vouches for a statement, and whom a puller trusts.

The signed bytes are a line that names the purpose, then the document by RFC 8785: a signature under
a promotion is none under a release. Keys are PKCS#8 PEM files that their owner alone may read; whom
to trust is a JSON file that the puller holds and that no repository can change.

Source: Josefsson and Liusvaara 2017 (RFC 8032); Rundgren, Jordan and Erdtman 2020 (RFC 8785).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.files import read_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Purpose = Literal["release", "promotion"]

TRUST_VERSION = 1
_TRUST = f'{{"trust_version": {TRUST_VERSION}, "keys": [{{"name", "public_key", "expires"}}]}}'
_KEYGEN = "make one with `tiprdc keygen`"


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """Somebody whose signature counts.

    Args:
        name: As the trust file calls its owner.
        public: The 32 bytes of an Ed25519 public key.
        expires: Last day (UTC) on which its signatures are accepted; None: no end.
    """

    name: str
    public: bytes
    expires: date | None

    @property
    def id(self) -> str:
        """What a signature calls its key: 16 hex digits of the public key's sha256."""
        return _key_id(self.public)


def canonical(document: Mapping[str, Any]) -> bytes:
    """The one JSON text of a document (RFC 8785).

    Raises:
        ReleaseError: It holds what has no canonical form, e.g. a NaN or an integer above 2^53.
    """
    import rfc8785

    try:
        return rfc8785.dumps(dict(document))
    except rfc8785.CanonicalizationError as error:
        raise ReleaseError("statement", str(error), "JSON with finite numbers") from error


def canonical_sha256(document: Mapping[str, Any]) -> str:
    """Hex digest of a document's canonical JSON."""
    return hashlib.sha256(canonical(document)).hexdigest()


def sign(document: Mapping[str, Any], purpose: Purpose, key: Ed25519PrivateKey) -> dict[str, str]:
    """A signature: the key's id and 64 bytes in base64."""
    public = key.public_key().public_bytes_raw()
    signature = key.sign(_signed(document, purpose))
    return {"key": _key_id(public), "ed25519": base64.b64encode(signature).decode()}


def verify_signature(
    document: Mapping[str, Any],
    purpose: Purpose,
    signatures: Sequence[Mapping[str, str]],
    trusted: Sequence[TrustedKey],
    where: str,
    today: date | None = None,
) -> TrustedKey:
    """Who of the trusted vouches for a document.

    Args:
        document: What was signed.
        purpose: As what.
        signatures: Any number; one good one is enough.
        trusted: Of the puller's file.
        where: Names the document in errors.
        today: To compare with expiry; today's date in UTC unless told.

    Raises:
        ReleaseError: Nobody trusted signed, a signature is wrong, or its key expired.
    """
    _need_cryptography()
    expected = "a good signature by a key that you trust"
    if not signatures:
        raise ReleaseError(
            where, "nobody signed it", expected, "ask for a release made with --sign"
        )
    by_id = {key.id: key for key in trusted}
    known = [(by_id[s["key"]], s["ed25519"]) for s in signatures if s["key"] in by_id]
    if not known:
        ids = ", ".join(s["key"] for s in signatures)
        raise ReleaseError(where, f"signed by {ids}, unknown to you", expected)
    signed, today = _signed(document, purpose), today or datetime.now(UTC).date()
    good = [key for key, signature in known if _verifies(key, signature, signed)]
    if not good:
        raise ReleaseError(
            where, f"the signature of {known[0][0].name} does not fit", expected, "do not use it"
        )
    for key in good:
        if key.expires is None or today <= key.expires:
            return key
    raise ReleaseError(
        where, f"the key of {good[0].name} expired on {good[0].expires}", expected,
        "ask for a release signed by a key that is valid, or for a newer trust file",
    )  # fmt: skip


def read_trust(path: Path) -> tuple[TrustedKey, ...]:
    """Whom a trust file names.

    Raises:
        DataError: It cannot be read.
        ConfigError: It is not a trust file, or names nobody.
    """
    raw = read_json(path)
    try:
        if raw["trust_version"] != TRUST_VERSION:
            raise ValueError(f"trust_version {raw['trust_version']!r}")
        keys = tuple(_trusted(entry) for entry in raw["keys"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ConfigError(str(path), f"not a trust file: {error}", _TRUST, _KEYGEN) from error
    if not keys:
        raise ConfigError(str(path), "it names nobody", "at least one key", _KEYGEN)
    return keys


def generate(name: str, key_file: Path, trust_file: Path, expires: date | None = None) -> str:
    """Make a key pair: a private file for the signer, a trust file for pullers.

    Args:
        name: The owner, as pullers will see it.
        key_file: New file, mode 0600; never overwritten.
        trust_file: New file.
        expires: Last day of the public key; None: no end.

    Returns:
        The key's id.

    Raises:
        ConfigError: A file is there already, or cannot be written.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes_raw()
    entry = {
        "name": name,
        "public_key": base64.b64encode(public).decode(),
        "expires": expires.isoformat() if expires else None,
    }
    trust = json.dumps({"trust_version": TRUST_VERSION, "keys": [entry]}, indent=1) + "\n"
    for path in (key_file, trust_file):
        if path.exists() or path.is_symlink():
            raise ConfigError(str(path), "is there already", "a new file", "choose another name")
    _write_new(trust_file, trust.encode(), 0o644)
    _write_new(key_file, pem, 0o600)
    return _key_id(public)


def load_private(path: Path) -> Ed25519PrivateKey:
    """The key to sign with.

    Raises:
        ConfigError: No such file, not an Ed25519 key, or others may read it.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where, expected = str(path), "an Ed25519 key, PKCS#8 PEM without a passphrase, mode 0600"
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ConfigError(where, error.strerror or "unreadable", expected, _KEYGEN) from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(where, "others may read it", expected, f"chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise ConfigError(where, "not such a key", expected, _KEYGEN) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(where, "another kind of key", expected, _KEYGEN)
    return key


def _need_cryptography() -> None:
    """The bare install compares digests; signatures need two packages more.

    Raises:
        ConfigError: They are not there.
    """
    try:
        for name in ("cryptography", "rfc8785"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "signature", f"{error.name} is not installed", "cryptography and rfc8785",
            'pip install "tiprdc[verify]"',
        ) from error  # fmt: skip


def _signed(document: Mapping[str, Any], purpose: Purpose) -> bytes:
    return f"tiprdc {purpose} v1\n".encode() + canonical(document)


def _verifies(key: TrustedKey, signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(
            base64.b64decode(signature, validate=True), signed
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def _trusted(entry: Mapping[str, Any]) -> TrustedKey:
    public = base64.b64decode(entry["public_key"], validate=True)
    if len(public) != 32:
        raise ValueError("a public key has 32 bytes")
    expires = entry.get("expires")
    return TrustedKey(
        name=str(entry["name"]),
        public=public,
        expires=None if expires is None else date.fromisoformat(expires),
    )


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or "cannot be made", "a new file") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
