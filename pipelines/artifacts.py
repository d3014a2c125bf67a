"""Folders, stages and registry names of the released extractor and of its variants.

A variant has its own folder, audit, model card and name in the registry. The stages
`export-variant`, `audit-variant` and `card-variant` of dvc.yaml run once for each of
`export.variants`, with the variant's name as their argument.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tiprdc.formats.manifest import artifact_of, variant_named


@dataclass(frozen=True)
class Artifact:
    """The extractor, or a variant of it.

    Args:
        variant: "int8" or "fp16"; None: the extractor itself.
    """

    variant: str | None = None

    @property
    def artifact(self) -> str:
        """Its name in the registry."""
        return artifact_of(self.variant)

    @property
    def release(self) -> str:
        """Folder of the released files, in the project."""
        return f"artifacts/variants/{self.variant}" if self.variant else "artifacts/release"

    @property
    def reports(self) -> str:
        """Folder of its audit and model card, in the project."""
        return f"reports/variants/{self.variant}" if self.variant else "reports"

    def stage(self, name: str) -> str:
        """Name in DVC of its stage `name`: "audit", or "audit-variant@int8"."""
        return f"{name}-variant@{self.variant}" if self.variant else name


def artifact_from_argv() -> Artifact:
    """The artifact that a stage works on: `python -m stages.audit`, `python -m stages.audit int8`.

    Raises:
        ConfigError: There is no such variant.
    """
    if len(sys.argv) == 1:
        return Artifact()
    return Artifact(variant_named(" ".join(sys.argv[1:]), "VARIANT"))
