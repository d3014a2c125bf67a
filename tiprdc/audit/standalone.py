"""The audit in one process, of a file that this project did not make."""

from __future__ import annotations

from pathlib import Path

from tiprdc.audit.config import AuditConfig
from tiprdc.audit.executor import MOST_SECONDS, InProcess, ProgressCallback
from tiprdc.audit.foreign_inputs import AuditRequest, load_evidence
from tiprdc.audit.foreign_model import sha256_of
from tiprdc.audit.ledger import beside
from tiprdc.audit.report_document import AuditReport
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.audit.writer import write
from tiprdc.formats.envelope import Signer
from tiprdc.reports.page import write_report

_MORE_PEOPLE = "take more people, or lower min_people in a file for --policy"


def audit_alone(
    request: AuditRequest,
    config: AuditConfig,
    out: Path,
    watch: ProgressCallback,
    most_seconds: float = MOST_SECONDS,
    signer: Signer | None = None,
) -> AuditReport:
    """Audit one file and write what the graph's audit writes, and the page.

    Args:
        request: Which file, on whom.
        config: Who attacks, how hard, and what counts as enough.
        out: Folder for the findings.
        watch: Told of the progress.
        most_seconds: What is not finished after this counts as failed.
        signer: Signs `audit.intoto.json`; None: it is not signed.

    Raises:
        ModelError: The file is refused, or cannot be run on these records.
        DataError, ConfigError: The data do not fit what is asked of them.
    """
    (evidence,) = load_evidence(request, lambda share: watch("read", share))
    plan = make_plan(config, evidence, _MORE_PEOPLE)

    def again() -> Digests:
        # The records are in memory since they were read: the file alone could be another by now.
        return Digests(sha256_of(request.models[0]), None, evidence.schema.digest)

    audited = run(plan, evidence, InProcess(watch), most_seconds, again, beside(request.data))
    write(audited, out, name=request.models[0].name, signer=signer)
    write_report(out, None)
    return audited.report
