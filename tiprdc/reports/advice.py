"""What to do after an audit of this project's own release: release it, or what to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tiprdc.formats.audit_report import AttributeReport, AuditReport
from tiprdc.formats.files import sanitize
from tiprdc.formats.manifest import Contract
from tiprdc.formats.numbers import count
from tiprdc.reports.kept_wording import kept
from tiprdc.reports.verdict_wording import exposed, headline, projected_exposed
from tiprdc.reports.wording import readable

RELEASE = "python -m pipelines.release --bump minor --dry-run"


def verdict_lines(audit: AuditReport, contract: Contract, page: Path) -> Iterator[str]:
    """The end of a run of the graph: verdict, reasons, what is kept, what to do, the report.

    Args:
        audit: Of the release.
        contract: Its manifest.
        page: The report.
    """
    yield sanitize(f"{contract.name}: {audit.verdict}. {headline(audit)}.")
    yield from (sanitize(f"- {reason}") for reason in audit.reasons)
    yield f"{kept(audit)}."
    yield from next_steps(audit, contract)
    yield f"Report: {page} (in the terminal: tiprdc inspect {page.parent})"


def next_steps(audit: AuditReport, contract: Contract) -> Iterator[str]:
    """One sentence a step; the settings are keys of params.yaml.

    Args:
        audit: Of the release.
        contract: Its manifest.
    """
    if audit.verdict == "PASS":
        yield f"What speaks against a release, if anything: {RELEASE}"
        return
    attributes = audit.attributes.values()
    leaks = any(map(_leaks, attributes))
    if leaks:
        yield from _hide_more(contract)
    yield from _more_people(audit)
    if any(run.status != "ok" for a in attributes for run in a.attacks):
        yield (
            "Without every attack there is no PASS: logs/audit.jsonl has the error of each that did"
            " not finish, and cluster.most_seconds is the time limit."
        )


def _leaks(attribute: AttributeReport) -> bool:
    """Whether a figure is above the limit, so that more people alone would give no PASS."""
    figures = [curve.projection.value for curve in attribute.curves]
    if attribute.strongest:
        figures.append(attribute.strongest.balanced_accuracy)
    return (
        exposed(attribute)
        or projected_exposed(attribute)
        or any(figure > attribute.limit for figure in figures)
    )


def _hide_more(contract: Contract) -> Iterator[str]:
    yield "These settings hide more and keep less; change one, then `dvc repro`:"
    output = contract.output
    if not output.codes:
        yield (
            f"  train.extractor.release_noise, now {output.noise:g}: more noise hides what more"
            " people would find"
        )
    yield "  train.head.weight, where there is a head (train.extractor.head): twice as much, say"
    yield "  train.objective.budget, where the trunk is a network: half as much, say"
    if output.codes:
        yield f"  train.extractor.codes, now {count(output.codes)}: fewer codes have a lower bound"
    else:
        yield (
            "  train.extractor.codes, e.g. 256: each record is sent as one of so many codes, and"
            " the audit then bounds every attacker"
        )
    yield "`python pipelines/tuning.py --help` searches settings; docs/method.md has their figures."


def _more_people(audit: AuditReport) -> Iterator[str]:
    """People of attacker-test that would settle what is open."""
    for name, attribute in audit.attributes.items():
        if attribute.people_needed is not None:
            yield (
                f"More people narrow the bounds: {sanitize(readable(name))} was tested on"
                f" {count(attribute.people)}, and about {count(attribute.people_needed)} would"
                " settle the strongest attack (prepare.shares.attacker_test)."
            )
        if attribute.strongest and not attribute.curves and not attribute.certificate:
            yield (
                f"More people in attacker-train give {sanitize(readable(name))} a learning curve,"
                " which a PASS needs (prepare.shares.attacker_train)."
            )
