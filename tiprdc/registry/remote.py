"""Fetches what a pull needs of a repository: tags of an artifact, then one commit; no history.

The first fetch takes tag objects and their commits; where the server can leave files out, none of
these. A second repository takes the files of one commit, since DVC reads no partial clone. Where a
server cannot leave history out, all is cloned. Whatever arrives is checked alike: Git names every
object by its digest, and statements are signed.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tiprdc.errors import ReleaseError
from tiprdc.registry.git import SOURCE_HINT, Git, Tag, clone
from tiprdc.registry.tags import tag_patterns

_UPLOAD_PACK = "git -c uploadpack.allowFilter=true upload-pack"
_NO_ANSWER = re.compile(r"onnect|[Cc]ould not re(ad|solve)|timed out|Permission denied|Authentic")
"""In the error of a server that would not answer a clone, either."""


class Remote:
    """A repository that is fetched from.

    Args:
        source: Folder or URL.
        folder: New repositories are made in it.
    """

    def __init__(self, source: str, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._whole: Git | None = None

    def tags(self, artifact: str) -> Git:
        """A repository with the tags of an artifact and the commits that they name.

        Raises:
            ReleaseError: There is no such repository, or it does not answer.
        """
        return self._fetch("tags", tag_patterns(artifact), "--filter=tree:0", *self._allow_filter())

    def files(self, tag: Tag) -> Git:
        """A repository with the files of a tag's commit.

        Raises:
            ReleaseError: It has no such tag any more, or does not answer.
        """
        return self._fetch("files", [tag.name])

    def _allow_filter(self) -> tuple[str, ...]:
        """On this machine Git leaves files out only if the repository's settings allow it."""
        is_here = self._source.startswith("file:") or Path(self._source).is_dir()
        return (f"--upload-pack={_UPLOAD_PACK}",) if is_here else ()

    def _fetch(self, kind: str, names: list[str], *options: str) -> Git:
        if self._whole:
            return self._whole
        git = Git(Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self._folder)))
        try:
            git.make()
            git("remote", "add", "--", "origin", self._source)
            git.fetch_tags("origin", names, "--depth=1", *options, hint=SOURCE_HINT)
        except ReleaseError as error:
            if _NO_ANSWER.search(str(error.given)):
                raise
            self._whole = git = clone(self._source, self._folder / "clone")
        return git
