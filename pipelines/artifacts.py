"""Where the graph keeps the extractor that ships, and each variant of it: by one rule.

A variant is a release of its own, with a folder, an audit and a model card of its own, and its own
name in the registry. The stages `export-variant`, `audit-variant` and `card-variant` of dvc.yaml
run once for each of `export.variants`, with the variant's name as their argument.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tiprdc.formats.manifest import artifact_of, variant_named


@dataclass(frozen=True)
class Artifact:
    """What may be released: the extractor's file, or a variant of it.

    Args:
        variant: "int8" or "fp16"; None is the file itself.
    """

    variant: str | None = None

    @property
    def artifact(self) -> str:
        """Its name in the registry."""
        return artifact_of(self.variant)

    @property
    def release(self) -> str:
        """Folder of what ships, in the project."""
        return f"artifacts/variants/{self.variant}" if self.variant else "artifacts/release"

    @property
    def reports(self) -> str:
        """Folder of what was found about it, in the project."""
        return f"reports/variants/{self.variant}" if self.variant else "reports"

    def stage(self, name: str) -> str:
        """What DVC calls the stage of this name that is about it."""
        return f"{name}-variant@{self.variant}" if self.variant else name


def artifact_from_argv() -> Artifact:
    """What a stage was started for: `python -m stages.audit`, `python -m stages.audit int8`.

    Raises:
        ConfigError: There is no such variant.
    """
    if len(sys.argv) == 1:
        return Artifact()
    return Artifact(variant_named(" ".join(sys.argv[1:]), "VARIANT"))
