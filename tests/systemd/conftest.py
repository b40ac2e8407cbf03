from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from machine import Machine

PLUGINS = Path(__file__).parent.parent / "server" / "plugins"
LOG_LINES_SHOWN = 200

machines_of_this_test: list[Machine] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the machines' logs with a failed test."""
    report = yield
    if report.failed:
        for machine in machines_of_this_test:
            lines = machine.log().splitlines()[-LOG_LINES_SHOWN:]
            report.sections.append((f"log of {machine.folder.name}", "\n".join(lines)))
    return report


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.exit("A machine needs root: sudo make systemd-test", returncode=1)


@pytest.fixture
def new_machine(tmp_path_factory, users_file):
    """A factory of machines with the account ``admin`` and plugins, removed after the test."""

    def make(*service: str, **how) -> Machine:
        machine = Machine(tmp_path_factory.mktemp("machine"), *service, **how)
        machines_of_this_test.append(machine)
        machine.server.configure()
        shutil.copy(users_file, machine.server.basedir)
        shutil.copytree(PLUGINS, machine.server.basedir / "plugins")
        return machine

    yield make
    while machines_of_this_test:
        machines_of_this_test.pop().cut_power()
