"""An output folder is tried before the work, and left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiprdc.cli.output_folder import check_output
from tiprdc.errors import ConfigError


def test_earlier_result_is_replaced_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(ConfigError, match="add --replace"):
        check_output(tmp_path, "audit.json", replace=False)
    check_output(tmp_path, "audit.json", replace=True)
    check_output(tmp_path, "comparison.json", replace=False)
    assert (tmp_path / "audit.json").read_text() == "{}"


def test_unusable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file cannot be written"):
        check_output(tmp_path / "file", "audit.json", replace=True)
