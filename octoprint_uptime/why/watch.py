"""Everything that watches a running OctoPrint, started and stopped together."""

from __future__ import annotations

import logging
import secrets
import sys
from pathlib import Path
from typing import Any, Callable

from ..reader import monotonic_clock
from .evidence import Scene, forget_other_runs, look
from .host import Host, HostState
from .last_words import LastWords
from .loop import LoopWatch
from .undervoltage import AlarmWatch, undervoltage_alarm
from .vitals import Vitals, VitalSigns
from .witness import Witness, own_unit

FOLDER = "last_words"
"""The folder with a folder for each run; backups leave it out."""


class Watch:
    """Watches one run of OctoPrint.

    Args:
        folder: The plugin's data folder.
        log: OctoPrint's own log.
        on_sags: Gets how often undervoltage was detected, and how many seconds ago.
        logger: Gets what cannot be watched.
        root: Where ``/proc``, ``/sys`` and ``/var`` are.

    Attributes:
        token: The name of this run's folder.
        hears_undervoltage: Whether the kernel reports undervoltage.
    """

    def __init__(
        self,
        folder: Path,
        log: Path,
        on_sags: Callable[[int, float], None],
        logger: logging.Logger,
        root: Path = Path("/"),
    ) -> None:
        self.token: str | None = (token := secrets.token_hex(8))
        self._all_runs = folder / FOLDER
        self._this_run = self._all_runs / token
        self._log = log
        self._logger = logger
        self._root = root
        self._alarm_watch = _alarm_watch(on_sags, root)
        self.hears_undervoltage = self._alarm_watch is not None
        since_boot = monotonic_clock()
        self._loop = LoopWatch(self._this_run / "hang", logger)
        self._last_words = LastWords(self._this_run, since_boot)
        self._witness = Witness(self._this_run / "witness", own_unit(root), since_boot)
        self._vital_signs = VitalSigns(folder, self._loop.late_seconds, root)
        self._host = Host(root)

    def start(self, loop: Any, with_witness: bool) -> None:
        """Start to watch. What cannot be watched is logged once and costs nothing else.

        Args:
            loop: The server's tornado loop.
            with_witness: Whether to start a witness.
        """
        if self._alarm_watch:
            self._alarm_watch.start()
        try:
            # Only OctoPrint's user should read lines of the journal.
            self._this_run.mkdir(mode=0o700, parents=True)
        except OSError as error:
            self._logger.warning("Could not start collecting evidence: %s", error)
            return
        self._try("for native crashes", self._last_words.arm)
        self._try("the server loop", lambda: self._loop.start(loop))
        self.keep_witness(with_witness)

    def keep_witness(self, wanted: bool) -> None:
        """Start or stop the witness."""
        self._try("how OctoPrint ends", self._witness.start if wanted else self._witness.dismiss)

    def stop(self) -> None:
        """OctoPrint stops cleanly."""
        self._loop.stop()
        self._witness.dismiss()

    def vitals(self) -> Vitals:
        """The vital signs at this moment."""
        return self._vital_signs.read()

    def peek(self) -> Vitals:
        """The vital signs of memory and disk, for any thread."""
        return self._vital_signs.peek()

    def host(self) -> HostState:
        """The state of the host beside its vital signs."""
        return self._host.state()

    def look(self) -> Scene:
        """The evidence that earlier runs left behind."""
        return look(self._all_runs, self._log, self.vitals(), self._root)

    def forget_all_but(self, token: str | None) -> None:
        """Remove the last words of all runs except this one and the one with that token."""
        forget_other_runs(self._all_runs, (self.token, token))

    def _try(self, what: str, begin: Callable[[], None]) -> None:
        try:
            begin()
        except OSError as error:
            self._logger.warning("Could not watch %s: %s", what, error)


def _alarm_watch(on_sags: Callable[[int, float], None], root: Path) -> AlarmWatch | None:
    """``None`` if the kernel does not report undervoltage."""
    alarm = undervoltage_alarm(root) if sys.platform == "linux" else None
    if alarm is None:
        return None
    try:
        return AlarmWatch(alarm, on_sags)
    except OSError:
        return None
