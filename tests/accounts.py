from __future__ import annotations

from shared.octoprint_server import Session

PASSWORD = "secret"


def add_user(admin: Session, name: str, **rights) -> None:
    body = {"name": name, "password": PASSWORD, "active": True, **rights}
    admin.post("/api/access/users", body).raise_for_status()


def api_key(admin: Session, name: str) -> str:
    response = admin.post(f"/api/access/users/{name}/apikey")
    response.raise_for_status()
    return response.json()["apikey"]


def change_group(admin: Session, key: str, *, add: set = frozenset(), remove: set = frozenset()):
    """Give permissions to a group, or take them away."""
    group = admin.get(f"/api/access/groups/{key}").json()
    permissions = (set(group["permissions"]) | add) - remove
    body = {"permissions": sorted(permissions), "subgroups": group["subgroups"]}
    admin.put(f"/api/access/groups/{key}", body).raise_for_status()
