"""Ed25519 signatures of DSSE envelopes: key files, trust files, and the check of a signature.

A signature covers the payload and its type. Keys are PKCS#8 PEM files that only their owner may
read. A trust file is JSON; the puller holds it, and no repository can change it.

Source: Josefsson and Liusvaara 2017 (RFC 8032); DSSE v1 (github.com/secure-systems-lab/dsse).
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiprdc.errors import ConfigError, ReleaseError
from tiprdc.formats.envelope import PAYLOAD_TYPE, Envelope, Signature, Signer
from tiprdc.formats.files import read_json, sanitize
from tiprdc.registry.git import Git

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import SSlibKey

TRUST_VERSION = 1
_TRUST = f'{{"trust_version": {TRUST_VERSION}, "keys": [{{"name", "public_key", "expires"}}]}}'
_PEM_HEAD_BYTES = 64
_KEYGEN = "make one with `tiprdc keygen`"


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """A public key of a trust file.

    Args:
        name: Its owner, as the trust file has it.
        public: The 32 bytes of an Ed25519 public key.
        expires: Last day (UTC) on which its signatures are accepted; None: no end.
    """

    name: str
    public: bytes
    expires: date | None

    @property
    def id(self) -> str:
        """The key id in signatures: 64 hex digits, as securesystemslib computes it."""
        return _public_key(self.public).keyid


def sign(payload: bytes, key: Ed25519PrivateKey | None) -> Envelope:
    """Put an in-toto statement into an envelope.

    Args:
        payload: The statement.
        key: Signs it; None: the envelope is unsigned.
    """
    if key is None:
        return Envelope(payload=payload)
    from securesystemslib import dsse
    from securesystemslib.signer import CryptoSigner

    signature = dsse.Envelope(payload, PAYLOAD_TYPE, {}).sign(CryptoSigner(key))
    text = base64.b64encode(bytes.fromhex(signature.signature)).decode()
    return Envelope(payload=payload, signatures=(Signature(keyid=signature.keyid, sig=text),))


def make_signer(key_file: Path) -> Signer:
    """A function that signs payloads with a key; the key file is read now.

    Raises:
        ConfigError: The key cannot be used.
    """
    key = load_private(key_file)
    return lambda payload: sign(payload, key)


def verify_signature(
    envelope: Envelope, trusted: Sequence[TrustedKey], where: str, today: date | None = None
) -> TrustedKey:
    """Find a trusted key that signed an envelope.

    Args:
        envelope: With any number of signatures; one valid one of a trusted key is enough.
        trusted: Keys of the puller's trust file.
        where: Names the document in errors.
        today: Compared with expiry; default: today's date in UTC.

    Raises:
        ReleaseError: No trusted key signed it, the signature does not match, or the key expired.
    """
    _require_packages()
    if not envelope.signatures:
        raise ReleaseError(where, "it is not signed", hint="ask for a release made with --sign")
    keys = {key.id: key for key in trusted}
    candidates = [(keys[s.keyid], s) for s in envelope.signatures if s.keyid in keys]
    if not candidates:
        ids = ", ".join(sanitize(s.keyid)[:16] or "a key without id" for s in envelope.signatures)
        given = f"signed by {ids}, which your trust file does not name"
        raise ReleaseError(where, given, hint="ask the publisher for a trust file, not the server")
    valid = [key for key, signature in candidates if _matches(envelope, key, signature)]
    if not valid:
        given = f"the signature of {candidates[0][0].name} does not match"
        raise ReleaseError(where, given, hint="do not use this release: it was changed")
    today = today or datetime.now(UTC).date()
    for key in valid:
        if key.expires is None or today <= key.expires:
            return key
    raise ReleaseError(
        where, f"the key of {valid[0].name} expired on {valid[0].expires}",
        hint="ask for a release signed by a valid key, or for a newer trust file",
    )  # fmt: skip


def read_trust(path: Path) -> tuple[TrustedKey, ...]:
    """Keys of a trust file.

    Raises:
        DataError: It cannot be read.
        ConfigError: It is not a trust file, or has no key.
    """
    raw = read_json(path)
    try:
        if raw["trust_version"] != TRUST_VERSION:
            raise ValueError(f"trust_version {raw['trust_version']!r}")
        keys = tuple(_trusted_key(entry) for entry in raw["keys"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ConfigError(str(path), f"not a trust file: {error}", _TRUST, _KEYGEN) from error
    if not keys:
        raise ConfigError(str(path), "it has no key", "at least one key", _KEYGEN)
    return keys


def generate(name: str, key_file: Path, trust_file: Path, expires: date | None = None) -> str:
    """Make a key pair: a private file for the signer, a trust file for pullers.

    Args:
        name: The owner, as pullers will see it.
        key_file: New file, mode 0600; never overwritten.
        trust_file: New file.
        expires: Last day (UTC) of the public key; None: no end.

    Returns:
        The key's id.

    Raises:
        ConfigError: A file exists already or cannot be written, or the private file would be in a
            Git work tree.
    """
    _require_packages()
    _refuse_work_tree(key_file)
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
            raise ConfigError(str(path), "already exists", "a new file", "choose another name")
    _write_new(trust_file, trust.encode(), 0o644)
    _write_new(key_file, pem, 0o600)
    return _public_key(public).keyid


def is_private_key(path: Path) -> bool:
    """Whether a file begins as a private key in PEM does; False if it cannot be read."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(_PEM_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(b"-----BEGIN") and b"PRIVATE KEY" in head.partition(b"\n")[0]


def tracked_private_keys(git: Git) -> list[str]:
    """Paths of private keys among the files that Git tracks, relative to the repository's folder.

    Raises:
        ReleaseError: It is no repository.
    """
    root = Path(git("rev-parse", "--show-toplevel").rstrip("\n"))
    names = git("ls-files", "-z", "--full-name", ":/").split("\0")
    return [name for name in names if name and is_private_key(root / name)]


def _refuse_work_tree(key_file: Path) -> None:
    """A key beside code is committed sooner or later, and a release needs a clean tree."""
    try:
        inside = Git(key_file.absolute().parent)("rev-parse", "--is-inside-work-tree")
    except ReleaseError:
        # No repository, no such folder, or no git.
        return
    if inside.strip() == "true":
        raise ConfigError(
            str(key_file), "it would be in a Git work tree", "a file outside of every repository",
            f"-o {Path('~', key_file.name)}",
        )  # fmt: skip


def load_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        ConfigError: No such file, not an Ed25519 key, or others may read it.
    """
    _require_packages()
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


def _require_packages() -> None:
    """The bare install compares digests; signatures need two more packages.

    Raises:
        ConfigError: They are not installed.
    """
    try:
        for name in ("cryptography", "securesystemslib"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "signature", f"{error.name} is not installed", "cryptography and securesystemslib",
            'pip install "tiprdc[verify]"',
        ) from error  # fmt: skip


def _public_key(public: bytes) -> SSlibKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(public))


def _matches(envelope: Envelope, key: TrustedKey, signature: Signature) -> bool:
    from securesystemslib import dsse
    from securesystemslib.exceptions import Error
    from securesystemslib.signer import Signature as LibrarySignature

    try:
        raw = base64.b64decode(signature.sig, validate=True)
        # One signature at a time: the library keeps only one of several with the same key id.
        one = {key.id: LibrarySignature(key.id, raw.hex())}
        dsse.Envelope(envelope.payload, envelope.payload_type, one).verify(
            [_public_key(key.public)], 1
        )
    except (Error, ValueError):
        return False
    return True


def _trusted_key(entry: Mapping[str, Any]) -> TrustedKey:
    public = base64.b64decode(entry["public_key"], validate=True)
    if len(public) != 32:
        raise ValueError("a public key has 32 bytes")
    expires = entry.get("expires")
    return TrustedKey(
        name=str(entry["name"]),
        public=public,
        expires=None if expires is None else date.fromisoformat(expires),
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or "cannot be made", "a new file") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
