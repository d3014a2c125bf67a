"""Release and pull through an S3-compatible server on the loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.released import Lab, release
from tiprdc.errors import ReleaseError
from tiprdc.pulling import Wanted, pull
from tiprdc.signing import read_trust

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
    lab.edit(
        ".dvc/config",
        "[core]\n analytics = false\n remote = cloud\n['remote \"cloud\"']\n"
        f" url = s3://releases/store\n endpointurl = {endpoint}\n",
    )
    lab.git("commit", "-qam", "a remote in S3")
    assert release(lab, stage="prod", key=lab.key)
    trusted, wanted = read_trust(lab.trust), Wanted(stage="prod")
    assert pull(str(lab.origin), wanted, tmp_path / "first", trusted).key
    model = (lab.project / "artifacts/release/extractor.onnx").read_bytes()
    assert (tmp_path / "first" / "extractor.onnx").read_bytes() == model

    digest = hashlib.md5(model).hexdigest()
    stored = bucket.Object(f"store/files/md5/{digest[:2]}/{digest[2:]}")
    stored.put(Body=model[:-1] + b"?")
    with pytest.raises(ReleaseError, match="sha256"):
        pull(str(lab.origin), wanted, tmp_path / "second", trusted)
    stored.delete()
    with pytest.raises(ReleaseError, match=r"extractor\.onnx"):
        pull(str(lab.origin), wanted, tmp_path / "second", trusted)
    assert not (tmp_path / "second").exists()
