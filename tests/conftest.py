from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from accounts import PASSWORD, add_user
from octoprint_server import OctoPrintServer, Session

LOG_LINES_SHOWN = 150

servers_of_this_run: list[OctoPrintServer] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the servers' logs with a test that failed."""
    report = yield
    if report.failed:
        for server in servers_of_this_run:
            lines = server.log().splitlines()[-LOG_LINES_SHOWN:]
            report.sections.append((f"log of OctoPrint on port {server.port}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def users_file(tmp_path_factory) -> Path:
    """OctoPrint's file of accounts, with ``admin``; its command line takes seconds to make one."""
    server = OctoPrintServer(tmp_path_factory.mktemp("accounts"))
    server.configure()
    server.add_admin("admin", PASSWORD)
    return server.basedir / "users.yaml"


@pytest.fixture(scope="module")
def new_server(tmp_path_factory, users_file):
    """Makes servers with the account ``admin``; they are stopped when the module is done."""
    made = []

    def make(environment=None, python=sys.executable, **config) -> OctoPrintServer:
        basedir = tmp_path_factory.mktemp("octoprint")
        server = OctoPrintServer(basedir, environment=environment, python=python)
        server.configure(**config)
        shutil.copy(users_file, server.basedir)
        made.append(server)
        servers_of_this_run.append(server)
        return server

    yield make
    for server in made:
        server.stop()
        servers_of_this_run.remove(server)


@pytest.fixture(scope="module")
def server(new_server) -> OctoPrintServer:
    """A running server; besides ``admin`` it has an account for each of two groups, named so."""
    server = new_server()
    server.start()
    admin = server.login("admin", PASSWORD)
    for group in ("users", "readonly"):
        add_user(admin, group, groups=[group])
    return server


@pytest.fixture(scope="module")
def admin(server) -> Session:
    return server.login("admin", PASSWORD)
