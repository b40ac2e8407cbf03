"""Print the requirements of some integrations of this Python's Home Assistant.

Otherwise Home Assistant would install them at its start, which needs internet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import homeassistant
from homeassistant.bootstrap import DEFAULT_INTEGRATIONS

COMPONENTS = Path(homeassistant.__file__).parent / "components"


def with_dependencies(names: set[str]) -> set[str]:
    """Return the integrations and their dependencies."""
    found: set[str] = set()
    missing = set(names)
    while missing:
        found |= missing
        missing = {other for name in missing for other in manifest(name).get("dependencies", [])}
        missing -= found
    return found


def manifest(integration: str) -> dict[str, list[str]]:
    return json.loads((COMPONENTS / integration / "manifest.json").read_text())


if __name__ == "__main__":
    for integration in sorted(with_dependencies({*DEFAULT_INTEGRATIONS, *sys.argv[1:]})):
        for requirement in manifest(integration).get("requirements", []):
            print(requirement)
