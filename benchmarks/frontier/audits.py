"""Points of releases that were audited: each audit.json of a folder is one for each attribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.frontier.points import Point
from tiprdc.formats.audit_report import read_audit


def audited(folder: Path) -> Iterator[Point]:
    """A point for each private attribute of each audit that measured what is kept."""
    for path in sorted(folder.rglob("audit.json")):
        audit = read_audit(path)
        for name, attribute in audit.attributes.items():
            strongest = attribute.strongest
            if strongest is not None and audit.mean_kept is not None:
                yield Point(
                    dataset=audit.dataset, data=audit.data_digest[:12], private=name,
                    method=path.parent.name, features=audit.features[0], noise=None,
                    attack=strongest.attack, people=strongest.attacker_people,
                    hidden=strongest.balanced_accuracy, hidden_low=strongest.low,
                    hidden_high=strongest.high, prior=attribute.prior, kept=audit.mean_kept,
                    kept_low=audit.mean_kept, kept_high=audit.mean_kept,
                    tasks=len(audit.utility), named=audit.mean_kept, test_people=strongest.people,
                    source="audit",
                )  # fmt: skip
