"""Faults between a release and a puller: every bad byte is refused, and nothing is left behind."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.params.load import load
from pipelines.release import lifecycle
from tests.helpers.release_project import Lab, audit_report
from tiprdc.audit.config import AuditConfig
from tiprdc.errors import TiprdcError
from tiprdc.formats.envelope import encode_json
from tiprdc.formats.files import sha256
from tiprdc.registry.git import Git
from tiprdc.registry.pull import VersionSelector, pull
from tiprdc.registry.signing import generate, load_private, read_trust, sign

V2 = VersionSelector(version="v0.2.0")
PROD, STAGING = VersionSelector(stage="prod"), VersionSelector(stage="staging")
MODEL = "artifacts/release/extractor.onnx"
Break = Callable[[Lab], object]


@pytest.fixture
def lab(released_lab: Lab, tmp_path: Path) -> Lab:
    return released_lab.copy(tmp_path / "lab")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "device").mkdir()
    return tmp_path / "device" / "extractor"


def object_(change: Callable[[bytes], bytes], path: str = MODEL) -> Break:
    def fault(lab: Lab) -> None:
        stored = lab.stored(path)
        stored.write_bytes(change(stored.read_bytes()))

    return fault


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def swapped(lab: Lab) -> None:
    """Valid bytes of another version under this version's name."""
    lab.git("checkout", "-q", "extractor@v0.1.0")
    lab.dvc("checkout", "-q")
    other = lab.stored(MODEL).read_bytes()
    lab.git("checkout", "-q", "main")
    lab.dvc("checkout", "-q")
    lab.stored(MODEL).write_bytes(other)


def listing(change: Callable[[list[dict[str, str]]], object]) -> Break:
    def fault(lab: Lab) -> None:
        entries = json.loads(lab.listing().read_text())
        lab.listing().write_text(json.dumps(change(entries)))

    return fault


def redirected(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """Each name leads to the other's bytes."""
    digests = [entry["md5"] for entry in reversed(entries)]
    return [{**entry, "md5": digest} for entry, digest in zip(entries, digests, strict=True)]


def statement(**changes: Any) -> Break:
    """The statement has other fields; its signature stays."""
    return lambda lab: lab.retag("extractor@v0.2.0", lambda e: e["statement"].update(changes))


def predicate(**changes: Any) -> Break:
    """The predicate has other fields; the signature stays."""
    return lambda lab: lab.retag(
        "extractor@v0.2.0", lambda e: e["statement"]["predicate"].update(changes)
    )


def payload(text: str, signed: bool = False) -> Break:
    """Other bytes as the payload, under the old signature or a new one by the trusted key."""

    def fault(lab: Lab) -> None:
        envelope = sign(text.encode(), load_private(lab.key) if signed else None)
        message(f"x\n\n{encode_json(envelope).decode()}")(lab)

    return fault


def statement_of(lab: Lab) -> dict[str, Any]:
    git = Git(lab.origin)
    text = git.message(git.tags()["extractor@v0.2.0"]).split("\n\n")[1]
    document: dict[str, Any] = json.loads(base64.b64decode(json.loads(text)["payload"]))
    return document


def signed_again(change: Callable[[dict[str, Any]], object]) -> Break:
    """A trusted key signs another statement in the place of the version's."""

    def fault(lab: Lab) -> None:
        document = statement_of(lab)
        change(document)
        payload(json.dumps(document), signed=True)(lab)

    return fault


def other_payload_type(lab: Lab) -> None:
    """The payload under another type, with a good signature over that type."""
    text = json.dumps(statement_of(lab))
    envelope = json.loads(encode_json(sign(text.encode(), load_private(lab.key))))
    data = f"DSSEv1 16 application/json {len(text)} {text}".encode()
    signature = base64.b64encode(load_private(lab.key).sign(data)).decode()
    envelope["payloadType"] = "application/json"
    envelope["signatures"][0]["sig"] = signature
    message(f"x\n\n{json.dumps(envelope)}")(lab)


def old_format(lab: Lab) -> None:
    """A tag as releases were made before envelopes."""
    document = {"statement": {"statement_version": 1}, "signatures": []}
    message(f"x\n\n{json.dumps(document)}")(lab)


def files(change: Callable[[dict[str, Any]], None]) -> Break:
    """The statement has other files, as predicate and as subjects; its signature stays."""

    def edit(envelope: dict[str, Any]) -> None:
        released = envelope["statement"]["predicate"]["files"]
        change(released)
        envelope["statement"]["subject"] = [
            {"name": name, "digest": {"sha256": file["sha256"]}}
            for name, file in sorted(released.items())
        ]

    return lambda lab: lab.retag("extractor@v0.2.0", edit)


def renamed(name: str) -> Break:
    def change(stated: dict[str, Any]) -> None:
        stated[name] = stated.pop("extractor.onnx")

    return files(change)


def added(name: str) -> Break:
    return files(lambda stated: stated.update({name: dict(stated["model_card.md"])}))


def model(**changes: Any) -> Break:
    return files(lambda stated: stated["extractor.onnx"].update(changes))


def message(text: str) -> Break:
    def fault(lab: Lab) -> None:
        git = Git(lab.origin)
        commit = git.tags()["extractor@v0.2.0"].commit
        git("update-ref", "refs/tags/extractor@v0.2.0",
            git.make_tag("extractor@v0.2.0", commit, text))  # fmt: skip

    return fault


def forged(lab: Lab) -> None:
    """All bytes in Git and in DVC's remote agree; only the signature does not."""
    evil = flipped(lab.stored(MODEL).read_bytes())
    lab.stored(MODEL).write_bytes(evil)
    digest = sha256(lab.stored(MODEL))
    for path, name in (
        (f"{MODEL[:-14]}manifest.json", "manifest"),
        ("reports/audit.json", "audit"),
    ):
        stored = lab.stored(path)
        document = json.loads(stored.read_text())
        if name == "manifest":
            document["files"]["extractor.onnx"]["sha256"] = digest
        else:
            document["model_sha256"] = digest
        stored.write_text(json.dumps(document))
        new = {"bytes": stored.stat().st_size, "sha256": sha256(stored)}
        files(lambda f, name=name, new=new: f[f"{name}.json"].update(new))(lab)
    model(sha256=digest)(lab)


def failed_audit(lab: Lab) -> None:
    """The statement has the verdict PASS and names an audit with another."""
    stored = lab.stored("reports/audit.json")
    digest = sha256(lab.project / MODEL)
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    stored.write_text(audit_report(config, digest, rate=0.9).to_json())
    new = {"bytes": stored.stat().st_size, "sha256": sha256(stored)}
    files(lambda f: f["audit.json"].update(new))(lab)


def edited_verdict(lab: Lab) -> None:
    lab.retag(
        "extractor@v0.2.0", lambda e: e["statement"]["predicate"]["audit"].update(verdict="FAIL")
    )


def audit_of_another(lab: Lab) -> None:
    stored = lab.stored("reports/audit.json")
    stored.write_text(stored.read_text().replace(sha256(lab.project / MODEL), "e" * 64))
    new = {"bytes": stored.stat().st_size, "sha256": sha256(stored)}
    files(lambda f: f["audit.json"].update(new))(lab)


def moved(lab: Lab) -> None:
    """The name of the newer version leads to the older tag."""
    old = lab.tags()["extractor@v0.1.0"]
    lab.git("update-ref", "refs/tags/extractor@v0.2.0", old, at=lab.origin)


def moved_with_its_name(lab: Lab) -> None:
    old = Git(lab.origin).tags()["extractor@v0.1.0"].commit
    lab.retag("extractor@v0.2.0", commit=old)


def older_statement(lab: Lab) -> None:
    """The newer version's tag, commit and name with the older version's signed statement."""
    git = Git(lab.origin)
    text = git.message(git.tags()["extractor@v0.1.0"])
    message(text)(lab)


def by_hand(lab: Lab) -> None:
    lab.git("tag", "-f", "extractor@v0.2.0", "main", at=lab.origin)


def rewritten(lab: Lab) -> None:
    """The same tree in a history of its own; the old commits are gone."""
    tree = lab.git("rev-parse", "main^{tree}").strip()
    commit = lab.git("commit-tree", tree, "-m", "all anew").strip()
    lab.git("push", "-q", "--force", "origin", f"{commit}:refs/heads/main")
    lab.retag("extractor@v0.2.0", commit=commit)


def rewritten_with_statement(lab: Lab) -> None:
    rewritten(lab)
    commit = lab.git("rev-parse", "main", at=lab.origin).strip()
    predicate(revision=commit)(lab)


def no_change(lab: Lab) -> None:
    pass


def no_tags(lab: Lab) -> None:
    for name in lab.tags():
        lab.git("tag", "-d", name, at=lab.origin)


def promoted_unsigned(lab: Lab) -> None:
    lifecycle.promote(lab.project, "v0.2.0", "prod", None, push=True)


def promoted_by_a_tag(lab: Lab) -> None:
    lab.git("tag", "extractor#prod#9", "main", at=lab.origin)


def promotion_replayed(lab: Lab) -> None:
    lab.retag("extractor#staging#2", as_name="extractor#staging#9")


def promotion_moved(lab: Lab) -> None:
    old = Git(lab.origin).tags()["extractor@v0.1.0"].commit
    lab.retag("extractor#staging#2", commit=old)


def stripped(lab: Lab) -> None:
    lab.retag("extractor@v0.2.0", lambda e: e.update(signatures=[]))


def signature(change: Callable[[dict[str, str]], object]) -> Break:
    return lambda lab: lab.retag("extractor@v0.2.0", lambda e: change(e["signatures"][0]))


def promotion_as_release(lab: Lab) -> None:
    """The signed promotion of this very version, in the tag of the version."""
    git = Git(lab.origin)
    message(git.message(git.tags()["extractor#staging#2"]))(lab)


def release_as_promotion(lab: Lab) -> None:
    """The signed release in a tag of a lifecycle stage."""
    git = Git(lab.origin)
    text, commit = (
        git.message(git.tags()["extractor@v0.2.0"]),
        git.tags()["extractor@v0.2.0"].commit,
    )
    name = "extractor#staging#9"
    git("update-ref", f"refs/tags/{name}", git.make_tag(name, commit, text))


def deprecated(lab: Lab) -> None:
    lifecycle.deprecate(lab.project, "v0.2.0", "it leaks a bit", push=True)


def reaudited(lab: Lab) -> None:
    config = load("audit", AuditConfig, lab.project / "params.yaml")
    later = lab.folder / "later.json"
    later.write_text(
        audit_report(config, sha256(lab.project / MODEL), rate=0.8, suite="2.0.0").to_json()
    )
    lifecycle.reaudit(lab.project, "v0.2.0", later, push=True)


def unreadable_reaudit(lab: Lab) -> None:
    lab.git("tag", "-a", "-m", "?", "extractor+v0.2.0+audit+1", "main", at=lab.origin)


def no_dvc(lab: Lab) -> None:
    """A commit that is no DVC project; all else is unchanged."""
    lab.git("rm", "-rq", ".dvc")
    lab.git("commit", "-qm", "no DVC")
    lab.git("push", "-q", "origin", "main")
    commit = lab.git("rev-parse", "main").strip()
    lab.retag(
        "extractor@v0.2.0",
        lambda e: e["statement"]["predicate"].update(revision=commit),
        commit=commit,
    )


def wiped(folder: str) -> Break:
    return lambda lab: shutil.rmtree(lab.folder / folder)


def gone(path: str) -> Break:
    return lambda lab: lab.stored(path).unlink()


NOT_A_RELEASE = "not a statement of urn:tiprdc:release:v1"
NOT_NAMED = "which your trust file does not name"

FAULTS: dict[str, tuple[Break, VersionSelector, bool, str]] = {
    # DVC's remote
    "bit flip": (object_(flipped), V2, True, "sha256"),
    "bit flip, without trust": (object_(flipped), V2, False, "sha256"),
    "bit flip in the audit": (object_(flipped, "reports/audit.json"), V2, True, "sha256"),
    "bit flip in the card": (object_(flipped, "reports/model_card.md"), V2, True, "sha256"),
    "truncation": (object_(lambda b: b[:-1]), V2, True, "bytes"),
    "longer": (object_(lambda b: b + b"\0"), V2, True, "more than"),
    "empty": (object_(lambda b: b""), V2, True, "0 bytes"),
    "swapped object": (swapped, V2, True, "sha256"),
    "missing object": (gone(MODEL), V2, True, "extractor.onnx"),
    "missing audit": (gone("reports/audit.json"), V2, True, "audit.json"),
    "listing redirected": (listing(redirected), V2, True, "bytes"),
    "listing empty": (listing(lambda e: []), V2, True, "extractor.onnx"),
    "listing of another kind": (listing(lambda e: {"a": 1}), V2, True, "artifacts/release"),
    "listing gone": (lambda lab: lab.listing().unlink(), V2, True, "artifacts/release"),
    "whole remote gone": (wiped("store"), V2, True, "DVC remote"),
    # Git: tags
    "moved tag": (moved, V2, True, "holds the tag extractor@v0.1.0"),
    "moved tag, without trust": (moved, V2, False, "holds the tag extractor@v0.1.0"),
    "moved tag with its name": (moved_with_its_name, V2, False, "its statement is about"),
    "older statement": (older_statement, V2, True, "its statement is about"),
    "tag by hand": (by_hand, V2, False, "without a statement"),
    "rewritten history": (rewritten, V2, False, "its statement is about"),
    "rewritten history and statement": (rewritten_with_statement, V2, True, "does not match"),
    "missing tags": (no_tags, V2, True, "not registered"),
    "missing tags, any version": (no_tags, VersionSelector(), True, "no version"),
    "missing tags, by stage": (no_tags, PROD, True, "no version is in this stage"),
    "unknown version": (no_change, VersionSelector(version="v7.0.0"), True, "not registered"),
    "no version at all": (no_change, VersionSelector(version="latest"), True, "e.g. v1.2.0"),
    "unknown artifact": (no_change, VersionSelector(artifact="other"), True, "no version"),
    "unknown stage": (no_change, VersionSelector(stage="pro"), True, "did you mean 'prod'"),
    "no DVC in the commit": (no_dvc, V2, False, "DVC"),
    "repository gone": (wiped("origin.git"), V2, True, "git clone"),
    # statement
    "edited manifest": (model(sha256="f" * 64), V2, True, "does not match"),
    "edited manifest, without trust": (model(sha256="f" * 64), V2, False, "sha256"),
    "edited manifest and bytes": (forged, V2, True, "does not match"),
    "edited verdict": (edited_verdict, V2, False, "PASS"),
    "audit that failed": (failed_audit, V2, False, "FAIL of model"),
    "audit of another model": (audit_of_another, V2, False, "PASS of model eeeeeeeeeeee"),
    "no audit": (files(lambda f: f.pop("audit.json")), V2, False, "no audit.json"),
    "other artifact": (predicate(artifact="other"), V2, False, "its statement is about"),
    "later version of statements": (
        statement(predicateType="urn:tiprdc:release:v2"), V2, False, "urn:tiprdc:release:v2",
    ),
    "another in-toto version": (
        statement(_type="https://in-toto.io/Statement/v2"), V2, False, "_type",
    ),
    "old format": (old_format, V2, True, "python -m pipelines.release --bump patch"),
    "old format, without trust": (old_format, V2, False, "old format"),
    "unknown field": (predicate(more=1), V2, False, "unknown field `more`"),
    "unknown field beside the predicate": (statement(more=1), V2, False, "unknown field `more`"),
    "subjects of other files": (
        statement(subject=[{"name": "extractor.onnx", "digest": {"sha256": "f" * 64}}]),
        V2, False, "its subjects are not its files",
    ),
    "name that climbs": (added("../evil"), V2, False, "plain file names"),
    "name from the root": (added("/etc/evil"), V2, False, "plain file names"),
    "name with a backslash": (added("..\\evil"), V2, False, "plain file names"),
    "hidden name": (added(".bashrc"), V2, False, "plain file names"),
    "name of the statement": (added("release.json"), V2, False, "plain file names"),
    "names that differ in case": (added("Audit.json"), V2, False, "case alone"),
    "model of another name": (renamed("model.onnx"), V2, False, "no extractor.onnx"),
    "path that climbs": (model(path="../../etc/passwd"), V2, False, NOT_A_RELEASE),
    "path from the root": (model(path="/etc/passwd"), V2, False, NOT_A_RELEASE),
    "path into Git": (model(path=".git/config"), V2, False, NOT_A_RELEASE),
    "path of another file": (model(path="code.txt"), V2, False, "bytes"),
    "path of no file": (model(path="artifacts/none"), V2, False, "artifacts/none"),
    "negative size": (model(bytes=-1), V2, False, NOT_A_RELEASE),
    "size of a disk": (model(bytes=2**52), V2, False, NOT_A_RELEASE),
    "size beyond 2^53": (model(bytes=2**60), V2, False, "no statement can be read"),
    "size as text": (model(bytes="151"), V2, False, NOT_A_RELEASE),
    "bill of materials gone": (predicate(bom=None), V2, False, NOT_A_RELEASE),
    "no statement": (message("hello"), V2, False, "without a statement"),
    "no JSON": (message("x\n\n{"), V2, False, "no statement can be read"),
    "not a number": (message('x\n\n{"payload": NaN}'), V2, False, "no statement can be read"),
    "a key twice": (message('x\n\n{"a": 1, "a": 2}'), V2, False, "no statement can be read"),
    "deep nesting": (message("x\n\n{" + '"a":[' * 100000), V2, False, "no statement can be read"),
    # payload
    "payload with a key twice": (
        payload('{"predicateType": 1, "predicateType": 2}', True), V2, True,
        "no statement can be read",
    ),
    "payload with a key twice, deep": (
        payload('{"a": [{"b": 1, "b": 1}]}', True), V2, True, "no statement can be read",
    ),
    "payload not a number": (payload('{"a": NaN}', True), V2, True, "no statement can be read"),
    "payload with a large integer": (
        payload('{"a": 9007199254740993}', True), V2, True, "no statement can be read",
    ),
    "payload of another kind": (payload("[1]", True), V2, True, "predicateType None"),
    "payload of nothing": (payload("", True), V2, True, "no statement can be read"),
    "payload with a control character": (
        signed_again(lambda d: d["predicate"].update(released="\x1b[31m")), V2, True,
        "a control character",
    ),
    "another type of payload": (other_payload_type, V2, True, "payloadType"),
    "another type of payload, without trust": (other_payload_type, V2, False, "payloadType"),
    # signatures
    "not signed": (stripped, V2, True, "is not signed"),
    "half a signature": (signature(lambda s: s.update(sig="AA==")), V2, True, "does not match"),
    "unknown key": (
        signature(lambda s: s.update(keyid="0" * 64)), V2, True, NOT_NAMED,
    ),
    "no key id": (
        signature(lambda s: s.pop("keyid")), V2, True, NOT_NAMED,
    ),
    "promotion as a release": (
        promotion_as_release, V2, True, "predicateType urn:tiprdc:promotion:v1",
    ),
    "promotion as a release, without trust": (
        promotion_as_release, V2, False, "predicateType urn:tiprdc:promotion:v1",
    ),
    "release as a promotion": (
        release_as_promotion, STAGING, True, "predicateType urn:tiprdc:release:v1",
    ),
    "promoted without a key": (promoted_unsigned, PROD, True, "is not signed"),
    "promoted by a bare tag": (promoted_by_a_tag, PROD, True, "without a statement"),
    "promotion replayed": (promotion_replayed, STAGING, True, "it does not promote extractor@"),
    "promotion moved": (promotion_moved, STAGING, True, "it does not promote extractor@"),
    # blocked versions
    "deprecated": (deprecated, V2, True, "it leaks a bit"),
    "deprecated, by stage": (deprecated, STAGING, True, "it leaks a bit"),
    "failed a later audit": (reaudited, V2, True, "suite 2.0.0) has the verdict FAIL"),
    "later audit is unreadable": (unreadable_reaudit, V2, True, "has the verdict unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_refused_and_leaves_nothing(lab: Lab, target: Path, name: str) -> None:
    fault, selector, is_trusting, words = FAULTS[name]
    trusted = read_trust(lab.trust) if is_trusting else None
    fault(lab)
    with pytest.raises(TiprdcError) as refused:
        pull(str(lab.origin), selector, target, trusted)
    assert words in str(refused.value)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("fault", [deprecated, reaudited])
def test_newest_version_is_one_that_is_not_blocked(lab: Lab, target: Path, fault: Break) -> None:
    fault(lab)
    assert pull(str(lab.origin), VersionSelector(), target, None).release.version == "v0.1.0"
    other = target.with_name("other")
    selector = VersionSelector(version="v0.2.0", allow_deprecated=True)
    assert pull(str(lab.origin), selector, other, None).release.version == "v0.2.0"


def test_without_trust_a_consistent_forgery_is_pulled_unsigned(lab: Lab, target: Path) -> None:
    """The purpose of --trust: digests alone do not show it."""
    forged(lab)
    assert pull(str(lab.origin), V2, target, None).key is None


@pytest.mark.parametrize("day", [date(2027, 1, 1), date(2027, 1, 2)])
def test_key_counts_until_its_last_day(lab: Lab, target: Path, day: date) -> None:
    document = json.loads(lab.trust.read_text())
    document["keys"][0]["expires"] = "2027-01-01"
    lab.trust.write_text(json.dumps(document))
    trusted = read_trust(lab.trust)
    if day == date(2027, 1, 1):
        assert pull(str(lab.origin), V2, target, trusted, day).key
        return
    with pytest.raises(TiprdcError, match="the key of the releaser expired on 2027-01-01"):
        pull(str(lab.origin), V2, target, trusted, day)
    assert list(target.parent.iterdir()) == []


def test_signature_of_another_key_is_refused(lab: Lab, target: Path, tmp_path: Path) -> None:
    generate("somebody else", tmp_path / "k", tmp_path / "t")
    with pytest.raises(TiprdcError, match="which your trust file does not name"):
        pull(str(lab.origin), V2, target, read_trust(tmp_path / "t"))
    assert list(target.parent.iterdir()) == []


def test_document_in_other_bytes_is_pulled_if_a_trusted_key_signed_them(
    lab: Lab, target: Path
) -> None:
    """A signature is over bytes, so a payload need not be in our own form."""
    before = statement_of(lab)
    signed_again(lambda document: None)(lab)
    verified = pull(str(lab.origin), V2, target, read_trust(lab.trust))
    assert verified.key
    assert statement_of(lab) == before
