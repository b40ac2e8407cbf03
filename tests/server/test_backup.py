"""A backup made while OctoPrint runs restores the history and raises no alarm."""

import contextlib
import sqlite3
import zipfile

import pytest
from helpers import boot, last_end, metrics, recorded, scripted_board, wait_for

HISTORY = "/plugin/octoprint_uptime/history"
API = "/api/plugin/octoprint_uptime"
FOLDER = "basedir/data/octoprint_uptime/"


def back_up(server, admin):
    """Create a backup, as *Create backup now* does."""
    admin.post("/plugin/backup/backup", {"exclude": []}).raise_for_status()

    def made():
        # An unfinished backup has a name that starts with a dot.
        return list((server.basedir / "data" / "backup").glob("octoprint-backup-*.zip"))

    return wait_for(made)[0]


def ends_counted(session):
    return {name: value for name, value in metrics(session).items() if "_ends_total" in name}


@pytest.fixture
def backup(new_server):
    """A server on a scripted boot, its backup and its counters at that time."""
    server = new_server(environment=scripted_board("first", age=5000))
    admin = recorded(server)
    counted = ends_counted(admin)
    archive = back_up(server, admin)
    server.stop()
    return server, archive, counted


@pytest.mark.parametrize("on_another_boot", [False, True])
@pytest.mark.parametrize("into_a_fresh_folder", [False, True])
def test_restoring_raises_no_alarm(new_server, backup, on_another_boot, into_a_fresh_folder):
    server, archive, counted = backup
    if into_a_fresh_folder:
        server = new_server(environment=server.environment)
    server.octoprint("plugins", "backup:restore", str(archive))
    if on_another_boot:
        boot(server, "second", age=100)
    admin = recorded(server)

    restored = last_end(admin)
    assert restored["end"] == "restored"
    assert restored["downtime_seconds"] is None
    answer = admin.get(HISTORY).json()
    assert [host["end"] for host in answer["system"]] == (
        ["running", "restored"] if on_another_boot else ["running"]
    )
    assert admin.get(API).json()["unacknowledged_end"] is None
    grown = {name for name, value in ends_counted(admin).items() if value != counted[name]}
    subjects = ("octoprint", "system") if on_another_boot else ("octoprint",)
    assert grown == {
        f'octoprint_uptime_ends_total{{end="restored",subject="{subject}"}}' for subject in subjects
    }

    # From here on the restored history counts as an original.
    server.stop()
    assert last_end(recorded(server))["end"] in ("restart", "shutdown")


def test_the_archive(backup, tmp_path):
    _, archive, _ = backup
    with zipfile.ZipFile(archive) as contents:
        names = [name for name in contents.namelist() if name.startswith(FOLDER)]
        assert FOLDER + "history.db" in names
        assert FOLDER + "original" not in names
        contents.extractall(tmp_path, names)
    with contextlib.closing(sqlite3.connect(tmp_path / FOLDER / "history.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_file_of_the_version_before_is_no_copy(new_server):
    server = new_server()
    admin = recorded(server)
    assert admin.get(HISTORY).json()["octoprint"][0]["end"] == "running"
    server.stop(9)
    with (
        contextlib.closing(
            sqlite3.connect(server.basedir / "data/octoprint_uptime/history.db")
        ) as database,
        database,
    ):
        database.execute("DELETE FROM seal")
    assert last_end(recorded(server))["end"] == "crash"
