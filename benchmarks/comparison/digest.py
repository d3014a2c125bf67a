"""Write the digest of the code that decides the figures of the comparison.

Its graph is a DVC project of its own, which ignores no file outside its folder. With folders of
code as deps, each new cache of Python would make every cell stale.
"""

from __future__ import annotations

from pathlib import Path

from tiprdc.training.code import code_digest

HERE = Path(__file__).parent
CODE = (
    "pipelines/comparison/cell.py",
    "pipelines/comparison/run.py",
    "pipelines/preparation/sharding.py",
    "tiprdc/attacks",
    "tiprdc/audit/config.py",
    "tiprdc/audit/policy.py",
    "tiprdc/baselines",
    "tiprdc/datasets",
    "tiprdc/distributed.py",
    "tiprdc/export",
    "tiprdc/formats",
    "tiprdc/models",
    "tiprdc/objectives",
    "tiprdc/runtime/session.py",
    "tiprdc/statistics",
    "tiprdc/training",
)
"""Files and folders of the project; `code_digest` adds those that decide what training gives."""


def main() -> None:
    """Write code.sha256."""
    (HERE / "code.sha256").write_text(f"{code_digest(*CODE)}\n")


if __name__ == "__main__":
    main()
