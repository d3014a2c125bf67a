"""What an audit leaves on disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from tiprdc.audit.intoto import FILE, render
from tiprdc.audit.metrics import metrics
from tiprdc.audit.run import AuditResult
from tiprdc.formats.envelope import Signer
from tiprdc.formats.manifest import MODEL


def write(
    audited: AuditResult, out: Path, *, name: str = MODEL, signer: Signer | None = None
) -> None:
    """Write `audit.json`, its statement, `metrics.json`, `attacks.csv` and `pictures.npz`.

    Args:
        audited: What was found.
        out: The folder.
        name: Of the file that was audited.
        signer: Signs the statement; None: it is not signed.
    """
    report = audited.report
    out.mkdir(parents=True, exist_ok=True)
    with (out / "pictures.npz").open("wb") as archive:
        np.savez_compressed(archive, allow_pickle=False, **audited.pictures)
    (out / "metrics.json").write_text(json.dumps(metrics(report), indent=1) + "\n")
    with (out / "attacks.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["about", "representation", "attack", "seed", "balanced_accuracy", "status"])
        of_private = [(n, run) for n, a in report.attributes.items() for run in a.attacks]
        of_tasks = [(n, run) for n, t in report.utility.items() for run in t.probes]
        for about, run in of_private + of_tasks:
            score = "" if run.select is None else f"{run.select:.4f}"
            table.writerow([about, run.representation, run.attack, run.seed, score, run.status])
    (out / FILE).write_text(render(report, name=name, signer=signer))
    # Last: whoever finds it finds the rest.
    (out / "audit.json").write_text(report.to_json())
