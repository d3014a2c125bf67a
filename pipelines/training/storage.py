"""Storage of the state that a killed run resumes from: a folder, or a URI such as s3://bucket/runs.

Ray writes its list of checkpoints in place. A full disk, a share that is gone for a minute, or a
kill at the wrong moment leaves a list that Ray cannot read, and Ray then refuses the run for ever.
The checkpoints are still there: `recover` finds the newest one that is complete.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType
from ray.train import Checkpoint

from pipelines.training.ray_private import checkpoint_list_name
from tiprdc.errors import ClusterError
from tiprdc.training import checkpoint

_PROBE_BYTES = 2**20
_SECONDS_BETWEEN_TRIES = 1.0


class Storage:
    """The folder of all runs.

    Args:
        root: A path, or a URI that pyarrow knows.

    Raises:
        ClusterError: The URI is of an unknown kind, or its server does not answer.
    """

    def __init__(self, root: str) -> None:
        self.root = root if "://" in root else str(Path(root).resolve())
        try:
            self._files, self._base = FileSystem.from_uri(self.root)
        except (pa.ArrowException, OSError) as error:
            raise ClusterError(
                "cluster.storage", f"{root}: {error}", "a folder, or a URI such as s3://bucket/runs"
            ) from error

    def of(self, run: str) -> str:
        """The run's folder, as a path or URI."""
        parts = urlsplit(self.root)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{run}").geturl()

    def exists(self, run: str) -> bool:
        """Whether the run has a folder."""
        return self._is_there(self._path(run))

    def files(self, run: str) -> list[str]:
        """Names of the files in the run's folder; [] if it has none."""
        inside = FileSelector(self._path(run), allow_not_found=True)
        found = self._files.get_file_info(inside)
        return sorted(str(info.base_name) for info in found if info.type == FileType.File)

    def read(self, run: str, name: str) -> bytes:
        """Content of a file in the run's folder.

        Raises:
            OSError: There is none, or storage does not answer.
        """
        with self._files.open_input_stream(f"{self._path(run)}/{name}") as stream:
            content: bytes = stream.read()
        return content

    def write(self, run: str, name: str, content: bytes) -> None:
        """Write a file into the run's folder, which is made; it appears complete or not at all.

        Raises:
            OSError: Storage is full or does not answer.
        """
        path = f"{self._path(run)}/{name}"
        # A name of its own: two processes may write the same file.
        partial = f"{path}.{uuid.uuid4().hex}.partial"
        self._files.create_dir(self._path(run))
        with self._files.open_output_stream(partial) as stream:
            stream.write(content)
        self._files.move(partial, path)

    def forget(self, run: str) -> None:
        """Delete the run; a failure is ignored."""
        try:
            self._files.delete_dir(self._path(run))
        except OSError:
            return

    def wait_until_writable(self, run: str, patience: float) -> bool:
        """Wait until the run's folder can be written to, `patience` seconds at most.

        A missing folder is not created: where a share is gone, its mount point is an empty folder
        of another disk.

        Returns:
            Whether it can be written to.
        """
        deadline = time.monotonic() + patience
        while not self._is_writable(run):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_SECONDS_BETWEEN_TRIES)
        return True

    def recover(self, run: str) -> Checkpoint | None:
        """The newest complete checkpoint if Ray's list is damaged; deletes the list.

        Returns:
            None if Ray's list is intact, or no checkpoint is complete.
        """
        if self._list_is_intact(run):
            return None
        path = self._list_path(run)
        if self._is_there(path):
            self._files.delete_file(path)
        checkpoints = (Checkpoint(path, self._files) for path in self._checkpoints(run))
        return next(filter(_is_complete, checkpoints), None)

    def _path(self, run: str) -> str:
        return f"{self._base}/{run}"

    def _list_path(self, run: str) -> str:
        return f"{self._path(run)}/{checkpoint_list_name()}"

    def _is_there(self, path: str) -> bool:
        exists: bool = self._files.get_file_info(path).type != FileType.NotFound
        return exists

    def _is_writable(self, run: str) -> bool:
        path = f"{self._path(run)}/.probe"
        if not self.exists(run):
            return False
        try:
            with self._files.open_output_stream(path) as stream:
                stream.write(bytes(_PROBE_BYTES))
            self._files.delete_file(path)
        except OSError:
            return False
        return True

    def _list_is_intact(self, run: str) -> bool:
        try:
            with self._files.open_input_stream(self._list_path(run)) as stream:
                entries = json.loads(stream.read())["checkpoint_results"]
            folders = [f"{self._path(run)}/{entry['checkpoint_dir_name']}" for entry in entries]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return all(map(self._is_there, folders))

    def _checkpoints(self, run: str) -> list[str]:
        """Folders of checkpoints, the newest first: Ray names them by time."""
        inside = FileSelector(self._path(run), allow_not_found=True)
        paths = [info.path for info in self._files.get_file_info(inside)]
        checkpoints = [path for path in paths if path.rsplit("/", 1)[-1].startswith("checkpoint_2")]
        return sorted(checkpoints, reverse=True)


def _is_complete(stored: Checkpoint) -> bool:
    with stored.as_directory() as folder:
        return checkpoint.is_complete(Path(folder))
