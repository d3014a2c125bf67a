"""Release and pull through an S3-compatible server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.helpers.release_project import Lab, pulled_whole_or_not_at_all
from tests.helpers.s3_server import served

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
