"""Prepares a host's disk as an administrator would, before `ray_cluster.yaml` uses it.

A user, names of the other hosts, an SSH server, and an environment with the project's packages, as
in a machine image. The packages are this machine's, so pip installs only the project itself, and
its index is switched off.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.cluster.namespaces import PROJECT, USER, Host, StepError

SSH_SERVER = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/cluster_config"]
IDLE = ["sleep", "infinity"]
_ENVIRONMENT = Path(__file__).with_name("environment.sh")
# Hosts share this machine's cores and start slowly; Ray's default timeout for an agent is 15 s.
_SSHD = """\
HostKey /etc/ssh/cluster_host_key
AuthorizedKeysFile .ssh/authorized_keys
PasswordAuthentication no
UsePAM no
SetEnv OMP_NUM_THREADS=1 RAY_agent_register_timeout_ms=120000
PidFile none
"""
# pip reads the value of a `no-` option as that of the option without `no-`: pip #5735.
_PIP = """\
[global]
no-index = true
no-build-isolation = false
disable-pip-version-check = true
"""


def prepare_disk(host: Host, names: Mapping[str, str]) -> None:
    """Write the files that the first boot needs.

    Args:
        host: Not booted yet.
        names: Name -> address of all hosts.
    """
    etc = host.disk / "upper" / "etc"
    (etc / "ssh").mkdir(parents=True)
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
    (etc / "hosts").write_text("\n".join(lines) + "\n")
    (etc / "pip.conf").write_text(_PIP)
    (etc / "ssh" / "cluster_config").write_text(_SSHD)
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "ssh/cluster_host_key")]
    subprocess.run(key, check=True)


def make_user(host: Host, log: IO[bytes]) -> None:
    """Make the user of `ray_cluster.yaml`, with an environment in the project's folder."""
    base, packages = Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))
    python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    # This machine's Python may be in a home directory.
    closed = sorted({str(parent) for path in (base, packages) for parent in path.parents})
    # A password that nothing matches; without one the SSH server treats the account as locked.
    _as_root(host, ["useradd", "-m", "-s", "/bin/bash", "-p", "*", USER], log)
    _as_root(host, ["chmod", "o+x", *closed], log)
    words = [PROJECT, str(python), str(packages), str(Path(sys.prefix) / "bin")]
    make = host.command(["bash", "-s", "--", *words])
    with _ENVIRONMENT.open("rb") as script:
        subprocess.run(make, stdin=script, stdout=log, stderr=log, check=True)


def authorize_key(host: Host, public_key: str, log: IO[bytes]) -> None:
    """Authorize an SSH key; `ssh-copy-id` would ask for a password."""
    add = 'mkdir -m 700 -p ~/.ssh && echo "$0" >> ~/.ssh/authorized_keys'
    subprocess.run(
        host.command(["bash", "-c", add, public_key]), stdout=log, stderr=log, check=True
    )


def _as_root(host: Host, command: list[str], log: IO[bytes]) -> None:
    ended = subprocess.run(host.command(command, user="root"), stdout=log, stderr=log)
    if ended.returncode:
        raise StepError(f"{host.name}: {command[0]} ended with {ended.returncode}")
