"""Card: audit and manifest -> the page and the model card."""

from __future__ import annotations

from pathlib import Path

from pipelines.console import run
from pipelines.params import load
from tiprdc.card import CardConfig, write_card
from tiprdc.report import write_report


def main() -> None:
    config = load("card", CardConfig)
    reports, release = Path("reports"), Path("artifacts/release")
    write_report(reports, release)
    write_card(reports, release, config)


if __name__ == "__main__":
    run(main)
