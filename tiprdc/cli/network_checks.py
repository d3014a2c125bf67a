"""Who answers from here: Git's and DVC's remotes, Ray, and the network between machines."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tiprdc.cli.machine_checks import Finding, ask
from tiprdc.formats.files import sanitize

_RELEASE = re.compile(r"^[\w/-]+(@v\d+\.\d+\.\d+|#[\w-]+(#\d+)?)", re.MULTILINE)
"""Tags of registered versions and of lifecycle stages, as GTO writes them."""
_PORTS = {"http": 80, "https": 443, "ssh": 22}
_SECONDS = 3.0


def git(folder: Path) -> Iterator[Finding]:
    """Whether remotes answer, and whether the tags of releases are on both sides."""
    if ask("git", "rev-parse", "--git-dir", folder=folder) is None:
        yield Finding(about="git", state="warning", found="no Git repository here, or no git")
        return
    if (ask("git", "rev-parse", "--is-shallow-repository", folder=folder) or "").strip() == "true":
        yield Finding(
            about="git", state="warning", found="a shallow clone: history and tags are cut off",
            hint="git fetch --unshallow --tags",
        )  # fmt: skip
    remotes = (ask("git", "remote", folder=folder) or "").split()
    if not remotes:
        yield Finding(
            about="git", state="warning", found="no remote: nobody can pull from here",
            hint="git remote add origin URL",
        )  # fmt: skip
    here = set((ask("git", "tag", folder=folder) or "").split())
    for name in remotes:
        yield from _remote(name, here, folder)


def dvc(folder: Path) -> Iterator[Finding]:
    """Whether the places that DVC keeps artifacts in are there."""
    if not (folder / ".dvc").is_dir():
        return
    if find_spec("dvc") is None:
        # That it is not installed is said elsewhere.
        return
    listed = ask(sys.executable, "-m", "dvc", "remote", "list", folder=folder, seconds=60)
    if listed is None:
        yield Finding(
            about="dvc", state="problem", found="its configuration cannot be read",
            hint="`dvc remote list` says why",
        )  # fmt: skip
        return
    lines = [line.split() for line in listed.splitlines() if len(line.split()) >= 2]
    if not lines:
        yield Finding(
            about="dvc", state="warning", found="no remote: artifacts stay on this machine",
            hint="dvc remote add -d NAME URL",
        )  # fmt: skip
    for name, url, *_ in lines:
        # A store that speaks S3 elsewhere than at Amazon.
        endpoint = ask(
            sys.executable, "-m", "dvc", "config", f"remote.{name}.endpointurl", folder=folder,
            seconds=60,
        ) if url.startswith("s3:") else None  # fmt: skip
        yield _store(sanitize(name), (endpoint or "").strip() or url)


def ray(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether somebody answers at RAY_ADDRESS."""
    address = environment.get("RAY_ADDRESS", "")
    if address in ("", "auto", "local"):
        found = f"RAY_ADDRESS is {address or 'not set'}: a Ray of this machine"
        yield Finding(about="ray cluster", state="ok", found=found)
        return
    place = urlsplit(address if "//" in address else f"//{address}")
    host, port = _host_and_port(place.netloc)
    port = port or (10001 if place.scheme == "ray" else 6379)
    if host and _answers(host, port):
        yield Finding(about="ray cluster", state="ok", found="RAY_ADDRESS answers")
        return
    yield Finding(
        about="ray cluster", state="problem", found="nobody answers at RAY_ADDRESS",
        hint="start it (`ray up ray_cluster.yaml`), fix the address, or unset RAY_ADDRESS",
    )  # fmt: skip


def network(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether other machines could reach training workers here: Gloo takes the name's address."""
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    shown = ", ".join(names) or "none but the loopback"
    chosen = environment.get("GLOO_SOCKET_IFNAME")
    if chosen is not None and chosen not in (*names, "lo"):
        yield Finding(
            about="network", state="problem",
            found=f"GLOO_SOCKET_IFNAME names an interface that is not here ({shown})",
            hint="set it to one of these, or cluster.network_interface in params.yaml",
        )  # fmt: skip
    elif chosen is None and names and _loops_back():
        yield Finding(
            about="network", state="warning",
            found=f"this machine's own name leads to the loopback; interfaces: {shown}",
            hint="to train on several machines, set cluster.network_interface in params.yaml",
        )  # fmt: skip
    else:
        yield Finding(about="network", state="ok", found=f"interfaces: {shown}")


def _remote(name: str, here: set[str], folder: Path) -> Iterator[Finding]:
    about = f"git {sanitize(name)}"
    listed = ask("git", "ls-remote", "--tags", "--refs", "--", name, folder=folder)
    if listed is None:
        yield Finding(
            about=about, state="problem", found="does not answer",
            hint=f"`git ls-remote {sanitize(name)}` says why",
        )  # fmt: skip
        return
    there = {line.partition("refs/tags/")[2] for line in listed.splitlines()}
    released = {tag for tag in there if _RELEASE.match(tag)}
    missing, unpushed = released - here, {t for t in here - there if _RELEASE.match(t)}
    if missing:
        yield Finding(
            about=about, state="problem", found=f"{len(missing)} tags of releases are not here",
            hint=f"git fetch --tags {sanitize(name)}",
        )  # fmt: skip
    if unpushed:
        yield Finding(
            about=about, state="warning", found=f"{len(unpushed)} tags of releases are only here",
            hint=f"git push {sanitize(name)} --tags",
        )  # fmt: skip
    if not missing and not unpushed:
        found = f"answers; {len(released)} tags of releases, all here"
        yield Finding(about=about, state="ok", found=found)


def _store(name: str, url: str) -> Finding:
    about = f"dvc {name}"
    place = urlsplit(url)
    if not place.scheme:
        folder = Path(url)
        good = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        hint = "" if good else "mount or make it, or `dvc remote modify`"
        found = "a folder that is there" if good else "a folder that is not there, or not readable"
        return Finding(about=about, state="ok" if good else "problem", found=found, hint=hint)
    host, port = _host_and_port(place.netloc)
    if place.scheme not in _PORTS or not host:
        kind = sanitize(place.scheme)
        found = f"{kind}: whether it answers was not tried"
        return Finding(about=about, state="ok", found=found, hint="`dvc status --cloud` tries it")
    if _answers(host, port or _PORTS[place.scheme]):
        return Finding(about=about, state="ok", found="its host answers")
    return Finding(
        about=about, state="problem", found="its host does not answer",
        hint="fix the network or the address: `dvc remote modify`",
    )  # fmt: skip


def _host_and_port(netloc: str) -> tuple[str, int | None]:
    place = urlsplit(f"//{netloc}")
    try:
        return place.hostname or "", place.port
    except ValueError:
        return "", None


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False


def _loops_back() -> bool:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return True
    return all(str(address[0]).startswith(("127.", "::1")) for *_, address in found)
