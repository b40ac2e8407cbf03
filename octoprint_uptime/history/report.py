"""What the records mean: when everything ran, how it ended, and how long it was down.

Pure: takes records and an instant, returns plain data for JSON and CSV.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..why.evidence import stored
from ..why.verdict import FACTS, Verdict, verdict
from .ends import ENDS, UNPLANNED_ENDS, UNSEEN_ENDS, boot_end, connection_end, run_end
from .position import Position
from .record import EARLIEST_UNIX_TIME, Boot, Connection, Instant, Print, Records, Run

DAY_SECONDS = 86400
ASKED_FOR = "emergency_stop"
"""The reason of a lost connection that someone ended on purpose."""
ROUNDING_SECONDS = 0.01
"""Times are rounded to milliseconds; less than this is no downtime."""
SET_CLOCK_WEIGHT = 5
KEPT_A_DAY = 50
"""How many rows of a kind a day may keep: a loop of crashes must not fill the SD card."""
MAX_KEPT = 5_000
"""How many rows of a kind are kept at most, so that the page can show all of them."""

NO_PREVIOUS_END = dict.fromkeys(
    (
        "previous_end",
        "previous_ended_at",
        "downtime_seconds",
        "interrupted_print",
        "stopped_at",
        "undervoltage",
        "why",
    )
)
"""The payload of the events if no earlier run is known."""

NOTICED = (
    "end",
    "ended_at",
    "end_exact",
    "downtime_seconds",
    "interrupted_print",
    "stopped_at",
    "undervoltage",
    "why",
)
"""What the notice needs to know of an entry."""

RESULTS_OF_OPEN_PRINTS = {"running": "running", "restored": "unknown"}
"""The result of a print that had not ended, by the end of its run; else ``interrupted``."""


class Span(NamedTuple):
    """When something ran, in seconds since the boot with that id."""

    boot: int
    started: float
    ended: float


class Why(NamedTuple):
    """Why something ended: the facts and the vital signs before it, as JSON."""

    subject: str
    end: str
    facts: str | None
    vitals: str | None

    @property
    def verdict(self) -> Verdict:
        return verdict(self.subject, self.end, FACTS[self.subject].from_json(self.facts))

    @property
    def vitals_before(self) -> list[dict[str, float]]:
        """The vital signs before it, newest first, each with ``seconds_before``."""
        return stored(self.vitals, list)


class PowerLosses(NamedTuple):
    """How often the host lost power or was reset, and how often after undervoltage."""

    losses: int
    after_undervoltage: int


class Timeline:
    """The records on the wall clock.

    Args:
        records: The rows; the last run is the running one.
        now: Now, in the boot of the last run.
    """

    def __init__(self, records: Records, now: Instant) -> None:
        self._records = records
        self._now = now
        self._current = records.runs[-1]
        self._runs = {run.id: run for run in records.runs}
        self._spans = {run.id: self._span(run) for run in records.runs}
        self._ends = dict(self._ends_of_runs())
        self._booted_at = known_boots(records.boots, self._last_seen())

    def octoprint(self) -> list[dict[str, Any]]:
        """The runs of OctoPrint, oldest first, as in the API."""
        runs = self._records.runs
        following: Iterable[Run | None] = itertools.chain(runs[1:], [None])
        return [self._run_entry(run, later) for run, later in zip(runs, following)]

    def system(self) -> list[dict[str, Any]]:
        """The boots of the host, oldest first, as in the API."""
        last_runs = {run.boot: run for run in self._records.runs}
        entries = []
        for boot, later in itertools.zip_longest(self._records.boots, self._records.boots[1:]):
            last = last_runs[boot.id]
            span = Span(boot.id, 0.0, self._spans[last.id].ended)
            end = boot_end(self._ends[last.id])
            downtime = self._downtime(end, span, later and Span(later.id, 0.0, 0.0))
            entries.append(
                {
                    **self._times(span, end),
                    "end": end,
                    "end_exact": self._is_exact(last, end),
                    "downtime_seconds": downtime,
                    "why": self._why("system", last, end),
                }
            )
        return entries

    def printer(self) -> list[dict[str, Any]]:
        """The printer connections, oldest first, as in the API."""
        return [
            self._connection_entry(connection, self._runs[connection.run])
            for connection in self._records.connections
        ]

    def prints(self) -> list[dict[str, Any]]:
        """The prints, oldest first, as in the API."""
        return [
            self._print_entry(print_, self._runs[print_.run]) for print_ in self._records.prints
        ]

    def now(self) -> float | None:
        """The Unix time; ``None`` if the host's clock cannot be trusted."""
        return None if self._booted_at[self._current.boot] is None else self._now.wall

    def unacknowledged(self) -> dict[str, Any] | None:
        """The last unplanned end, unless it is acknowledged."""
        runs = self._records.runs
        for run, later in zip(reversed(runs[:-1]), reversed(runs)):
            if run.acknowledged:
                return None
            if self._ends[run.id] in UNPLANNED_ENDS:
                entry = self._run_entry(run, later)
                return {name: entry[name] for name in NOTICED}
        return None

    def previous_end(self) -> dict[str, Any]:
        """How the previous run ended, as the events report it."""
        runs = self._records.runs
        if len(runs) == 1:
            return dict(NO_PREVIOUS_END)
        entry = self._run_entry(*runs[-2:])
        verdict_ = entry["why"].verdict
        return {
            **{name: entry.get(name) for name in NO_PREVIOUS_END},
            "previous_end": entry["end"],
            "previous_ended_at": entry["ended_at"],
            "why": {"reason": verdict_.reason, "grade": verdict_.grade},
        }

    def previous_why(self) -> Why | None:
        """Why the previous run ended."""
        runs = self._records.runs
        if len(runs) == 1:
            return None
        return self._why("octoprint", runs[-2], self._ends[runs[-2].id])

    def has_undervoltage(self) -> bool:
        """Whether undervoltage was detected during the running run."""
        return bool(self._current.undervoltage)

    def power_losses(self, days: int) -> PowerLosses:
        """The power losses that are known to lie within the last ``days`` days."""
        runs = self._records.runs
        losses = [
            run
            for run, later in zip(runs, runs[1:])
            if self._ends[run.id] == "power_loss"
            and self._is_within(days, self._run_entry(run, later))
        ]
        return PowerLosses(len(losses), sum(bool(run.undervoltage) for run in losses))

    def lost_connections(self, days: int) -> list[str]:
        """The reason of each lost connection within the last ``days`` days.

        Those since the boot count even if the clock was never set.
        """
        reasons = [
            Why("printer", "error", connection.facts, None).verdict.reason
            for connection in self._records.connections
            if connection.failed
            and self._was_lost_within(days, self._runs[connection.run], connection)
        ]
        return [reason for reason in reasons if reason != ASKED_FOR]

    def seconds_ago(self, boot: int, since_boot: float) -> float | None:
        """How long ago that moment of a boot was; ``None`` if unknown."""
        if boot == self._current.boot:
            return self._now.since_boot - since_boot
        booted_at, now = self._booted_at[boot], self.now()
        return None if booted_at is None or now is None else now - booted_at - since_boot

    def first_kept(self, days: int) -> tuple[int, int, int]:
        """The ids of the first run, connection and print to keep, by age and number."""
        now = self.now()
        cutoff = None if now is None else now - days * DAY_SECONDS
        most = min(days * KEPT_A_DAY, MAX_KEPT)
        return (
            _first_kept(self._records.runs, self.octoprint(), cutoff, most),
            _first_kept(self._records.connections, self.printer(), cutoff, most),
            _first_kept(self._records.prints, self.prints(), cutoff, most),
        )

    def _is_within(self, days: int, entry: Mapping[str, Any]) -> bool:
        """Whether it is known to have ended within the last ``days`` days."""
        now, ended_at = self.now(), entry["ended_at"]
        if now is None or ended_at is None:
            return False
        return bool(ended_at >= now - days * DAY_SECONDS)

    def _was_lost_within(self, days: int, run: Run, connection: Connection) -> bool:
        if connection.ended is None:
            return False
        seconds = self.seconds_ago(run.boot, connection.ended)
        return seconds is not None and seconds <= days * DAY_SECONDS

    def _span(self, run: Run) -> Span:
        if run is self._current:
            return Span(run.boot, run.started, max(run.started, self._now.since_boot))
        return Span(run.boot, run.started, run.seen if run.ended is None else run.ended)

    def _ends_of_runs(self) -> Iterable[tuple[int, str]]:
        for run, later in zip(self._records.runs, self._records.runs[1:]):
            yield (
                run.id,
                run_end(
                    run.ended is not None,
                    run.boot == later.boot,
                    bool(later.copied),
                    run.died is not None,
                ),
            )
        yield self._current.id, "running"

    def _last_seen(self) -> dict[int, float]:
        return {span.boot: span.ended for span in self._spans.values()}

    def _run_entry(self, run: Run, later: Run | None) -> dict[str, Any]:
        span, end = self._spans[run.id], self._ends[run.id]
        interrupted = None if end in ("running", "restored") else run.printing
        return {
            **self._times(span, end),
            "end": end,
            "end_exact": self._is_exact(run, end),
            "downtime_seconds": self._downtime(end, span, later and self._spans[later.id]),
            "interrupted_print": interrupted,
            "stopped_at": _stopped_at(interrupted, run.stopped_at),
            "undervoltage": bool(run.undervoltage),
            "octoprint_version": run.octoprint_version,
            "why": self._why("octoprint", run, end),
        }

    def _is_exact(self, run: Run, end: str) -> bool | None:
        if end == "running":
            return None
        # The witness of OctoPrint's end did not see the host's.
        return run.ended is not None or (run.died is not None and end not in UNSEEN_ENDS)

    def _why(self, subject: str, run: Run, end: str) -> Why | None:
        return None if end == "running" else Why(subject, end, run.facts, run.vitals)

    def _connection_entry(self, connection: Connection, run: Run) -> dict[str, Any]:
        run_span = self._spans[run.id]
        if connection.ended is not None:
            end = connection_end(connection.failed)
            ended = connection.ended
        else:
            end = "running" if run is self._current else "octoprint_down"
            ended = run_span.ended
        span = Span(run_span.boot, connection.started, max(connection.started, ended))
        return {
            **self._times(span, end),
            "end": end,
            "port": connection.port,
            "why": None if end == "running" else Why("printer", end, connection.facts, None),
        }

    def _print_entry(self, print_: Print, run: Run) -> dict[str, Any]:
        run_span = self._spans[run.id]
        result, ended = print_.result, print_.ended
        if result is None or ended is None:
            result, ended = (
                RESULTS_OF_OPEN_PRINTS.get(self._ends[run.id], "interrupted"),
                run_span.ended,
            )
        span = Span(run_span.boot, print_.started, max(print_.started, ended))
        return {
            **self._times(span, result),
            "result": result,
            "file": print_.file,
        }

    def _times(self, span: Span, end: str) -> dict[str, float | None]:
        started_at, ended_at = self._wall(span, end)
        return {
            "started_at": started_at,
            "ended_at": ended_at,
            "seconds": round(span.ended - span.started, 3),
        }

    def _wall(self, span: Span, end: str) -> tuple[float | None, float | None]:
        """The Unix times of start and end; ``None`` for what is unknown or still running."""
        booted_at = self._booted_at[span.boot]
        if booted_at is None:
            return None, None
        ended_at = None if end == "running" else round(booted_at + span.ended, 3)
        return round(booted_at + span.started, 3), ended_at

    def _downtime(self, end: str, span: Span, later: Span | None) -> float | None:
        """From an end to the next start; ``None`` if there is none, or if it is unknown."""
        if later is None or end in UNSEEN_ENDS:
            return None
        return self._between(span, later)

    def _between(self, span: Span, later: Span) -> float | None:
        if span.boot == later.boot:
            return round(later.started - span.ended, 3)
        booted_at, later_booted_at = self._booted_at[span.boot], self._booted_at[later.boot]
        if booted_at is None or later_booted_at is None:
            return None
        return round(later_booted_at + later.started - booted_at - span.ended, 3)


def _stopped_at(interrupted: str | None, position: str | None) -> dict[str, Any] | None:
    """Where an interrupted print was last, as in the API; ``None`` if that was not recorded."""
    if interrupted is None or position is None:
        return None
    return Position.from_json(interrupted, position)._asdict()


class _Chain(NamedTuple):
    """Boots that do not contradict one another, last first."""

    weight: float
    boot: Boot
    rest: _Chain | None


def known_boots(boots: Sequence[Boot], last_seen: dict[int, float]) -> dict[int, float | None]:
    """The Unix time of each boot, ``None`` where its wall clock was wrong.

    A boot cannot start before the last heartbeat of the previous one. If boots contradict each
    other in this way, the largest set without a contradiction is trusted, the earlier one if in
    doubt. A boot whose clock was set while it ran counts as several others, whose clocks may
    never have been set.
    """
    believed: dict[int, float | None] = dict.fromkeys(last_seen)
    chain = _heaviest_chain(
        [boot for boot in boots if boot.booted_at + last_seen[boot.id] >= EARLIEST_UNIX_TIME],
        last_seen,
    )
    while chain:
        believed[chain.boot.id] = chain.boot.booted_at
        chain = chain.rest
    return believed


def _heaviest_chain(boots: Sequence[Boot], last_seen: dict[int, float]) -> _Chain | None:
    best: _Chain | None = None
    # By end, ascending. A chain that ends later is here only if it is heavier.
    ends: list[float] = []
    chains: list[_Chain] = []
    for number, boot in enumerate(boots):
        before = bisect.bisect_right(ends, boot.booted_at)
        rest = chains[before - 1] if before else None
        # Adds up to less than 1, so it decides between equals only: for the earlier.
        handicap = number / len(boots) ** 2
        weight = (SET_CLOCK_WEIGHT if boot.clock_set else 1) - handicap
        weight += rest.weight if rest else 0
        chain = _Chain(weight, boot, rest)
        if best is None or weight > best.weight:
            best = chain
        end = boot.booted_at + last_seen[boot.id]
        at = bisect.bisect_right(ends, end)
        if at and chains[at - 1].weight >= weight:
            continue
        after = at
        while after < len(chains) and chains[after].weight <= weight:
            after += 1
        ends[at:after] = [end]
        chains[at:after] = [chain]
    return best


def _first_kept(
    rows: Sequence[Run] | Sequence[Connection] | Sequence[Print],
    entries: list[dict[str, Any]],
    cutoff: float | None,
    most: int,
) -> int:
    kept = min(len(since(entries, cutoff)), most)
    if kept:
        return rows[-kept].id
    return rows[-1].id + 1 if rows else 0


def since(entries: list[dict[str, Any]], start: float | None) -> list[dict[str, Any]]:
    """The entries after the last that is known to have ended before ``start``."""
    if start is None:
        return entries
    for number, entry in enumerate(reversed(entries)):
        if entry["ended_at"] is not None and entry["ended_at"] < start:
            return entries[len(entries) - number :]
    return entries


def history_answer(records: Records, now: Instant, days: int) -> dict[str, Any]:
    """The body of ``GET /plugin/octoprint_uptime/history``; see ``docs/api.md``."""
    timeline = Timeline(records, now)
    to = timeline.now()
    start = None if to is None else to - days * DAY_SECONDS
    octoprint, system = timeline.octoprint(), timeline.system()
    return {
        "from": None if start is None else round(start, 3),
        "to": None if to is None else round(to, 3),
        "recorded_since": _recorded_since(octoprint, start),
        "octoprint": since(octoprint, start)[::-1],
        "system": since(system, start)[::-1],
        "printer": since(timeline.printer(), start)[::-1],
        "prints": since(timeline.prints(), start)[::-1],
        "summary": {
            "octoprint": _summary(octoprint, ENDS["octoprint"], start, to),
            "system": _summary(system, ENDS["system"], start, to),
        },
    }


def _recorded_since(runs: list[dict[str, Any]], start: float | None) -> float | None:
    """Since when OctoPrint is recorded, but not before ``start``."""
    first: float | None = next(
        (run["started_at"] for run in runs if run["started_at"] is not None), None
    )
    if first is None or start is None:
        return first
    return round(max(first, start), 3)


def _summary(
    entries: list[dict[str, Any]], ends: Sequence[str], start: float | None, to: float | None
) -> dict[str, Any]:
    in_window = since(entries, start)
    counts = Counter(entry["end"] for entry in in_window)
    return {
        "availability": _availability(entries, start, to),
        "longest_seconds": max(entry["seconds"] for entry in in_window),
        "ends": {end: counts[end] for end in ends},
    }


def _availability(
    entries: list[dict[str, Any]], start: float | None, to: float | None
) -> float | None:
    """The share of the window in which it was up, since the first known start.

    An entry without a time counts if it lies between entries that have one. Gaps
    of which nothing is known, as after a restored backup, count neither as up nor as down.
    """
    known = [number for number, entry in enumerate(entries) if entry["started_at"] is not None]
    if not known:
        return None
    first, last = entries[known[0]], entries[known[-1]]
    begin: float = first["started_at"] if start is None else max(first["started_at"], start)
    end: float = last["started_at"] + last["seconds"] if to is None else to
    if end <= begin:
        return None
    placed = since(entries[known[0] : known[-1] + 1], start)
    up = sum(
        entry["seconds"]
        if entry["started_at"] is None
        else _overlap(entry["started_at"], entry["started_at"] + entry["seconds"], begin, end)
        for entry in placed
    )
    unseen = sum(
        _overlap(entry["ended_at"], later["started_at"], begin, end)
        for entry, later in zip(placed, placed[1:])
        if entry["end"] in UNSEEN_ENDS and None not in (entry["ended_at"], later["started_at"])
    )
    seen = end - begin - unseen
    if seen - up < ROUNDING_SECONDS:
        return 1.0
    # A few seconds in years must not round up to 1.
    return min(round(up / seen, 6), 0.999999)


def _overlap(from_: float, to: float, begin: float, end: float) -> float:
    """How many seconds of the first interval lie within the second."""
    return max(0.0, min(to, end) - max(from_, begin))
