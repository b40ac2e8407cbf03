from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from accounts import PASSWORD, add_user
from hypothesis import HealthCheck, settings
from shared.octoprint_server import OctoPrintServer, Session

# A busy machine may be slow, which is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LOG_LINES_SHOWN = 150

servers_of_this_run: list[OctoPrintServer] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the servers' logs with a failed test."""
    report = yield
    if report.failed:
        for server in servers_of_this_run:
            lines = server.log().splitlines()[-LOG_LINES_SHOWN:]
            report.sections.append((f"log of OctoPrint on port {server.port}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session")
def users_file(tmp_path_factory) -> Path:
    """OctoPrint's file of accounts with ``admin``, made once because it takes seconds."""
    server = OctoPrintServer(tmp_path_factory.mktemp("accounts"))
    server.configure()
    server.add_admin("admin", PASSWORD)
    return server.basedir / "users.yaml"


@pytest.fixture(scope="module")
def new_server(tmp_path_factory, users_file):
    """A factory of servers with the account ``admin``, stopped after the module."""
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
    # OctoPrint idles for a second or two as it stops.
    with ThreadPoolExecutor() as stopping:
        list(stopping.map(OctoPrintServer.stop, made))
    for server in made:
        servers_of_this_run.remove(server)


@pytest.fixture(scope="module")
def server(new_server) -> OctoPrintServer:
    """A running server with ``admin`` and an account of the same name for each of two groups."""
    server = new_server()
    server.start()
    admin = server.login("admin", PASSWORD)
    for group in ("users", "readonly"):
        add_user(admin, group, groups=[group])
    return server


@pytest.fixture(scope="module")
def admin(server) -> Session:
    return server.login("admin", PASSWORD)
