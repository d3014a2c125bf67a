"""The input of an audit: the people of the attackers' three splits, and the ONNX files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.audit.own_model import Model
from tiprdc.datasets.schema import Records, Schema
from tiprdc.statistics.sampling import balanced_sample


@dataclass(frozen=True)
class Evidence:
    """Records and models under audit.

    Args:
        schema: Describes the records.
        train, select, test: The attackers' three splits, disjoint by person.
        members: The people that the extractor was trained on; None: not known.
        searched: Leading records of attacker-train that a search of settings attacked; a
            certificate leaves them out, as the code may depend on them.
        told: Tasks whose labels the training of `released` used.
        models: `released`, and `unprotected` where that control exists.
    """

    schema: Schema
    train: Records
    select: Records
    test: Records
    models: Mapping[str, Model]
    members: Records | None = None
    searched: int = 0
    told: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Records]:
        """The splits by their short names."""
        return {"train": self.train, "select": self.select, "test": self.test}


def sample(test: Records, schema: Schema, name: str, seed: int) -> NDArray[np.intp]:
    """Rows of the balanced sample of attacker-test on which an attribute is scored."""
    return balanced_sample(test.labels[name], test.person, schema.classes(name), seed)


def digest_of(records: Records) -> str:
    """sha256 of records, labels and persons, in their order."""
    digest = hashlib.sha256(str((records.x.dtype, records.x.shape)).encode())
    digest.update(np.ascontiguousarray(records.x).data)
    for name, values in sorted(records.labels.items()):
        digest.update(f"\n{name}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    digest.update("\n".join(records.person.tolist()).encode())
    return digest.hexdigest()
