"""The lines of strace are read correctly."""

import pytest
from shared import strace
from shared.strace import Call


def test_a_call_is_noted_when_it_returns():
    lines = [
        "7 fsync(3</f> <unfinished ...>\n",
        "8 lseek(4</g>, 0, SEEK_SET) = 0\n",
        "7 <... fsync resumed>) = 0\n",
        '8 unlink("x") = -1 ENOENT (No such file or directory)\n',
        "8 +++ exited with 0 +++\n",
    ]
    assert list(strace.successful_calls(lines)) == [
        Call("lseek", ["4</g>", "0", "SEEK_SET"], 0),
        Call("fsync", ["3</f>"], 0),
    ]


def test_what_is_not_understood_is_refused(tmp_path):
    log = strace.FolderLog(tmp_path, tmp_path / "marks", [])
    path = "".join(f"\\x{byte:02x}" for byte in bytes(tmp_path / "history.db"))
    with pytest.raises(NotImplementedError):
        log.note(Call("fallocate", [f"3<{path}>", "0", "0", "9"], 0))
