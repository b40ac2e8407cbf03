from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from octoprint_uptime.history import original


@pytest.fixture
def host(tmp_path):
    """A function that writes files under the root of a scripted host and returns that root."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def on_board(tmp_path, monkeypatch):
    """A function that puts the card into the board with that serial number."""

    def on(serial):
        file = tmp_path / "serial-number"
        file.write_text(serial)
        monkeypatch.setattr(original, "BOARD_SERIAL_FILE", file)

    on("10000000a1b2c3d4\0")
    return on


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"
