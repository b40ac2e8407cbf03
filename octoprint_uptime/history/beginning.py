"""The beginning of a run, which is when the end of the run before it becomes known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..why.evidence import Scene, Start, facts_about, vitals_before_end
from ..why.verdict import verdict
from .record import History, Instant, NewRun


@dataclass(frozen=True)
class Beginning:
    """What is known as OctoPrint starts.

    Attributes:
        run: The run that begins.
        at: Now.
        versions: Of OctoPrint and the plugins, by name.
        plugins: The names of plugins, by their folders.
    """

    run: NewRun
    at: Instant
    versions: Mapping[str, str] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)

    def write(self, history: History, scene: Scene, copied: bool) -> None:
        """Begin the run, and keep why the one before it ended. Within a transaction."""
        last = history.last_run()
        last_booted_at = history.booted_at()
        died = scene.died(last) if last else None
        ended = history.begin(self.run, self.at, copied=copied, died=died)
        changed = history.change_versions(self.versions)
        if last is None or ended is None:
            return
        start = Start(
            same_boot=ended.system is None,
            seen_at=last_booted_at + last.seen,
            usual_registers=history.usual_registers(),
            changed=changed,
            plugins=self.plugins,
        )
        facts = facts_about(last, scene, start)
        vitals = vitals_before_end(last, scene)
        history.keep_facts(ended.run, facts.to_json(), json.dumps(vitals) if vitals else None)
        for subject, end in (("octoprint", ended.octoprint), ("system", ended.system)):
            if end:
                history.count_reason(subject, end, verdict(subject, end, facts).reason)
        if ended.system == "shutdown" and facts.goodbye == "reboot":
            history.keep_usual_registers(scene.registers)
