"""DSSE envelopes and in-toto statements: JSON models of signed documents, with guards on input.

An envelope holds a payload, its type and any number of signatures over both. Ours hold an in-toto
Statement v1: a predicate about files that are named by their sha256. `tiprdc.registry.signing`
makes and checks signatures.

Source: DSSE v1 (github.com/secure-systems-lab/dsse), in-toto Statement v1
(github.com/in-toto/attestation).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Generic, Literal, NoReturn, TypeVar

import msgspec

from tiprdc.errors import ReleaseError
from tiprdc.formats.files import sanitize

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"

_MOST_TEXT = 2**21
"""Characters of an envelope, which holds its payload in base64."""
_LARGEST_INTEGER = 2**53
"""Larger integers are read differently by different JSON parsers."""
_OLD_HINT = (
    "the publisher releases it again: `git commit --allow-empty -m 'Release again'`, then"
    " `python -m pipelines.release --bump patch --sign KEY --push`"
)

Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
P = TypeVar("P")


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an envelope.

    Args:
        keyid: Which key made it; not signed itself.
        sig: Base64 of the signature; checked only against a trusted key.
    """

    keyid: str = ""
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A DSSE envelope. Unknown fields are ignored, as DSSE asks: they are not signed.

    Args:
        payload: The signed bytes.
        payload_type: Their type, which is signed with them.
        signatures: Any number; none if it is unsigned.
    """

    payload: bytes
    payload_type: Literal["application/vnd.in-toto+json"] = PAYLOAD_TYPE
    signatures: tuple[Signature, ...] = ()


Signer = Callable[[bytes], Envelope]
"""Puts a payload into a signed envelope."""


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Digests of a file, in hex."""

    sha256: Sha256


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that a statement is about."""

    name: str
    digest: Digest


class Statement(msgspec.Struct, Generic[P], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An in-toto Statement v1 with a predicate of type P."""

    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(
        name="_type", default=STATEMENT_TYPE
    )
    subject: tuple[Subject, ...]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: P


def encode_json(document: object) -> bytes:
    """One JSON text of a document: sorted keys, no spaces.

    Raises:
        ReleaseError: It holds a NaN, an infinite number, or text that is no Unicode.
    """
    raw = msgspec.to_builtins(document)
    try:
        return json.dumps(
            raw, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        ).encode()
    except ValueError as error:
        raise ReleaseError("statement", str(error), "JSON with finite numbers") from error


def parse_envelope(text: str, where: str) -> Envelope:
    """Read an envelope; its signatures are not checked here.

    Raises:
        ReleaseError: It is no envelope around an in-toto statement.
    """
    raw = _load_json(text, where)
    if isinstance(raw, dict) and "statement" in raw and "payload" not in raw:
        given = "a statement in the old format, without a DSSE envelope, which is not read any more"
        raise ReleaseError(where, given, hint=_OLD_HINT)
    try:
        return msgspec.convert(raw, Envelope)
    except msgspec.ValidationError as error:
        raise _invalid(where, "a DSSE envelope", error) from error


def parse_statement(
    envelope: Envelope, predicate: type[P], predicate_type: str, where: str
) -> Statement[P]:
    """Read the statement in an envelope; its signatures are not checked here.

    Args:
        envelope: The envelope.
        predicate: Model of the predicate.
        predicate_type: The URI that the statement must give for it.
        where: Names the statement in errors.

    Raises:
        ReleaseError: It is no statement of this type, or a field of it is missing, unknown or out
            of range.
    """
    raw = _load_json(envelope.payload, where)
    actual = raw.get("predicateType") if isinstance(raw, dict) else None
    if actual != predicate_type:
        given = f"a statement of predicateType {sanitize(str(actual))[:100]}"
        raise ReleaseError(where, given, predicate_type)
    try:
        _check_printable(raw)
        return msgspec.convert(raw, Statement[predicate])  # type: ignore[valid-type]
    except (ValueError, RecursionError) as error:
        raise _invalid(where, f"a statement of {predicate_type}", error) from error


def _invalid(where: str, kind: str, error: Exception) -> ReleaseError:
    """Messages of msgspec give types, patterns and field names, never a value."""
    return ReleaseError(where, f"not {kind}: {sanitize(str(error))[:300]}")


def _load_json(text: str | bytes, where: str) -> Any:
    if len(text) > _MOST_TEXT:
        raise ReleaseError(where, f"{len(text):,} characters", f"at most {_MOST_TEXT:,}")
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_exact_integer,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__
        raise ReleaseError(where, f"no statement can be read from it ({reason})") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _exact_integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > _LARGEST_INTEGER:
        raise ValueError("an integer above 2^53")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers may disagree on which of two equal keys counts."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _check_printable(value: object) -> None:
    """Refuse text that could rewrite a terminal."""
    if isinstance(value, str) and sanitize(value) != value:
        raise ValueError("a control character in a text")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_printable(key)
            _check_printable(item)
    if isinstance(value, list):
        for item in value:
            _check_printable(item)
