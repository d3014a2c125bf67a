"""Release and pull through OpenSSH's server on the loopback."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.release_project import Lab, check_pulls_from_remote
from tiprdc.registry import remote
from tiprdc.registry.pull import VersionSelector, pull

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.skipif(SSHD is None, reason="no sshd: apt-get install openssh-server"),
    # Warnings of asyncssh are its own.
    pytest.mark.filterwarnings("default"),
]
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a server that lets in whoever has `tmp_path/user`."""
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    (tmp_path / "sshd_config").write_text(CONFIG.format(port=port, folder=tmp_path))
    if Path("/run").stat().st_uid == 0 and getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(tmp_path / "sshd_config")])
    try:
        _wait(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert server.poll() is None, "sshd ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
def test_release_is_pulled_over_ssh(audited_lab: Lab, tmp_path: Path, port: int) -> None:
    lab, store = audited_lab.copy(tmp_path / "lab"), tmp_path / "far"
    lab.use_remote(
        f"url = ssh://{getpass.getuser()}@127.0.0.1:{port}{store}", f"keyfile = {tmp_path}/user"
    )
    check_pulls_from_remote(
        lab,
        tmp_path,
        put=lambda name, data: _overwrite(store / name, data),
        delete=lambda name: (store / name).unlink(),
    )


@pytest.mark.slow
def test_repository_is_fetched_over_ssh_without_history(
    released_lab: Lab, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = released_lab.copy(tmp_path / "lab")
    options = f"-i {tmp_path}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    monkeypatch.setenv("GIT_SSH_COMMAND", f"ssh -q {options}")
    monkeypatch.setattr(remote, "clone", None)
    source = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{lab.origin}"
    verified = pull(source, VersionSelector(version="v0.1.0"), tmp_path / "new", None)
    assert verified.release.version == "v0.1.0"


def _overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
