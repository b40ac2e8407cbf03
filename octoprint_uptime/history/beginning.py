"""The start of a run, which is when the end of the previous run becomes known."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..why.evidence import NO_FACTS, Facts, LastRun, Scene, Start, facts_about, vitals_before_end
from ..why.verdict import verdict
from .record import Ended, History, Instant, NewRun, Version

_logger = logging.getLogger("octoprint.plugins.octoprint_uptime")


@dataclass(frozen=True)
class Beginning:
    """What is known when OctoPrint starts.

    Attributes:
        run: The run that starts.
        at: Now.
        versions: The versions of OctoPrint and the plugins, by identifier; ``None`` if unknown.
        plugins: The names of plugins, by their folders.
    """

    run: NewRun
    at: Instant
    versions: Mapping[str, Version] | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)

    def write(self, history: History, scene: Scene, copied: bool) -> None:
        """Record the start of the run and why the previous one ended, within a transaction."""
        last = history.last_run()
        died = scene.died(last) if last else None
        ended = history.begin(self.run, self.at, copied=copied, died=died)
        changed = [] if self.versions is None else history.change_versions(self.versions)
        panicked = history.keep_panics(scene.panics)
        if last is None or ended is None:
            return
        start = Start(
            same_boot=ended.system is None,
            panicked=panicked,
            usual_registers=history.usual_registers(),
            changed=changed,
            plugins=self.plugins,
        )
        facts = _keep_facts(history, ended, last, scene, start)
        for subject, end in (("octoprint", ended.octoprint), ("system", ended.system)):
            if end:
                history.count_reason(subject, end, verdict(subject, end, facts).reason)
        if ended.system == "shutdown" and facts.goodbye == "reboot":
            history.keep_usual_registers(scene.registers)


def _keep_facts(history: History, ended: Ended, last: LastRun, scene: Scene, start: Start) -> Facts:
    try:
        facts, vitals = facts_about(last, scene, start), vitals_before_end(last, scene)
    except Exception:  # what a dying process left behind must not stop the history
        _logger.exception("Could not determine why the last run ended")
        facts, vitals = Facts(goodbye=last.goodbye) if last.said_goodbye else NO_FACTS, []
    history.keep_facts(ended.run, facts.to_json(), json.dumps(vitals) if vitals else None)
    return facts
