"""How often these test people were audited: each other plan that sees them learns from them.

Whoever audits, changes the extractor and audits again on the same attacker-test chooses extractors
by these people, and the bounds hold no longer for the one that is kept at last. The ledger cannot
prevent that; it counts, and the report says so. One line of JSON is appended before attacker-test
is opened, so that an audit that is broken off counts as well. It holds digests and times alone.

What counts is the number of different plans (models, settings): the same plan again gives the same
figures and teaches nothing. The file is nobody's proof: whoever can delete it can start anew.

Source: Dwork et al., "The reusable holdout" (2015), for why it matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import Reuse

_MOST_BYTES = 100_000_000


@dataclass(frozen=True)
class Ledger:
    """A file of one line an audit; None keeps no ledger."""

    path: Path | None

    def enter(self, plan: Plan, test_digest: str) -> Reuse | None:
        """Note this audit and count; None where the file cannot be read or written."""
        if self.path is None:
            return None
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "test_digest": test_digest,
            "model_sha256": plan.model_sha256,
            "plan_sha256": plan.sha256,
            "suite_version": plan.suite_version,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write in append mode: two audits at once do not cut each other's lines.
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            return self._count(test_digest)
        except OSError:
            return None

    def _count(self, test_digest: str) -> Reuse:
        assert self.path is not None
        plans, models = set(), set()
        with self.path.open("rb") as file:
            for text in file.read(_MOST_BYTES).splitlines():
                entry = _entry(text)
                if entry.get("test_digest") == test_digest:
                    plans.add(str(entry.get("plan_sha256")))
                    models.add(str(entry.get("model_sha256")))
        return Reuse(test_digest=test_digest, plans=len(plans), models=len(models))


def beside(data: Path) -> Ledger:
    """The ledger of a manifest: beside it, since it is these people who are used up."""
    return Ledger(data.with_name(f"{data.name}.audits.jsonl"))


def _entry(text: bytes) -> dict[str, object]:
    """A line that cannot be read belongs to nobody."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
