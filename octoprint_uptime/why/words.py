"""A verdict in words, in the reader's language."""

from __future__ import annotations

import functools
from typing import Any

from babel.numbers import format_decimal
from flask_babel import get_locale, gettext

from .evidence import Facts
from .verdict import Sign, Verdict


def N_(text: str) -> str:
    """Marks a text that is translated when it is needed."""
    return text


_TEXTS = {
    "out_of_memory": N_("Out of memory: the kernel killed OctoPrint."),
    "out_of_memory left": N_("Out of memory: the kernel killed OctoPrint with %(left)s left."),
    "grown": N_("OctoPrint's own memory had grown from %(before)s to %(after)s."),
    "native_crash": N_("Native code crashed: %(signal)s."),
    "native_crash library": N_("Native code in %(library)s crashed: %(signal)s."),
    "native_crash plugin": N_(
        "Native code in %(library)s, called by the plugin %(plugin)s, crashed: %(signal)s."
    ),
    "hung": N_("OctoPrint's server stopped responding."),
    "hung plugin": N_(
        "OctoPrint's server stopped responding while the plugin %(plugin)s was running."
    ),
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
    "update": N_("Software changed before the next start: %(changes)s."),
    "reboot": N_("The host was rebooted."),
    "power_off": N_("The host was shut down."),
    "requested": N_("OctoPrint was asked to stop or restart."),
    "unknown octoprint crash": N_("OctoPrint crashed. Nothing recorded shows why."),
    "unknown octoprint power_loss": N_("The host went down. Nothing recorded shows why."),
    "unknown octoprint restart": N_("OctoPrint was asked to stop or restart."),
    "unknown octoprint shutdown": N_("OctoPrint was stopped before the host went down."),
    "unknown octoprint restored": N_(
        "Nothing recorded shows what happened after the backup was made."
    ),
    "unknown system power_loss": N_("The host went down. Nothing recorded shows why."),
    "unknown system shutdown": N_(
        "OctoPrint had already been stopped. Nothing recorded shows how the host went down."
    ),
    "unknown system restored": N_(
        "Nothing recorded shows what happened after the backup was made."
    ),
    "unknown system unknown": N_(
        "OctoPrint had already crashed. Nothing recorded shows how the host went down."
    ),
    "emergency_stop": N_("Emergency stop: OctoPrint sent M112 to the printer."),
    "firmware_error": N_("The printer's firmware reported an error."),
    "firmware_error error": N_("The printer's firmware reported an error: “%(error)s”."),
    "overcurrent": N_("The printer drew too much current from the USB port."),
    "usb_reset": N_("The printer's USB connection was reset."),
    "unplugged": N_("Unplugged or switched off: the printer's port disappeared."),
    "silent": N_("The printer stopped responding."),
    "requested printer": N_("The printer was disconnected on request."),
    "octoprint_down": N_("OctoPrint itself went down."),
    "unknown printer error": N_("The connection was lost. Nothing recorded shows why."),
    "unknown printer error error": N_("OctoPrint closed the connection: “%(error)s”."),
    "unknown printer disconnected": N_("Nothing recorded shows who disconnected the printer."),
}

_ADVICE = {
    "out_of_memory": N_(
        "Disable plugins that you do not need, lower the webcam's resolution, or use"
        " a board with more memory. If OctoPrint itself kept growing, use safe mode"
        " to find out whether a plugin leaks."
    ),
    "native_crash": N_(
        "Update the plugin or library named here, or report the crash to its author."
        " If none is named, try safe mode, then test the memory and the power supply."
    ),
    "hung": N_(
        "Report this to the author of the plugin named here. If none is named, the"
        " stacks of all threads are in this plugin's data folder."
    ),
    "exited": N_("Read the last lines of octoprint.log before the exit."),
    "killed": N_(
        "Find out what sent the signal: an administrator, a script, a container that"
        " was stopped, or systemd because OctoPrint took too long to stop."
    ),
    "disk_full": N_("Delete old timelapses, uploads and logs, or use a larger card."),
    "disk_read_only": N_(
        "Back up now and replace the SD card. A file system becomes read-only when"
        " the card fails or when power is lost during a write."
    ),
    "kernel_panic": N_(
        "Update the operating system, then check the memory, the temperature and the power supply."
    ),
    "undervoltage": N_(
        "Use the board's official power supply and a short, thick cable. Do not power the"
        " printer from the board."
    ),
    "overheated": N_("Add a heat sink or a fan, and keep the board out of a heated enclosure."),
    "watchdog": N_(
        "Look for what makes a host hang: a failing SD card, a faulty driver, undervoltage."
    ),
    "power_cut": N_(
        "If you switched it off at the wall, shut it down first next time. Otherwise"
        " check the plug, the fuse and the power supply."
    ),
    "unknown octoprint crash": N_(
        "To learn more next time, run OctoPrint as a systemd service, let its user"
        " read the journal (group adm), and leave the witness process on."
    ),
    "unknown octoprint power_loss": N_(
        "A power cut, a reset and a kernel crash often leave no trace. Check the power supply"
        " first. Some boards reveal the cause, but only after this plugin has seen one clean"
        " reboot."
    ),
    "emergency_stop": N_("Reset the printer, or turn it off and on again, before you reconnect."),
    "firmware_error": N_(
        "MINTEMP, MAXTEMP, heating failed and thermal runaway point to the heater,"
        " its thermistor or the wiring. Find the fault before you print again."
    ),
    "overcurrent": N_(
        "Do not power the printer from the host: cover the 5 V contact of the USB"
        " cable, or use a powered USB hub."
    ),
    "usb_reset": N_(
        "Electrical noise and weak power supplies cause this. Use a short, shielded"
        " cable with ferrites, keep it away from motors and mains cables, and do not"
        " power the printer from the host. Connect through a port in"
        " /dev/serial/by-id: its name never changes."
    ),
    "unplugged": N_(
        "If nobody unplugged the printer or switched it off, check that both plugs are firmly"
        " seated, try another cable, and check the printer's own power supply."
    ),
    "silent": N_(
        "Check the baud rate, the cable and the printer, which may have hung or be"
        " busy. If this happens only during long moves or heating, increase the"
        " timeouts of the serial connection."
    ),
    "unknown printer error": N_(
        "Check the cable, keep it away from motors and mains cables, and make sure"
        " that no other program uses the port. The Terminal tab and the end of"
        " octoprint.log may say more."
    ),
}
_ADVICE["unknown system power_loss"] = _ADVICE["unknown octoprint power_loss"]

_EVIDENCE = {
    "oom_result": N_(
        "systemd reports that the kernel killed a process of the service for lack of memory."
    ),
    "oom_line": N_("The kernel log says that the kernel killed OctoPrint (process %(pid)d)."),
    "oom_count": N_("Out-of-memory kills since the last heartbeat: %(count)d."),
    "memory_low": N_("Memory available at the last heartbeat: %(bytes)s."),
    "memory_error": N_("A thread ran out of memory (MemoryError)."),
    "fault": N_("Before it died, OctoPrint reported: %(signal)s."),
    "fault library": N_("Before it died, OctoPrint reported: %(signal)s in %(library)s."),
    "fault plugin": N_(
        "Before it died, OctoPrint reported: %(signal)s in %(library)s, plugin %(plugin)s."
    ),
    "hang": N_("The server had not responded for 30 seconds, and it never recovered."),
    "hang plugin": N_(
        "The server had not responded for 30 seconds, and it never recovered. The"
        " plugin %(plugin)s was running."
    ),
    "watchdog_result": N_("The systemd watchdog of the service timed out."),
    "silent": N_("No heartbeat for %(seconds)d s before the end."),
    "loop_late": N_("At the last heartbeat the server responded %(seconds)d s late."),
    "exit": N_("The process exited with status %(status)d."),
    "signal": N_("Signal %(number)d (%(name)s) ended the process."),
    "exception": N_("Exception in thread %(thread)s: %(type)s: %(message)s"),
    "exception plugin": N_(
        "Exception in thread %(thread)s, plugin %(plugin)s: %(type)s: %(message)s"
    ),
    "no_space": N_("A thread failed because the disk was full."),
    "disk_was_full": N_("Disk space left at the last heartbeat: %(bytes)s."),
    "disk_is_full": N_("Disk space left afterwards: %(bytes)s."),
    "read_only_error": N_("A thread failed because the file system was read-only."),
    "disk_was_read_only": N_("At the last heartbeat the file system was read-only."),
    "disk_is_read_only": N_("Afterwards the file system was read-only."),
    "filesystem_errors": N_("New file system errors: %(count)d."),
    "panic": N_("The kernel left a record of its own crash."),
    "register": N_(
        "The board's reset register %(name)s reads %(value)s, which differs from its value after"
        " a reboot."
    ),
    "sag": N_("Undervoltage %(seconds)d s before the end. Times since the start: %(count)d."),
    "sags_earlier": N_("Undervoltage earlier. Times since the start: %(count)d."),
    "hot": N_("Processor temperature at the last heartbeat: %(celsius)d °C."),
    "nuls": N_("octoprint.log was cut off in the middle of a write."),
    "changed": N_("Changed before the next start: %(changes)s."),
    "rebooting": N_("systemd was rebooting the host."),
    "powering_off": N_("systemd was shutting down the host."),
    "host_was_going_down": N_("The host was already shutting down."),
    "goodbye": N_("OctoPrint stopped on request."),
    "line": "%(line)s",
    "emergency_stop": N_("OctoPrint sent M112, and not in response to an error."),
    "firmware_error": "%(error)s",
    "over_currents": N_("Over-current events at the USB port during the connection: %(count)d."),
    "usb_again": N_(
        "One second later the USB device was back, with number %(after)d instead of %(before)d."
    ),
    "usb_again port": N_(
        "One second later the USB device was back, with number %(after)d instead of"
        " %(before)d, as port %(port)s."
    ),
    "usb_gone": N_("One second later the USB device was gone."),
    "port_gone": N_("One second later the port was gone."),
    "timed_out": N_("The printer did not respond within OctoPrint's timeout."),
    "asked": N_("Someone clicked Disconnect, or a plugin disconnected the printer."),
    "octoprint_down": N_("OctoPrint ended while it was connected to the printer."),
    "octoprint_error": "%(error)s",
    "still_there": N_("One second later the port was still there."),
}

_CHANGE = N_("%(name)s %(old)s to %(new)s")
_ADDED = N_("%(name)s %(new)s installed")
_REMOVED = N_("%(name)s removed")
_LISTED = N_("%(told)s, %(more)s")

_GROWTH = 1.5
_LITTLE_MEMORY = 300e6
MB, GB = 1e6, 1e9
_IN_MB, _IN_GB = N_("%(number)s MB"), N_("%(number)s GB")


class Words:
    """Words in one language. Each is looked up once, because a history has thousands."""

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}

    def why(self, subject: str, end: str, verdict: Verdict, *, with_logs: bool) -> dict[str, Any]:
        """The field ``why`` of an end as in ``docs/api.md``, without ``vitals``.

        Args:
            subject: ``octoprint``, ``system`` or ``printer``.
            end: How it ended.
            verdict: Why.
            with_logs: Whether to include the journal's lines and the messages of exceptions, which
                may contain addresses and keys. Only admins get them.
        """
        if not with_logs:
            verdict = _without_logs(verdict)
        kind = _kind(subject, end, verdict.reason)
        return {
            "reason": verdict.reason,
            "grade": verdict.grade,
            "text": self._text(kind, verdict),
            "advice": self._say(_ADVICE[kind]) if kind in _ADVICE else None,
            "evidence": [
                {"source": sign.source, "text": self._evidence(sign)} for sign in verdict.signs
            ],
        }

    def text(self, subject: str, end: str, verdict: Verdict, *, with_logs: bool) -> str:
        """The sentence of :meth:`why` alone."""
        if not with_logs:
            verdict = _without_logs(verdict)
        return self._text(_kind(subject, end, verdict.reason), verdict)

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
            # If a control group sets the limit, the host may have plenty left.
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
        first, *others = map(self._change, changed)
        return functools.reduce(
            lambda told, more: self._say(_LISTED, told=told, more=more), others, first
        )

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


def hang(what: dict[str, str]) -> str:
    """The sentence about a server that does not respond.

    Args:
        what: What it runs, as ``Facts.hung``.
    """
    return str(gettext(_TEXTS[_most_telling(_TEXTS, "hung", what)]) % what)


def in_general(subject: str, end: str, reason: str) -> tuple[str, str | None]:
    """The sentence and the advice for all ends with that reason, not yet translated."""
    kind = _kind(subject, end, reason)
    return _TEXTS[kind], _ADVICE.get(kind)


def _kind(subject: str, end: str, reason: str) -> str:
    """The key of the reason's text: for this end, for this subject, or for all."""
    kinds = (f"{reason} {subject} {end}", f"{reason} {subject}", reason)
    return next(kind for kind in kinds if kind in _TEXTS)


def _without_logs(verdict: Verdict) -> Verdict:
    signs = (
        sign._replace(values={**sign.values, "message": "…"}) if "message" in sign.values else sign
        for sign in verdict.signs
        if sign.what != "line"
    )
    return verdict._replace(signs=tuple(signs))


def _most_telling(texts: dict[str, str], kind: str, values: dict[str, Any]) -> str:
    """The most specific text of a kind for the known values."""
    for name in ("plugin", "library", "exception", "port", "error"):
        is_known = values.get(name) or (name == "exception" and "type" in values)
        if is_known and f"{kind} {name}" in texts:
            return f"{kind} {name}"
    return kind
