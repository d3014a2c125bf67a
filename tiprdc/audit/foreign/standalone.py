"""Audits a foreign ONNX file in one process and writes the report (`tiprdc audit`)."""

from __future__ import annotations

from pathlib import Path

from tiprdc.audit.config import AuditConfig
from tiprdc.audit.evidence import Evidence
from tiprdc.audit.executor import DEFAULT_TIMEOUT, InProcess, ProgressCallback
from tiprdc.audit.foreign.model import sha256_of
from tiprdc.audit.foreign.request import MORE_PEOPLE, AuditRequest
from tiprdc.audit.ledger import user_ledger
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.audit.writer import write
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.envelope import Signer
from tiprdc.reports.page import write_report


def run_standalone_audit(
    request: AuditRequest,
    evidence: Evidence,
    config: AuditConfig,
    out: Path,
    progress: ProgressCallback,
    timeout: float = DEFAULT_TIMEOUT,
    signer: Signer | None = None,
) -> AuditReport:
    """Audit one file and write `audit.json`, as the pipeline's audit does, and the HTML report.

    Args:
        request: The file and the data.
        evidence: What `load_evidence` read of them.
        config: Attacks, effort and policy.
        out: Folder for the report.
        progress: Called with the progress.
        timeout: Seconds; attacks unfinished then count as failed.
        signer: Signs `audit.intoto.json`; None: it is not signed.

    Raises:
        ModelError: The file cannot be run on these records, or its features depend on the batch.
        DataError: Fewer people than the policy needs.
    """
    plan = make_plan(config, evidence, MORE_PEOPLE)

    def recompute_digests() -> Digests:
        # The records stay in memory; only the file can have changed.
        return Digests(sha256_of(request.models[0]), None, evidence.schema.digest)

    result = run(plan, evidence, InProcess(progress), timeout, recompute_digests, user_ledger())
    write(result, out, name=request.models[0].name, signer=signer)
    write_report(out, None)
    return result.report
