"""``python -m octoprint_uptime``: the commands where ``octoprint plugins`` cannot start.

OctoPrint's own command line needs a valid ``config.yaml`` and folders that it can write to. What
broke them may be what someone wants to know.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from octoprint.util.yaml import load_from_file

from .telling.shell import Source, commands

# Where OctoPrint looks.
BASE_FOLDER = Path(click.get_app_dir("OctoPrint", force_posix=sys.platform == "linux"))


@click.group()
@click.option(
    "--basedir",
    "-b",
    type=click.Path(file_okay=False, readable=False, path_type=Path),
    default=BASE_FOLDER,
    show_default=True,
    envvar="OCTOPRINT_BASEDIR",
    show_envvar=True,
    help="OctoPrint's base folder.",
)
@click.pass_context
def main(context: click.Context, basedir: Path) -> None:
    """Show what went down, and why, without starting OctoPrint."""
    context.obj = basedir


def _source() -> Source:
    base = click.get_current_context().obj
    return Source.in_base_folder(base, _config(base / "config.yaml"))


def _config(file: Path) -> Any:
    """Return OctoPrint's settings; none if they cannot be read."""
    try:
        return load_from_file(path=str(file))
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever is wrong with the file may be why OctoPrint is dead
        # If it is the folder that may not be entered, the history's own message says so.
        if os.access(file.parent, os.X_OK):
            click.echo(f"{file}: {error}", err=True)
        return None


for command in commands(_source):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m octoprint_uptime")
