"""Tables of a registry: versions, lifecycle stages, what audits said then and say now."""

from __future__ import annotations

from collections.abc import Iterator

from tiprdc.errors import ReleaseError
from tiprdc.formats import numbers
from tiprdc.formats.files import sanitize
from tiprdc.formats.release_statement import Release
from tiprdc.registry.versions import Registry, Version

Rows = list[tuple[str, ...]]


def show_rows(found: Registry) -> tuple[tuple[str, ...], Rows]:
    """Head and rows: each version, newest first, with what decides whether to use it."""
    head = ("version", "stage", "verdict", "suite", "strongest, at most", "limit", "utility lost")
    return head, [
        (version.name, _stages(found, version), *_standing(found, version))
        for version in reversed(found.versions.values())
    ]


def history_rows(found: Registry) -> tuple[tuple[str, ...], Rows]:
    """Head and rows: each version and each later audit of it, oldest first."""
    head = ("version", "when", "commit", "stage", "suite", "verdict", "signed", "note")
    rows: Rows = []
    for version in found.versions.values():
        stage, commit = _stages(found, version), version.tag.commit[:12]
        try:
            release, signed = found.release(version), _signed(found, version)
            note = "" if version.withdrawn is None else f"deprecated: {version.withdrawn}"
            rows.append((
                version.name, release.released, commit, stage, release.suite_version,
                release.verdict, signed, note,
            ))  # fmt: skip
        except ReleaseError as error:
            note = f"no release: {error.given}"
            rows.append((version.name, "-", commit, stage, "-", "none", "-", note))
        for later in version.reaudits:
            note = "later audit"
            if later.verdict != "PASS":
                note += ": it does not pass any more"
            rows.append(
                (version.name, "-", commit, "", later.suite_version, later.verdict, "-", note)
            )
    return head, rows


def detail(found: Registry, version: Version) -> Rows:
    """Everything that is said of one version."""
    release = found.release(version)
    return [
        ("stage", _stages(found, version)),
        ("standing", version.objection or "nobody objects"),
        ("verdict", f"{release.verdict} by suite {release.suite_version}"),
        *(
            (f"private: {name}", f"at most {_points(high)} %, limit {_points(limit)} %")
            for name, (high, limit) in release.limits.items()
        ),
        ("utility lost", _lost(release)),
        ("signed", _signed(found, version)),
        ("released", release.released),
        ("commit", release.revision),
        ("params.yaml", f"sha256 {release.params_sha256}"),
        ("training data", f"{release.dataset}, digest {release.data_digest}"),
        *(
            (name, f"{numbers.count(file.size)} bytes, sha256 {file.sha256}")
            for name, file in sorted(release.files.items())
        ),
    ]


def _standing(found: Registry, version: Version) -> Iterator[str]:
    """Verdict as of now, suite, worst bound and its limit, loss; dashes where nothing is known."""
    try:
        release = found.release(version)
    except ReleaseError:
        yield from ("none: no release", "-", "-", "-", "-")
        return
    last = version.reaudits[-1] if version.reaudits else None
    verdict, suite = release.verdict, release.suite_version
    if last:
        verdict, suite = f"{last.verdict} (was {verdict})", last.suite_version
    yield f"{verdict}, deprecated" if version.withdrawn is not None else verdict
    yield suite
    worst = max(release.limits.values(), key=lambda pair: pair[0] - pair[1], default=None)
    yield f"{_points(worst[0])} %" if worst else "-"
    yield f"{_points(worst[1])} %" if worst else "-"
    yield _lost(release)


def _lost(release: Release) -> str:
    loss = release.utility_loss
    return "not measured" if loss is None else f"{_points(loss)} points"


def _signed(found: Registry, version: Version) -> str:
    keys = [sanitize(s["key"]) for s in found.envelope(version).signatures]
    return ", ".join(keys) or "no"


def _stages(found: Registry, version: Version) -> str:
    return ", ".join(found.stages_of(version)) or "-"


def _points(rate: float) -> str:
    return f"{100 * rate:.1f}"
