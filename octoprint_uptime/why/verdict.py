"""Why something ended: one table of rules over the facts. Pure.

A rule has a reason and the signs of it. A sign that names the reason itself makes it ``certain``;
two from independent sources make it ``likely``, one makes it ``possible``. The surest reason wins,
and between equals the first in the table. The absence of a sign is never a sign, so knowing less
never makes a verdict surer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from .connection import ConnectionFacts
from .evidence import Facts

GRADES = ("certain", "likely", "possible", "unknown")
"""Surest first."""

LOW_MEMORY_BYTES = 64_000_000
FULL_DISK_BYTES = 10_000_000
HOT_CELSIUS = 85.0
"""A Raspberry Pi's upper limit. It starts to slow down at 80."""
LATE_SECONDS = 10.0
SAG_SECONDS = 300.0
"""Undervoltage this shortly before the end is a sign of its reason."""
EXCEPTION_SECONDS = 120.0
ENOSPC = 28
EROFS = 30
# Linux's numbers, because only Linux has witnesses; a history may be read on another system.
SIGNALS = {
    **{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS"},
    **{8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"},
    **{24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"},
}
SIGKILL = 9
CRASH_SIGNALS = {4, 6, 7, 8, 11}
OVERHEAT_BIT, UNDERVOLTAGE_BIT, WATCHDOG_BIT = 4, 2, 16
"""Values of the register ``power_reset``."""
POWER_ON_BIT = 0x1000
"""The bit of the register ``rsts`` for a power-on."""


class Sign(NamedTuple):
    """One piece of evidence.

    Attributes:
        source: Where it comes from: ``systemd``, ``kernel``, ``process``, ``heartbeat``,
            ``disk``, ``board``, ``undervoltage``, ``log``, ``journal``, ``goodbye``, ``start``,
            ``octoprint``, ``firmware``.
        what: The key of its sentence in ``words.py``.
        values: The values in the sentence.
        is_proof: Whether it names the reason itself.
    """

    source: str
    what: str
    values: dict[str, Any] = {}  # noqa: RUF012
    is_proof: bool = False


class Verdict(NamedTuple):
    """Why something ended.

    Attributes:
        reason: One of ``REASONS``.
        grade: One of ``GRADES``.
        signs: The evidence for it, then what else is known.
        facts: Its basis: :class:`Facts`, or :class:`ConnectionFacts` for the printer.
    """

    reason: str
    grade: str
    signs: tuple[Sign, ...]
    facts: Any


Signs = Iterator[Sign]


class Rule(NamedTuple):
    reason: str
    signs: Callable[[Any], Signs]


def _out_of_memory(facts: Facts) -> Signs:
    if facts.result == "oom-kill":
        yield Sign("systemd", "oom_result", is_proof=True)
    killed = rf"[Kk]illed process {facts.pid} \("
    if facts.pid and any(re.search(killed, line) for line in facts.lines):
        yield Sign("kernel", "oom_line", {"pid": facts.pid}, is_proof=True)
    if facts.oom_kills:
        is_own = facts.signal == SIGKILL and facts.own_oom_kills > 0
        yield Sign("kernel", "oom_count", {"count": facts.oom_kills}, is_proof=is_own)
    available = facts.last_vitals.get("memory_available_bytes")
    if available is not None and available < LOW_MEMORY_BYTES:
        yield Sign("heartbeat", "memory_low", {"bytes": available})
    if _recent(facts).get("type") == "MemoryError":
        yield Sign("process", "memory_error")


def _recent(facts: Facts) -> dict[str, Any]:
    """The last exception, if it came shortly before the end."""
    exception = facts.exception or {}
    return exception if exception.get("seconds_before", math.inf) <= EXCEPTION_SECONDS else {}


def _native_crash(facts: Facts) -> Signs:
    if facts.fault:
        yield Sign("process", "fault", facts.fault, is_proof=True)
    if facts.signal is not None and facts.signal in CRASH_SIGNALS:
        yield _signal(facts.signal, facts)


def _hung(facts: Facts) -> Signs:
    if facts.hung is not None:
        yield Sign("process", "hang", facts.hung, is_proof=True)
    if facts.result == "watchdog":
        yield Sign("systemd", "watchdog_result", is_proof=True)
    late = facts.last_vitals.get("loop_late_seconds", 0.0)
    if late >= LATE_SECONDS:
        yield Sign("heartbeat", "loop_late", {"seconds": late})
    if facts.silent_seconds:
        yield Sign("heartbeat", "silent", {"seconds": facts.silent_seconds})


def _exited(facts: Facts) -> Signs:
    if facts.exit_status is not None:
        yield Sign(facts.told_by or "kernel", "exit", {"status": facts.exit_status}, is_proof=True)


def _killed(facts: Facts) -> Signs:
    if facts.signal is not None and facts.signal not in CRASH_SIGNALS:
        yield _signal(facts.signal, facts)


def _signal(number: int, facts: Facts) -> Sign:
    name = SIGNALS.get(number, "?")
    values = {"number": number, "name": name, "signal": name}
    return Sign(facts.told_by or "kernel", "signal", values, is_proof=True)


def _main_exception(facts: Facts) -> Signs:
    if _recent(facts).get("is_main"):
        yield Sign("process", "exception", _recent(facts), is_proof=True)


def _disk_full(facts: Facts) -> Signs:
    if _recent(facts).get("errno") == ENOSPC:
        yield Sign("process", "no_space")
    if _free(facts.last_vitals) < FULL_DISK_BYTES:
        yield Sign("disk", "disk_was_full", {"bytes": _free(facts.last_vitals)})
    elif _free(facts.disk) < FULL_DISK_BYTES:
        yield Sign("disk", "disk_is_full", {"bytes": _free(facts.disk)})


def _free(vitals: dict[str, float]) -> float:
    return vitals.get("disk_free_bytes", FULL_DISK_BYTES)


def _disk_read_only(facts: Facts) -> Signs:
    if _recent(facts).get("errno") == EROFS:
        yield Sign("process", "read_only_error")
    if facts.last_vitals.get("disk_read_only"):
        yield Sign("disk", "disk_was_read_only")
    elif facts.disk.get("disk_read_only"):
        yield Sign("disk", "disk_is_read_only")
    if facts.filesystem_errors:
        yield Sign("kernel", "filesystem_errors", {"count": facts.filesystem_errors})


def _kernel_panic(facts: Facts) -> Signs:
    if facts.panicked:
        yield Sign("kernel", "panic", is_proof=True)


def _undervoltage(facts: Facts) -> Signs:
    if _register(facts, "power_reset", UNDERVOLTAGE_BIT):
        yield _reset(facts, "power_reset")
    before = facts.undervoltage_seconds_before
    if before is not None and before <= SAG_SECONDS:
        yield Sign("undervoltage", "sag", {"count": facts.undervoltage_count, "seconds": before})
    elif facts.undervoltage_count:
        yield Sign("undervoltage", "sags_earlier", {"count": facts.undervoltage_count})


def _overheated(facts: Facts) -> Signs:
    if _register(facts, "power_reset", OVERHEAT_BIT):
        yield _reset(facts, "power_reset")
    celsius = facts.last_vitals.get("cpu_celsius", 0.0)
    if celsius >= HOT_CELSIUS:
        yield Sign("heartbeat", "hot", {"celsius": celsius})


def _watchdog(facts: Facts) -> Signs:
    if _register(facts, "power_reset", WATCHDOG_BIT):
        yield _reset(facts, "power_reset")
    if facts.hung is not None:
        yield Sign("process", "hang", facts.hung)


def _power_cut(facts: Facts) -> Signs:
    if _register(facts, "rsts", POWER_ON_BIT):
        yield _reset(facts, "rsts")
    if facts.nuls:
        yield Sign("log", "nuls")


def _register(facts: Facts, name: str, bit: int) -> bool:
    return bool(facts.registers.get(name, 0) & bit)


def _reset(facts: Facts, name: str) -> Sign:
    return Sign("board", "register", {"name": name, "value": f"{facts.registers[name]:#x}"})


def _update(facts: Facts) -> Signs:
    if facts.changed and facts.goodbye in ("no", "unknown"):
        yield Sign("start", "changed", {"changed": facts.changed}, is_proof=True)


def _reboot(facts: Facts) -> Signs:
    if facts.goodbye == "reboot":
        yield Sign("systemd", "rebooting", is_proof=True)


def _power_off(facts: Facts) -> Signs:
    if facts.goodbye == "power_off":
        yield Sign("systemd", "powering_off", is_proof=True)


def _requested(facts: Facts) -> Signs:
    if facts.goodbye:
        yield Sign("goodbye", "goodbye", is_proof=True)


def _requested_alone(facts: Facts) -> Signs:
    """A stop before the host went down, which may have caused it."""
    if facts.goodbye:
        yield Sign("goodbye", "goodbye", is_proof=facts.goodbye == "no")


def _emergency_stop(facts: ConnectionFacts) -> Signs:
    if facts.emergency_stop:
        yield Sign("octoprint", "emergency_stop", is_proof=True)


def _firmware_error(facts: ConnectionFacts) -> Signs:
    if facts.firmware_error:
        yield Sign("firmware", "firmware_error", {"error": facts.firmware_error}, is_proof=True)


def _overcurrent(facts: ConnectionFacts) -> Signs:
    if facts.over_currents:
        yield Sign("kernel", "over_currents", {"count": facts.over_currents}, is_proof=True)


def _usb_reset(facts: ConnectionFacts) -> Signs:
    if facts.devnums:
        before, after = facts.devnums
        values = {"before": before, "after": after, "port": facts.port_now}
        yield Sign("kernel", "usb_again", values, is_proof=True)


def _unplugged(facts: ConnectionFacts) -> Signs:
    if facts.gone:
        yield Sign("kernel", f"{facts.gone}_gone", is_proof=True)


def _silent(facts: ConnectionFacts) -> Signs:
    if facts.timed_out:
        yield Sign("octoprint", "timed_out", is_proof=True)


def _disconnect(facts: ConnectionFacts) -> Signs:
    if facts.asked:
        yield Sign("octoprint", "asked", is_proof=True)


def _octoprint_down(facts: ConnectionFacts) -> Signs:
    """The kind of end says it."""
    yield Sign("octoprint", "octoprint_down", is_proof=True)


_CRASH = (
    Rule("out_of_memory", _out_of_memory),
    Rule("native_crash", _native_crash),
    Rule("hung", _hung),
    Rule("exited", _exited),
    Rule("killed", _killed),
    Rule("disk_full", _disk_full),
    Rule("disk_read_only", _disk_read_only),
)
_HOST_DOWN = (
    Rule("kernel_panic", _kernel_panic),
    Rule("undervoltage", _undervoltage),
    Rule("overheated", _overheated),
    Rule("watchdog", _watchdog),
    Rule("power_cut", _power_cut),
    Rule("disk_full", _disk_full),
    Rule("disk_read_only", _disk_read_only),
)
_HOST_GOES_DOWN = (Rule("reboot", _reboot), Rule("power_off", _power_off))
_RESTARTED = (
    Rule("exited", _main_exception),
    Rule("update", _update),
    Rule("requested", _requested),
)
_STOPPED = (
    Rule("exited", _main_exception),
    Rule("update", _update),
    *_HOST_GOES_DOWN,
    Rule("requested", _requested_alone),
)
RULES: dict[str, dict[str, tuple[Rule, ...]]] = {
    "octoprint": {
        "restart": _RESTARTED,
        "shutdown": _STOPPED,
        "crash": _CRASH,
        "power_loss": _HOST_DOWN,
        "restored": (),
    },
    "system": {
        "shutdown": _HOST_GOES_DOWN,
        "power_loss": _HOST_DOWN,
        "restored": (),
        "unknown": (),
    },
    "printer": {
        "disconnected": (Rule("requested", _disconnect),),
        # Actions of a person or the firmware may make the device disappear, so they come first.
        "error": (
            Rule("emergency_stop", _emergency_stop),
            Rule("firmware_error", _firmware_error),
            Rule("overcurrent", _overcurrent),
            Rule("usb_reset", _usb_reset),
            Rule("unplugged", _unplugged),
            Rule("silent", _silent),
        ),
        "octoprint_down": (Rule("octoprint_down", _octoprint_down),),
    },
}
"""The possible reasons of each end of ``ends.ENDS``, by priority."""

UNKNOWN = "unknown"

REASONS = {
    (subject, end): (*(rule.reason for rule in rules), UNKNOWN)
    for subject, ends in RULES.items()
    for end, rules in ends.items()
}
"""The reasons that an end of a subject can have."""


FACTS: dict[str, type[Facts] | type[ConnectionFacts]] = {
    "octoprint": Facts,
    "system": Facts,
    "printer": ConnectionFacts,
}
"""The class of the facts about each subject's ends."""


def verdict(subject: str, end: str, facts: Facts | ConnectionFacts) -> Verdict:
    """The verdict on one end.

    Args:
        subject: ``octoprint``, ``system`` or ``printer``.
        end: One of the subject's ends.
        facts: Everything that is known, in the subject's class in ``FACTS``.
    """
    found = [(rule.reason, list(rule.signs(facts))) for rule in RULES[subject][end]]
    found = [(reason, signs) for reason, signs in found if signs]
    if not found:
        return Verdict(UNKNOWN, UNKNOWN, _context(facts, ()), facts)
    # min takes the first of equals.
    reason, signs = min(found, key=lambda one: GRADES.index(_grade(one[1])))
    others = [sign for _, signs_of_other in found for sign in signs_of_other]
    return Verdict(reason, _grade(signs), _context(facts, (*signs, *others)), facts)


def _grade(signs: list[Sign]) -> str:
    if any(sign.is_proof for sign in signs):
        return "certain"
    return "likely" if len({sign.source for sign in signs}) > 1 else "possible"


def _context(facts: Facts | ConnectionFacts, signs: tuple[Sign, ...]) -> tuple[Sign, ...]:
    """The signs without duplicates, and what else is worth knowing."""
    told: dict[tuple[str, str], Sign] = {}
    for sign in (*signs, *_known_besides(facts)):
        told.setdefault((sign.what, repr(sign.values)), sign)
    return tuple(told.values())


def _known_besides(facts: Facts | ConnectionFacts) -> Signs:
    if isinstance(facts, ConnectionFacts):
        return _known_of_connection(facts)
    return _known_of_run(facts)


def _known_of_run(facts: Facts) -> Signs:
    if _recent(facts):
        yield Sign("process", "exception", _recent(facts))
    if facts.oom_kills:
        yield Sign("kernel", "oom_count", {"count": facts.oom_kills})
    yield from (*_reboot(facts), *_power_off(facts))
    if facts.host_job in ("reboot", "power_off"):
        yield Sign("systemd", "host_was_going_down")
    if facts.changed:
        yield Sign("start", "changed", {"changed": facts.changed})
    for line in facts.lines:
        yield Sign("journal", "line", {"line": line})


def _known_of_connection(facts: ConnectionFacts) -> Signs:
    if facts.error:
        yield Sign("octoprint", "octoprint_error", {"error": facts.error})
    if facts.still_there:
        yield Sign("kernel", "still_there")
