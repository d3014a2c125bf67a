"""Writes the files of an audit: `audit.json`, its statement, metrics, a table of attacks, pictures.

None of them holds a timing, so that two audits of the same bytes give the same files.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from tiprdc.audit.evaluation.metrics import metrics
from tiprdc.audit.intoto import FILE, render
from tiprdc.audit.run import AuditResult
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.envelope import Signer
from tiprdc.formats.manifest import MODEL

_COLUMNS = ("about", "representation", "attack", "seed", "balanced_accuracy", "status")


def write(
    result: AuditResult, out: Path, *, name: str = MODEL, signer: Signer | None = None
) -> None:
    """Write `audit.json`, its statement, `metrics.json`, `attacks.csv` and `pictures.npz`.

    Args:
        result: Of `tiprdc.audit.run.run`.
        out: Folder; it is made.
        name: Of the file that was audited.
        signer: Signs the statement; None: it is not signed.
    """
    report = result.report
    out.mkdir(parents=True, exist_ok=True)
    with (out / "pictures.npz").open("wb") as archive:
        np.savez_compressed(archive, allow_pickle=False, **result.pictures)
    (out / "metrics.json").write_text(json.dumps(metrics(report), indent=1) + "\n")
    _write_attacks(report, out / "attacks.csv")
    (out / FILE).write_text(render(report, name=name, signer=signer))
    # Last: a reader that finds it finds the other files, too.
    (out / "audit.json").write_text(report.to_json())


def _write_attacks(report: AuditReport, path: Path) -> None:
    """One row a run: its balanced accuracy on attacker-select, empty if it failed."""
    private = [(name, run) for name, a in report.attributes.items() for run in a.attacks]
    tasks = [(name, run) for name, t in report.utility.items() for run in t.probes]
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for target, run in private + tasks:
            score = "" if run.select is None else f"{run.select:.4f}"
            table.writerow([target, run.representation, run.attack, run.seed, score, run.status])
