"""The kinds of ends, and which of them are unplanned."""

from __future__ import annotations

ENDS = {
    "octoprint": ("restart", "shutdown", "crash", "power_loss", "restored"),
    "system": ("shutdown", "power_loss", "restored", "unknown"),
    "printer": ("disconnected", "error", "octoprint_down"),
}
"""How a run of OctoPrint, a boot of the host and a printer connection can end."""

UNPLANNED_ENDS = ("crash", "power_loss")
"""The ends of a run or a boot that raise an alarm."""


UNSEEN_ENDS = ("restored", "unknown")
"""The ends after which the downtime is unknown."""


def run_end(said_goodbye: bool, on_same_boot: bool, copied: bool, witnessed: bool) -> str:
    """How a run of OctoPrint ended, told by the run after it.

    Args:
        said_goodbye: Whether the run wrote its goodbye.
        on_same_boot: Whether the next run is on the same boot of the host.
        copied: Whether the next run found a copy of the record, which cannot tell how
            the run went on in the original.
        witnessed: Whether a witness saw it end while the host stayed up.
    """
    if copied:
        return "restored"
    if said_goodbye:
        return "restart" if on_same_boot else "shutdown"
    return "crash" if on_same_boot or witnessed else "power_loss"


def connection_end(failed: bool) -> str:
    """How a printer connection ended that OctoPrint saw end: lost, or closed on request."""
    return "error" if failed else "disconnected"


def boot_end(end_of_last_run: str) -> str:
    """How a boot of the host ended, told by how its last run of OctoPrint did."""
    # After a crash nothing recorded what the host did.
    return "unknown" if end_of_last_run == "crash" else end_of_last_run
