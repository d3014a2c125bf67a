"""Release to and pull from a local S3-compatible server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.helpers.release_project import Lab, check_pulls_from_remote
from tests.helpers.s3_server import s3_server

# Warnings of botocore, aiobotocore and Flask are not ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with s3_server(monkeypatch) as url:
        yield boto3.resource("s3", endpoint_url=url).create_bucket(Bucket="releases")


@pytest.mark.slow
def test_release_is_pulled_from_s3(audited_lab: Lab, tmp_path: Path, bucket: Any) -> None:
    lab = audited_lab.copy(tmp_path / "lab")
    endpoint = bucket.meta.client.meta.endpoint_url
    lab.use_remote("url = s3://releases/store", f"endpointurl = {endpoint}")
    check_pulls_from_remote(
        lab,
        tmp_path,
        put=lambda name, data: bucket.Object(f"store/{name}").put(Body=data),
        delete=lambda name: bucket.Object(f"store/{name}").delete(),
    )
