"""An output folder is tried before the work, and left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiprdc.cli.output_folder import check_output
from tiprdc.errors import ConfigError


@pytest.mark.parametrize("name", ["", "new", "new/deeper"])
def test_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path, name: str) -> None:
    check_output(tmp_path / name, "audit.json", replace=False)
    assert list(tmp_path.iterdir()) == []


def test_earlier_result_is_replaced_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("{}")
    with pytest.raises(ConfigError, match="add --replace"):
        check_output(tmp_path, "audit.json", replace=False)
    check_output(tmp_path, "audit.json", replace=True)
    check_output(tmp_path, "comparison.json", replace=False)
    assert (tmp_path / "audit.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_unusable_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        check_output(tmp_path / name, "audit.json", replace=True)


def test_folder_of_the_system_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        check_output(Path("/proc/tiprdc"), "audit.json", replace=False)
