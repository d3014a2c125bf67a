"""Release and pull through an S3-compatible server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.released import Lab, pulled_whole_or_not_at_all
from tests.s3 import served

WHY = "DVC's client for S3 is no part of the pinned environment: pip install dvc-s3"
pytest.importorskip("dvc_s3", reason=WHY)
boto3 = pytest.importorskip("boto3", reason=WHY)

# Warnings of botocore, aiobotocore and Flask are theirs.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with served(monkeypatch) as url:
        yield boto3.resource("s3", endpoint_url=url).create_bucket(Bucket="releases")


def test_released_to_and_pulled_from_s3(audited_lab: Lab, tmp_path: Path, bucket: Any) -> None:
    lab = audited_lab.copy(tmp_path / "lab")
    endpoint = bucket.meta.client.meta.endpoint_url
    lab.use_remote("url = s3://releases/store", f"endpointurl = {endpoint}")
    pulled_whole_or_not_at_all(
        lab,
        tmp_path,
        put=lambda name, data: bucket.Object(f"store/{name}").put(Body=data),
        delete=lambda name: bucket.Object(f"store/{name}").delete(),
    )
