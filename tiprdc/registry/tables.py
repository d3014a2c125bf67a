"""Tables of a registry: all versions, their first and later verdicts, details of one version."""

from __future__ import annotations

from collections.abc import Iterator

from tiprdc.errors import ReleaseError
from tiprdc.formats import numbers
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import Bound, Release
from tiprdc.registry.versions import Registry, Version

Rows = list[tuple[str, ...]]


def show_rows(registry: Registry) -> tuple[tuple[str, ...], Rows]:
    """Head and rows: each version, newest first, with stage, verdict, bounds and what is kept."""
    head = (
        "version", "stage", "verdict", "suite", "strongest, at most", "projected, at most",
        "certificate", "limit", "kept",
    )  # fmt: skip
    return head, [
        (version.name, _stages(registry, version), *_status(registry, version))
        for version in reversed(registry.versions.values())
    ]


def history_rows(registry: Registry) -> tuple[tuple[str, ...], Rows]:
    """Head and rows: each version and each later audit of it, oldest first."""
    head = ("version", "when", "commit", "stage", "suite", "verdict", "signed", "note")
    rows: Rows = []
    for version in registry.versions.values():
        stage, commit = _stages(registry, version), version.tag.commit[:12]
        try:
            release, signed = registry.release(version), _signed(registry, version)
            note = "" if version.deprecated is None else f"deprecated: {version.deprecated}"
            rows.append((
                version.name, release.released, commit, stage, release.audit.suite_version,
                release.audit.verdict, signed, note,
            ))  # fmt: skip
        except ReleaseError as error:
            note = f"no release: {error.given}"
            rows.append((version.name, "-", commit, stage, "-", "none", "-", note))
        for later in version.reaudits:
            note = "later audit"
            if later.verdict != "PASS":
                note += ": it no longer passes"
            rows.append(
                (version.name, "-", commit, "", later.suite_version, later.verdict, "-", note)
            )
    return head, rows


def detail(registry: Registry, version: Version) -> Rows:
    """Rows of label and value: all about one version."""
    release = registry.release(version)
    return [
        ("stage", _stages(registry, version)),
        ("status", version.blocked_reason or "in use"),
        ("verdict", f"{release.audit.verdict} by suite {release.audit.suite_version}"),
        *((f"private: {name}", _bounds(bound)) for name, bound in release.audit.attributes.items()),
        ("kept", _kept(release)),
        ("utility lost", _utility_lost(release)),
        ("signed", _signed(registry, version)),
        ("released", release.released),
        ("commit", release.revision),
        ("params.yaml", f"sha256 {release.params_sha256}"),
        (
            "training data",
            f"{release.training_data.dataset}, digest {release.training_data.digest}",
        ),
        *(
            (name, f"{numbers.count(file.size)} bytes, sha256 {file.sha256}")
            for name, file in sorted(release.files.items())
        ),
    ]


def _status(registry: Registry, version: Version) -> Iterator[str]:
    """Current verdict, suite, worst bounds, their limit, share kept; "-" where unknown."""
    try:
        release = registry.release(version)
    except ReleaseError:
        yield from ("none: no release", "-", "-", "-", "-", "-", "-")
        return
    last = version.reaudits[-1] if version.reaudits else None
    audit = release.audit
    verdict, suite = audit.verdict, audit.suite_version
    if last:
        verdict, suite = f"{last.verdict} (was {verdict})", last.suite_version
    yield f"{verdict}, deprecated" if version.deprecated is not None else verdict
    yield suite
    worst = max(audit.attributes.values(), key=lambda b: _largest(b) - b.limit, default=None)
    yield _rate(worst.high if worst else None)
    yield _rate(worst.projected if worst else None)
    yield _rate(worst.certificate if worst else None)
    yield _rate(worst.limit if worst else None)
    yield _kept(release)


def _largest(bound: Bound) -> float:
    return max(bound.high, bound.projected or 0.0)


def _bounds(bound: Bound) -> str:
    parts = [f"at most {numbers.percent(bound.high)}"]
    if bound.attacker_people:
        parts[0] += f" by an attacker with {numbers.count(bound.attacker_people)} people"
    if bound.projected is not None and bound.projected_people:
        people = numbers.count(bound.projected_people)
        parts.append(f"{numbers.percent(bound.projected)} projected to {people}")
    if bound.certificate is not None:
        parts.append(f"{numbers.percent(bound.certificate)} by any attacker")
    return ", ".join([*parts, f"limit {numbers.percent(bound.limit)}"])


def _rate(value: float | None) -> str:
    return "-" if value is None else numbers.percent(value)


def _kept(release: Release) -> str:
    kept = release.audit.kept
    return "not measured" if kept is None else numbers.percent(kept, 0)


def _utility_lost(release: Release) -> str:
    loss = release.audit.utility_loss
    return "not measured" if loss is None else f"{_points(loss)} points"


def _signed(registry: Registry, version: Version) -> str:
    keys = [
        sanitize(s.keyid)[:16] or "key without id" for s in registry.envelope(version).signatures
    ]
    return ", ".join(keys) or "no"


def _stages(registry: Registry, version: Version) -> str:
    return ", ".join(registry.stages_of(version)) or "-"


def _points(rate: float) -> str:
    return f"{100 * rate:.1f}"
