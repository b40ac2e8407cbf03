"""A verdict in words, in the language of who asks."""

from __future__ import annotations

from typing import Any

from babel.numbers import format_decimal
from flask_babel import get_locale, gettext

from .evidence import Facts
from .verdict import UNKNOWN, Sign, Verdict


def N_(text: str) -> str:
    """Marks a text that is translated when it is needed."""
    return text


_TEXTS = {
    "out_of_memory": N_("Out of memory: the kernel ended OctoPrint."),
    "out_of_memory left": N_("Out of memory: the kernel ended OctoPrint with %(left)s left."),
    "grown": N_("OctoPrint itself had grown from %(before)s to %(after)s."),
    "native_crash": N_("Native code crashed: %(signal)s."),
    "native_crash library": N_("Native code crashed in %(library)s: %(signal)s."),
    "native_crash plugin": N_(
        "Native code crashed in %(library)s, called by the plugin %(plugin)s: %(signal)s."
    ),
    "hung": N_("OctoPrint's server stopped answering."),
    "hung plugin": N_("OctoPrint's server stopped answering while the plugin %(plugin)s ran."),
    "exited": N_("OctoPrint exited with status %(status)d."),
    "exited exception": N_("OctoPrint exited after an exception: %(type)s: %(message)s"),
    "killed": N_("OctoPrint was killed by signal %(number)d (%(name)s)."),
    "disk_full": N_("The disk was full."),
    "disk_read_only": N_("The file system failed or became read-only."),
    "kernel_panic": N_("The kernel crashed."),
    "undervoltage": N_("Undervoltage reset the host."),
    "overheated": N_("The processor overheated."),
    "watchdog": N_("The host hung, and its watchdog reset it."),
    "power_cut": N_("The power was cut."),
    "update": N_("Restarted for an update: %(changes)s."),
    "reboot": N_("The host was rebooted."),
    "power_off": N_("The host was shut down."),
    "requested": N_("OctoPrint was asked to stop or restart."),
    "unknown octoprint crash": N_("OctoPrint ended, and nothing recorded shows why."),
    "unknown octoprint power_loss": N_("The host went down, and nothing recorded shows why."),
    "unknown octoprint restart": N_("OctoPrint was asked to stop or restart."),
    "unknown octoprint shutdown": N_("OctoPrint was stopped before the host went down."),
    "unknown octoprint restored": N_(
        "Nothing shows what happened to the original after the copy was made."
    ),
    "unknown system power_loss": N_("The host went down, and nothing recorded shows why."),
    "unknown system shutdown": N_(
        "OctoPrint had been stopped. Nobody saw how the host went down after that."
    ),
    "unknown system restored": N_(
        "Nothing shows what happened to the original after the copy was made."
    ),
    "unknown system unknown": N_(
        "OctoPrint had crashed. Nobody saw how the host went down after that."
    ),
}

_ADVICE = {
    "out_of_memory": N_(
        "Disable plugins you do not need, lower the webcam's resolution, or use a board with"
        " more memory. If OctoPrint itself kept growing, find the plugin in safe mode."
    ),
    "native_crash": N_(
        "Update the plugin or library named here, or report the crash to its author."
        " If none is named, try safe mode, then test the memory and the power supply."
    ),
    "hung": N_(
        "Report it to the author of the plugin named here. If none is named, the stacks of"
        " all threads are in the plugin's data folder."
    ),
    "exited": N_("Read the last lines of octoprint.log from before the end."),
    "killed": N_(
        "Find out who sent the signal: an administrator, a script, a container's stop, or"
        " systemd when OctoPrint took too long to stop."
    ),
    "disk_full": N_("Delete old timelapses, uploads and logs, or use a larger card."),
    "disk_read_only": N_(
        "Back up now and replace the SD card. A file system becomes read-only when the card"
        " fails or when power was lost during a write."
    ),
    "kernel_panic": N_("Update the operating system, then check memory, heat and power supply."),
    "undervoltage": N_(
        "Use the board's official power supply and a short, thick cable. Do not power the"
        " printer from the board."
    ),
    "overheated": N_("Add a heat sink or a fan, and keep the board out of a heated enclosure."),
    "watchdog": N_("Check what makes a host hang: a failing SD card, a driver, undervoltage."),
    "power_cut": N_(
        "If you switch it off at the wall, shut it down first. Otherwise check plug, fuse and"
        " power supply."
    ),
    "unknown octoprint crash": N_(
        "Next time systemd and the kernel can tell: run OctoPrint as a service, let its user"
        " read the journal (group adm), and leave the witness on."
    ),
    "unknown octoprint power_loss": N_(
        "A power cut, a reset and a kernel crash often leave no trace. Check the power supply"
        " first. Some boards reveal the cause, but only after this plugin has seen one clean"
        " reboot."
    ),
}
_ADVICE["unknown system power_loss"] = _ADVICE["unknown octoprint power_loss"]

_EVIDENCE = {
    "oom_result": N_(
        "systemd reports that the kernel killed a process of the service for lack of memory."
    ),
    "oom_line": N_("The kernel's log says that it killed OctoPrint, process %(pid)d."),
    "oom_count": N_("Out-of-memory kills since the last heartbeat: %(count)d."),
    "memory_low": N_("Memory available at the last heartbeat: %(bytes)s."),
    "memory_error": N_("A thread failed for lack of memory (MemoryError)."),
    "fault": N_("Before it died, OctoPrint reported: %(signal)s."),
    "fault library": N_("Before it died, OctoPrint reported: %(signal)s in %(library)s."),
    "fault plugin": N_(
        "Before it died, OctoPrint reported: %(signal)s in %(library)s, plugin %(plugin)s."
    ),
    "hang": N_("The server had not answered for 30 seconds and never answered again."),
    "hang plugin": N_(
        "The server had not answered for 30 seconds and never answered again. The plugin"
        " %(plugin)s was running."
    ),
    "watchdog_result": N_("systemd's watchdog for the service timed out."),
    "silent": N_("No heartbeat for %(seconds)d s before the end."),
    "loop_late": N_("At the last heartbeat the server answered %(seconds)d s late."),
    "exit": N_("The process ended with exit status %(status)d."),
    "signal": N_("Signal %(number)d (%(name)s) ended the process."),
    "exception": N_("Exception in the thread %(thread)s: %(type)s: %(message)s"),
    "exception plugin": N_(
        "Exception in the thread %(thread)s, plugin %(plugin)s: %(type)s: %(message)s"
    ),
    "no_space": N_("A thread failed because the disk was full."),
    "disk_was_full": N_("Disk space left at the last heartbeat: %(bytes)s."),
    "disk_is_full": N_("Disk space left after the start: %(bytes)s."),
    "read_only_error": N_("A thread failed because the file system was read-only."),
    "disk_was_read_only": N_("At the last heartbeat the file system was read-only."),
    "disk_is_read_only": N_("After the start the file system was read-only."),
    "filesystem_errors": N_("New errors of the file system: %(count)d."),
    "panic": N_("The kernel left a record of its own crash."),
    "register": N_("The board's reset register %(name)s reads %(value)s, unlike after a reboot."),
    "sag": N_(
        "Undervoltage %(seconds)d s before the end. Number of times since the start: %(count)d."
    ),
    "sags_earlier": N_("Undervoltage earlier. Number of times since the start: %(count)d."),
    "hot": N_("Processor at the last heartbeat: %(celsius)d °C."),
    "nuls": N_("octoprint.log was cut off while it was being written."),
    "changed": N_("Changed by the next start: %(changes)s."),
    "rebooting": N_("systemd was about to reboot the host."),
    "powering_off": N_("systemd was about to switch the host off."),
    "host_was_going_down": N_("The host was shutting down at that moment."),
    "goodbye": N_("OctoPrint said goodbye."),
    "line": "%(line)s",
}

_CHANGE = N_("%(name)s %(old)s to %(new)s")
_ADDED = N_("%(name)s %(new)s installed")
_REMOVED = N_("%(name)s removed")

_GROWTH = 1.5
_LITTLE_MEMORY = 300e6
MB, GB = 1e6, 1e9
_IN_MB, _IN_GB = N_("%(number)s MB"), N_("%(number)s GB")


class Words:
    """Words in one language; it looks each up once, because a history has thousands."""

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}

    def why(self, subject: str, end: str, verdict: Verdict, *, with_logs: bool) -> dict[str, Any]:
        """The field ``why`` of an end, as ``docs/api.md`` lists it, but for ``vitals``.

        Args:
            subject: ``octoprint`` or ``system``.
            end: How it ended.
            verdict: Why.
            with_logs: Whether to tell what only those who may read logs should see: lines of
                the journal and messages of exceptions, which may hold addresses and keys.
        """
        if not with_logs:
            verdict = _without_logs(verdict)
        kind = verdict.reason
        if kind == UNKNOWN:
            kind = f"{UNKNOWN} {subject} {end}"
        return {
            "reason": verdict.reason,
            "grade": verdict.grade,
            "text": self._text(kind, verdict),
            "advice": self._say(_ADVICE[kind]) if kind in _ADVICE else None,
            "evidence": [
                {"source": sign.source, "text": self._evidence(sign)} for sign in verdict.signs
            ],
        }

    def _text(self, kind: str, verdict: Verdict) -> str:
        facts = verdict.facts
        if kind == "out_of_memory":
            return self._out_of_memory(facts)
        values = verdict.signs[0].values if verdict.signs else {}
        if kind == "update":
            values = {"changes": self._changes(facts)}
        return self._say(_TEXTS[_most_telling(_TEXTS, kind, values)], **values)

    def _out_of_memory(self, facts: Facts) -> str:
        left = facts.last_vitals.get("memory_available_bytes")
        told = (
            self._say(_TEXTS["out_of_memory"])
            # Where a control group sets the limit, the host may have plenty.
            if left is None or left > _LITTLE_MEMORY
            else self._say(_TEXTS["out_of_memory left"], left=self._bytes(left))
        )
        before, after = facts.memory_before, facts.last_vitals.get("process_memory_bytes")
        if before is None or after is None or after < before * _GROWTH:
            return told
        grown = self._say(_TEXTS["grown"], before=self._bytes(before), after=self._bytes(after))
        return f"{told} {grown}"

    def _evidence(self, sign: Sign) -> str:
        values = dict(sign.values)
        if "bytes" in values:
            values["bytes"] = self._bytes(values["bytes"])
        if "changed" in values:
            values["changes"] = self._listed(values["changed"])
        return self._say(_EVIDENCE[_most_telling(_EVIDENCE, sign.what, values)], **values)

    def _changes(self, facts: Facts) -> str:
        return self._listed(facts.changed)

    def _listed(self, changed: list[dict[str, str | None]]) -> str:
        return ", ".join(self._change(change) for change in changed)

    def _change(self, change: dict[str, str | None]) -> str:
        if change["old"] is None:
            return self._say(_ADDED, **change)
        return self._say(_REMOVED if change["new"] is None else _CHANGE, **change)

    def _bytes(self, count: float) -> str:
        is_large = count >= GB
        rounded = round(count / GB, 1) if is_large else round(count / MB)
        number = format_decimal(rounded, locale=get_locale() or "en")
        return self._say(_IN_GB if is_large else _IN_MB, number=number)

    def _say(self, pattern: str, **values: Any) -> str:
        if pattern not in self._patterns:
            self._patterns[pattern] = gettext(pattern)
        return self._patterns[pattern] % values


def _without_logs(verdict: Verdict) -> Verdict:
    signs = (
        sign._replace(values={**sign.values, "message": "…"}) if "message" in sign.values else sign
        for sign in verdict.signs
        if sign.what != "line"
    )
    return verdict._replace(signs=tuple(signs))


def _most_telling(texts: dict[str, str], kind: str, values: dict[str, Any]) -> str:
    """The text of a kind that names the most of what is known."""
    for name in ("plugin", "library", "exception"):
        is_known = values.get(name) or (name == "exception" and "type" in values)
        if is_known and f"{kind} {name}" in texts:
            return f"{kind} {name}"
    return kind
