"""Card: audit and manifest -> the report page and the model card.

With the name of a variant as argument: those of that variant.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.artifacts import artifact_from_argv
from pipelines.observability.progress import run
from pipelines.params import load
from tiprdc.reports.model_card import CardConfig, write_card
from tiprdc.reports.page import write_report


def main() -> None:
    config, artifact = load("card", CardConfig), artifact_from_argv()
    reports, release = Path(artifact.reports), Path(artifact.release)
    write_report(reports, release)
    write_card(reports, release, config)


if __name__ == "__main__":
    run(main)
