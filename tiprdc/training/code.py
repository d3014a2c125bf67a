"""Which code decides what a training gives: only the same code resumes a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_CODE = (
    "tiprdc/distributed.py", "tiprdc/attacks", "tiprdc/models", "tiprdc/objectives",
    "tiprdc/statistics", "tiprdc/training",
)  # fmt: skip
"""Code that decides what a run of training gives."""


def code_digest(*more: str, project: Path = PROJECT) -> str:
    """Digest of the code that decides the results of training and of its attacks.

    Only the same code resumes a killed run or search.

    Args:
        more: Further files and folders of the project.
        project: Folder of the project.
    """
    digest = hashlib.sha256()
    for path in (project / name for name in (*_CODE, *more)):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(project)} ".encode() + file.read_bytes())
    return digest.hexdigest()
