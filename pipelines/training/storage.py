"""Where Ray keeps what a killed run goes on from: a folder, or a URI such as s3://bucket/prefix.

A disk may be full and a share may be gone for a minute. Ray writes its list of checkpoints in
place, so that one of these, or a kill in the wrong moment, leaves a list that it cannot read, and
refuses the run for ever. The checkpoints are still there: `recover` finds the newest that is whole.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType
from ray.train import Checkpoint
from ray.train.v2._internal.constants import CHECKPOINT_MANAGER_SNAPSHOT_FILENAME as LIST

from tiprdc.errors import ClusterError
from tiprdc.training import checkpoint

_PROBE_BYTES = 2**20
_SECONDS_BETWEEN_TRIES = 1.0


class Storage:
    """The folder of all runs.

    Args:
        root: A path, or a URI that pyarrow knows.

    Raises:
        ClusterError: No such kind of URI, or it does not answer.
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
        """Whether something of the run is there."""
        return self._is_there(self._path(run))

    def forget(self, run: str) -> None:
        """Delete the run, as far as that can be done."""
        try:
            self._files.delete_dir(self._path(run))
        except OSError:
            return

    def wait_until_writable(self, run: str, patience: float) -> bool:
        """Wait until something can be written to the run, `patience` seconds at most.

        A folder that is not there is not made: where a share is gone, its place is an empty folder
        of another disk.
        """
        deadline = time.monotonic() + patience
        while not self._takes_writing(run):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_SECONDS_BETWEEN_TRIES)
        return True

    def recover(self, run: str) -> Checkpoint | None:
        """The newest whole checkpoint, where Ray's list is damaged; the list is then deleted.

        Returns:
            None where Ray's list can be relied on, or there is nothing whole.
        """
        if self._list_is_sound(run):
            return None
        listed = f"{self._path(run)}/{LIST}"
        if self._is_there(listed):
            self._files.delete_file(listed)
        found = (Checkpoint(path, self._files) for path in self._checkpoints(run))
        return next(filter(_whole, found), None)

    def _path(self, run: str) -> str:
        return f"{self._base}/{run}"

    def _is_there(self, path: str) -> bool:
        found: bool = self._files.get_file_info(path).type != FileType.NotFound
        return found

    def _takes_writing(self, run: str) -> bool:
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

    def _list_is_sound(self, run: str) -> bool:
        try:
            with self._files.open_input_stream(f"{self._path(run)}/{LIST}") as stream:
                named = json.loads(stream.read())["checkpoint_results"]
            folders = [f"{self._path(run)}/{one['checkpoint_dir_name']}" for one in named]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return all(map(self._is_there, folders))

    def _checkpoints(self, run: str) -> list[str]:
        """Folders of checkpoints, the newest first: Ray names them by time."""
        inside = FileSelector(self._path(run), allow_not_found=True)
        paths = [found.path for found in self._files.get_file_info(inside)]
        names = [path for path in paths if path.rsplit("/", 1)[-1].startswith("checkpoint_2")]
        return sorted(names, reverse=True)


def _whole(found: Checkpoint) -> bool:
    with found.as_directory() as folder:
        return checkpoint.is_complete(Path(folder))
