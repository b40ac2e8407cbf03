"""A copy of a record is told from the original."""

import shutil

from octoprint_uptime.history import original
from octoprint_uptime.history.original import TOKEN_FILE, Original


def test_the_original(on_board, folder):
    seal = Original(folder).new_seal()
    assert Original(folder).is_sealed_by(seal)


def test_a_backup_lacks_the_token(on_board, folder):
    seal = Original(folder).new_seal()
    (folder / TOKEN_FILE).unlink()
    assert not Original(folder).is_sealed_by(seal)


def test_a_damaged_token(on_board, folder):
    seal = Original(folder).new_seal()
    (folder / TOKEN_FILE).write_bytes(b"\xff\0")
    assert not Original(folder).is_sealed_by(seal)


def test_a_backup_of_another_original(on_board, folder, tmp_path):
    (tmp_path / "other").mkdir()
    seal = Original(tmp_path / "other").new_seal()
    Original(folder).new_seal()
    assert not Original(folder).is_sealed_by(seal)


def test_a_card_cloned_to_another_board(on_board, folder, tmp_path):
    seal = Original(folder).new_seal()
    shutil.copytree(folder, tmp_path / "clone")
    on_board("10000000ffffffff\0")
    assert not Original(tmp_path / "clone").is_sealed_by(seal)


def test_no_serial_number_leaves_the_token(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(original, "BOARD_SERIAL_FILE", tmp_path / "none")
    seal = Original(folder).new_seal()
    assert Original(folder).is_sealed_by(seal)


def test_the_serial_number_is_not_stored(on_board, folder):
    seal = Original(folder).new_seal()
    assert "a1b2c3d4" not in seal + (folder / TOKEN_FILE).read_text()
