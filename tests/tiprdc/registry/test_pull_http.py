"""Release to and pull from a local web server that accepts PUT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.release_project import Lab, check_pulls_from_remote
from tests.helpers.web_server import QuietHandler, serving

pytest.importorskip(
    "dvc_http", reason="DVC's client for HTTP is not installed: pip install dvc-http"
)

# Warnings of aiohttp are not ours.
pytestmark = pytest.mark.filterwarnings("default")


class PutHandler(QuietHandler):
    """Serves a folder and accepts new files."""

    def do_PUT(self) -> None:  # noqa: N802  # the name that http.server calls
        path = Path(self.translate_path(self.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for part in self._parts():
                file.write(part)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _parts(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            yield self.rfile.read(int(self.headers["Content-Length"]))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its URL and its folder."""
    folder = tmp_path / "web"
    folder.mkdir()

    with serving(folder, PutHandler) as origin:
        yield f"{origin}/store", folder / "store"


def test_release_is_pulled_from_a_web_server(
    audited_lab: Lab, tmp_path: Path, web_server: tuple[str, Path]
) -> None:
    (url, store), lab = web_server, audited_lab.copy(tmp_path / "lab")
    lab.use_remote(f"url = {url}", "method = PUT")
    check_pulls_from_remote(
        lab,
        tmp_path,
        put=lambda name, data: (store / name).write_bytes(data),
        delete=lambda name: (store / name).unlink(),
    )
