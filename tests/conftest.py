from __future__ import annotations

import pytest
from octoprint_server import OctoPrintServer, Session

PASSWORD = "secret"
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


@pytest.fixture(scope="module")
def new_server(tmp_path_factory):
    """Makes servers that are stopped when the module is done."""
    made = []

    def make(environment=None, **config) -> OctoPrintServer:
        server = OctoPrintServer(tmp_path_factory.mktemp("octoprint"), environment=environment)
        server.configure(**config)
        made.append(server)
        servers_of_this_run.append(server)
        return server

    yield make
    for server in made:
        server.stop()
        servers_of_this_run.remove(server)


@pytest.fixture(scope="module")
def server(new_server) -> OctoPrintServer:
    """A running server with the accounts ``admin`` and, by their group, ``users`` and ``readonly``."""
    server = new_server()
    server.add_admin("admin", PASSWORD)
    server.start()
    admin = server.login("admin", PASSWORD)
    for group in ("users", "readonly"):
        add_user(admin, group, groups=[group])
    return server


@pytest.fixture(scope="module")
def admin(server) -> Session:
    return server.login("admin", PASSWORD)


def add_user(admin: Session, name: str, **rights) -> None:
    body = {"name": name, "password": PASSWORD, "active": True, **rights}
    admin.post("/api/access/users", body).raise_for_status()


def api_key(admin: Session, name: str) -> str:
    response = admin.post(f"/api/access/users/{name}/apikey")
    response.raise_for_status()
    return response.json()["apikey"]
