"""A dying process leaves its last words; each test runs its own process."""

import json
import subprocess
import sys

import pytest

ARM = """
import ctypes, faulthandler, os, sys, threading, time
from pathlib import Path
from octoprint_uptime.why.last_words import LastWords

folder = Path(sys.argv[1])

def arm():
    words = LastWords(folder, since_boot=lambda: 77.5)
    words.arm()
    return words

def fail_in_a_thread(error):
    def fail():
        raise error
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs a script that can catch last words; returns its errors."""

    def run(script):
        return subprocess.run(
            [sys.executable, "-c", ARM + script, tmp_path],
            capture_output=True,
            text=True,
            check=False,
        ).stderr

    return run


def test_a_native_crash(run, tmp_path):
    run("arm(); ctypes.string_at(0)")
    dump = (tmp_path / "fault").read_text()
    assert dump.startswith("Fatal Python error: Segmentation fault")
    assert "ctypes" in dump


def test_an_earlier_faulthandler_stays_enabled(run, tmp_path):
    printed = run("faulthandler.enable(); arm(); ctypes.string_at(0)")
    assert "Segmentation fault" in printed
    assert not (tmp_path / "fault").exists()


def test_what_dies_in_a_copy_of_the_process_is_not_the_process(run, tmp_path):
    run("arm()\nif os.fork() == 0: ctypes.string_at(0)\nos.wait()")
    assert (tmp_path / "fault").read_text() == ""


def test_an_exception_in_a_thread(run, tmp_path):
    printed = run("arm(); fail_in_a_thread(OSError(28, 'full'))")
    said = json.loads((tmp_path / "exception").read_text())
    assert said.pop("files")[-1] == "<string>"
    assert said == {
        "at": 77.5,
        "thread": "worker",
        "is_main": False,
        "type": "OSError",
        "message": "[Errno 28] full",
        "errno": 28,
    }
    assert "OSError: [Errno 28] full" in printed  # by whoever listened before


def test_one_in_the_main_thread(run, tmp_path):
    printed = run("arm(); {}['x']")
    said = json.loads((tmp_path / "exception").read_text())
    assert (said["is_main"], said["type"]) == (True, "KeyError")
    assert "KeyError" in printed


def test_a_thread_that_keeps_failing_does_not_wear_out_the_card(run, tmp_path):
    run("arm(); fail_in_a_thread(KeyError('first')); fail_in_a_thread(KeyError('second'))")
    assert json.loads((tmp_path / "exception").read_text())["message"] == "'first'"


@pytest.mark.parametrize("leave", ["sys.exit(1)", "fail_in_a_thread(SystemExit(1))"])
def test_a_deliberate_exit_leaves_no_last_words(run, tmp_path, leave):
    run(f"arm(); {leave}")
    assert (tmp_path / "exception").read_text() == ""


def test_what_others_hand_to_the_hook_is_not_the_main_threads(run, tmp_path):
    run("""
arm()
def report():
    try: 1 / 0
    except ZeroDivisionError: sys.excepthook(*sys.exc_info())
threading.Thread(target=report, name="gpio").start()
""")
    said = json.loads((tmp_path / "exception").read_text())
    assert (said["thread"], said["is_main"]) == ("gpio", False)


def test_the_exception_of_a_copy_is_not_the_process(run, tmp_path):
    run("arm()\nif os.fork() == 0: raise KeyError\nos.wait()")
    assert (tmp_path / "exception").read_text() == ""


def test_one_that_cannot_be_told_is_heard_by_the_others(run, tmp_path):
    printed = run("""
arm()
class Mute(Exception):
    def __str__(self): raise ValueError
fail_in_a_thread(Mute())
""")
    assert "Mute" in printed
    assert (tmp_path / "exception").read_text() == ""
