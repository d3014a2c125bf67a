"""Checks of connections for `tiprdc doctor`: DVC remotes, Ray, network interfaces."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tiprdc.cli.machine_checks import Check, run_command
from tiprdc.formats.files import sanitize

_PORTS = {"http": 80, "https": 443, "ssh": 22}
_TIMEOUT = 3.0


def dvc(folder: Path) -> Iterator[Check]:
    """Check that DVC remotes, which store the artifacts, can be reached."""
    if not (folder / ".dvc").is_dir():
        return
    if find_spec("dvc") is None:
        # `versions` reports that it is not installed.
        return
    listed = run_command(sys.executable, "-m", "dvc", "remote", "list", folder=folder, seconds=60)
    if listed is None:
        yield Check(
            subject="dvc", state="problem", result="its configuration cannot be read",
            hint="run `dvc remote list` to see why",
        )  # fmt: skip
        return
    lines = [line.split() for line in listed.splitlines() if len(line.split()) >= 2]
    if not lines:
        yield Check(
            subject="dvc", state="warning", result="no remote: artifacts stay on this machine",
            hint="dvc remote add -d NAME URL",
        )  # fmt: skip
    for name, url, *_ in lines:
        # An S3 store outside Amazon has an address of its own.
        endpoint = run_command(
            sys.executable, "-m", "dvc", "config", f"remote.{name}.endpointurl", folder=folder,
            seconds=60,
        ) if url.startswith("s3:") else None  # fmt: skip
        yield _store(sanitize(name), (endpoint or "").strip() or url)


def ray(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Check that a Ray cluster answers at RAY_ADDRESS."""
    address = environment.get("RAY_ADDRESS", "")
    if address in ("", "auto", "local"):
        result = f"RAY_ADDRESS is {address or 'not set'}: Ray runs on this machine"
        yield Check(subject="ray cluster", state="ok", result=result)
        return
    parts = urlsplit(address if "//" in address else f"//{address}")
    host, port = _host_and_port(parts.netloc)
    port = port or (10001 if parts.scheme == "ray" else 6379)
    if host and _answers(host, port):
        yield Check(subject="ray cluster", state="ok", result="RAY_ADDRESS answers")
        return
    yield Check(
        subject="ray cluster", state="problem", result="no cluster answers at RAY_ADDRESS",
        hint="start it (`ray up ray_cluster.yaml`), correct the address, or unset RAY_ADDRESS",
    )  # fmt: skip


def network(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Check that other machines could reach training workers here: Gloo uses the host name."""
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    listed = ", ".join(names) or "only the loopback"
    chosen = environment.get("GLOO_SOCKET_IFNAME")
    if chosen is not None and chosen not in (*names, "lo"):
        yield Check(
            subject="network", state="problem",
            result=f"GLOO_SOCKET_IFNAME names an interface that does not exist ({listed})",
            hint="set it to one of these, or set cluster.network_interface in params.yaml",
        )  # fmt: skip
    elif chosen is None and names and _resolves_to_loopback():
        yield Check(
            subject="network", state="warning",
            result=f"the host name resolves to the loopback; interfaces: {listed}",
            hint="to train on several machines, set cluster.network_interface in params.yaml",
        )  # fmt: skip
    else:
        yield Check(subject="network", state="ok", result=f"interfaces: {listed}")


def _store(name: str, url: str) -> Check:
    subject = f"dvc {name}"
    parts = urlsplit(url)
    if not parts.scheme:
        folder = Path(url)
        readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        hint = "" if readable else "mount or make the folder, or run `dvc remote modify`"
        result = "a readable folder" if readable else "its folder does not exist or is not readable"
        return Check(
            subject=subject, state="ok" if readable else "problem", result=result, hint=hint
        )
    host, port = _host_and_port(parts.netloc)
    if parts.scheme not in _PORTS or not host:
        result = f"{sanitize(parts.scheme)}: not checked"
        return Check(subject=subject, state="ok", result=result, hint="run `dvc status --cloud`")
    if _answers(host, port or _PORTS[parts.scheme]):
        return Check(subject=subject, state="ok", result="its host answers")
    return Check(
        subject=subject, state="problem", result="its host does not answer",
        hint="check the network, or correct the address: `dvc remote modify`",
    )  # fmt: skip


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{netloc}")
    try:
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def _resolves_to_loopback() -> bool:
    """Whether the host name leads to the loopback alone, or to nothing."""
    try:
        addresses = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return True
    return all(str(address[0]).startswith(("127.", "::1")) for *_, address in addresses)
