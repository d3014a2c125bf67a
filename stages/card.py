"""Card: audit and manifest -> the report page and the model card; prints the verdict.

With the name of a variant as argument: those of that variant.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import artifact_from_argv
from pipelines.observability.progress import console, run
from pipelines.params.load import load
from tiprdc.formats.audit_report import read_audit, read_audited
from tiprdc.reports.advice import verdict_lines
from tiprdc.reports.model_card import CardConfig, write_card
from tiprdc.reports.page import write_report


def main() -> None:
    config, artifact = load("card", CardConfig), artifact_from_argv()
    reports, release = Path(artifact.reports), Path(artifact.release)
    page = write_report(reports, release)
    write_card(reports, release, config)
    audit = read_audit(reports / "audit.json")
    contract = read_audited(release / "manifest.json", audit)
    for line in verdict_lines(audit, contract, page):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
