"""Release and pull through an S3-compatible server on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.released import Lab, pulled_whole_or_not_at_all

WHY = "DVC's client for S3 and moto's server are no part of the pinned environment: {}"
pytest.importorskip("dvc_s3", reason=WHY.format("pip install dvc-s3"))
server = pytest.importorskip("moto.server", reason=WHY.format('pip install "moto[s3,server]"'))
boto3 = pytest.importorskip("boto3", reason=WHY.format("pip install dvc-s3"))

# Warnings of botocore, aiobotocore and Flask are theirs.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        yield boto3.resource("s3", endpoint_url=url).create_bucket(Bucket="releases")
    finally:
        running.stop()


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
