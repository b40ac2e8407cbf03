"""What the records mean: when everything ran, how it ended, and for how long it was down.

Pure: records and one instant in, plain data for JSON and CSV out.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..why.evidence import Facts
from ..why.verdict import Verdict, verdict
from .ends import ENDS, UNPLANNED_ENDS, UNSEEN_ENDS, boot_end, run_end
from .record import Boot, Connection, Instant, Records, Run

DAY_SECONDS = 86400
EARLIEST_UNIX_TIME = 1_735_689_600.0
"""2025-01-01: a wall clock before this has not been set, no version is older."""
SET_CLOCK_WEIGHT = 5
KEPT_A_DAY = 50
"""Rows of a kind kept for each day, so that a loop of crashes fills no SD card."""

NO_PREVIOUS_END = dict.fromkeys(
    (
        *("previous_end", "previous_ended_at", "downtime_seconds"),
        *("interrupted_print", "undervoltage", "why"),
    )
)
"""What the events say when nothing is known of an earlier run."""


class Span(NamedTuple):
    """From when to when something ran, in seconds since the boot with that id."""

    boot: int
    started: float
    ended: float


class Why(NamedTuple):
    """Why something ended: what is known of that, and the vital signs before it, as JSON."""

    subject: str
    end: str
    facts: str | None
    vitals: str | None

    @property
    def verdict(self) -> Verdict:
        return verdict(self.subject, self.end, Facts.from_json(self.facts))


class PowerLosses(NamedTuple):
    """How often the host lost power or was reset, and how often after undervoltage."""

    losses: int
    after_undervoltage: int


class Timeline:
    """The records on the wall clock.

    Args:
        records: What is kept; the last run is the running one.
        now: Now, in the boot of the last run.
    """

    def __init__(self, records: Records, now: Instant) -> None:
        self._records = records
        self._now = now
        self._current = records.runs[-1]
        self._spans = {run.id: self._span(run) for run in records.runs}
        self._ends = dict(self._ends_of_runs())
        self._booted_at = known_boots(records.boots, self._last_seen())

    def octoprint(self) -> list[dict[str, Any]]:
        """The runs of OctoPrint, oldest first, as the API has them."""
        runs = self._records.runs
        following: Iterable[Run | None] = itertools.chain(runs[1:], [None])
        return [self._run_entry(run, later) for run, later in zip(runs, following)]

    def system(self) -> list[dict[str, Any]]:
        """The boots of the host, oldest first, as the API has them."""
        last_runs = {run.boot: run for run in self._records.runs}
        entries = []
        for boot, later in itertools.zip_longest(self._records.boots, self._records.boots[1:]):
            last = last_runs[boot.id]
            span = Span(boot.id, 0.0, self._spans[last.id].ended)
            end = boot_end(self._ends[last.id])
            downtime = self._downtime(end, span, later and Span(later.id, 0.0, 0.0))
            started_at, ended_at = self._wall(span, end)
            entries.append(
                {
                    "started_at": started_at,
                    "ended_at": ended_at,
                    "seconds": round(span.ended, 3),
                    "end": end,
                    "end_exact": self._is_exact(last, end),
                    "downtime_seconds": downtime,
                    "why": self._why("system", last, end),
                }
            )
        return entries

    def printer(self) -> list[dict[str, Any]]:
        """The printer connections, oldest first, as the API has them."""
        runs = {run.id: run for run in self._records.runs}
        return [
            self._connection_entry(connection, runs[connection.run])
            for connection in self._records.connections
        ]

    def now(self) -> float | None:
        """The Unix time, unless the clock of the host is not to be believed."""
        return None if self._booted_at[self._current.boot] is None else self._now.wall

    def unacknowledged(self) -> dict[str, Any] | None:
        """The last unplanned end that no one has acknowledged."""
        entries = self.octoprint()
        for run, entry in zip(reversed(self._records.runs), reversed(entries)):
            if run.acknowledged:
                return None
            if entry["end"] in UNPLANNED_ENDS:
                return {
                    name: entry[name]
                    for name in (
                        *("end", "ended_at", "end_exact", "downtime_seconds"),
                        *("interrupted_print", "undervoltage", "why"),
                    )
                }
        return None

    def previous_end(self) -> dict[str, Any]:
        """How the run before the running one ended, as the events tell it."""
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

    def power_losses(self, days: int) -> PowerLosses:
        """Those that are known to have happened within the last so many days."""
        now = self.now()
        losses = [
            run
            for run in self.octoprint()
            if now is not None
            and run["end"] == "power_loss"
            and run["ended_at"] is not None
            and run["ended_at"] >= now - days * DAY_SECONDS
        ]
        return PowerLosses(len(losses), sum(run["undervoltage"] for run in losses))

    def first_kept(self, days: int) -> tuple[int, int]:
        """The ids of the first run and the first connection that are not too old or too many."""
        now = self.now()
        cutoff = None if now is None else now - days * DAY_SECONDS
        return (
            _first_kept(self._records.runs, self.octoprint(), cutoff, days * KEPT_A_DAY),
            _first_kept(self._records.connections, self.printer(), cutoff, days * KEPT_A_DAY),
        )

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
        started_at, ended_at = self._wall(span, end)
        return {
            "started_at": started_at,
            "ended_at": ended_at,
            "seconds": round(span.ended - span.started, 3),
            "end": end,
            "end_exact": self._is_exact(run, end),
            "downtime_seconds": self._downtime(end, span, later and self._spans[later.id]),
            "interrupted_print": None if end in ("running", "restored") else run.printing,
            "undervoltage": bool(run.undervoltage),
            "octoprint_version": run.octoprint_version,
            "why": self._why("octoprint", run, end),
        }

    def _is_exact(self, run: Run, end: str) -> bool | None:
        if end == "running":
            return None
        # A witness of OctoPrint's end did not see the host's.
        return run.ended is not None or (run.died is not None and end not in UNSEEN_ENDS)

    def _why(self, subject: str, run: Run, end: str) -> Why | None:
        return None if end == "running" else Why(subject, end, run.facts, run.vitals)

    def _connection_entry(self, connection: Connection, run: Run) -> dict[str, Any]:
        run_span = self._spans[run.id]
        if connection.ended is not None:
            end = "error" if connection.failed else "disconnected"
            ended = connection.ended
        else:
            end = "running" if run is self._current else "octoprint_down"
            ended = run_span.ended
        span = Span(run_span.boot, connection.started, max(connection.started, ended))
        started_at, ended_at = self._wall(span, end)
        return {
            "started_at": started_at,
            "ended_at": ended_at,
            "seconds": round(span.ended - span.started, 3),
            "end": end,
            "port": connection.port,
        }

    def _wall(self, span: Span, end: str) -> tuple[float | None, float | None]:
        """The Unix times of begin and end, as far as they are known or have come."""
        booted_at = self._booted_at[span.boot]
        if booted_at is None:
            return None, None
        ended_at = None if end == "running" else round(booted_at + span.ended, 3)
        return round(booted_at + span.started, 3), ended_at

    def _downtime(self, end: str, span: Span, later: Span | None) -> float | None:
        """From an end to the next start; ``None`` where there is none or nobody saw it."""
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


class _Chain(NamedTuple):
    """Boots none of which contradicts another, last first."""

    weight: float
    boot: Boot
    rest: _Chain | None


def known_boots(boots: Sequence[Boot], last_seen: dict[int, float]) -> dict[int, float | None]:
    """The Unix time of each boot, ``None`` where its wall clock was wrong.

    A boot cannot have begun before the one before it was seen last. Where boots contradict
    each other so, those are believed that leave out the fewest, the earlier if in doubt;
    one whose clock someone set while it ran counts for several that may never have been
    told the time.
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
    # By their ends, ascending; whatever ends later is here only if it is heavier.
    ends: list[float] = []
    chains: list[_Chain] = []
    for number, boot in enumerate(boots):
        before = bisect.bisect_right(ends, boot.booted_at)
        rest = chains[before - 1] if before else None
        # Less than 1 altogether, it decides for the earlier between equals.
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
    rows: Sequence[Run] | Sequence[Connection],
    entries: list[dict[str, Any]],
    cutoff: float | None,
    most: int,
) -> int:
    kept = min(len(_since(entries, cutoff)), most)
    if kept:
        return rows[-kept].id
    return rows[-1].id + 1 if rows else 0


def _since(entries: list[dict[str, Any]], start: float | None) -> list[dict[str, Any]]:
    """The entries after the last that is known to have ended before ``start``."""
    if start is None:
        return entries
    for number, entry in enumerate(reversed(entries)):
        if entry["ended_at"] is not None and entry["ended_at"] < start:
            return entries[len(entries) - number :]
    return entries


def history_answer(records: Records, now: Instant, days: int) -> dict[str, Any]:
    """The body of ``GET /plugin/octoprint_uptime/history``, as ``docs/api.md`` lists it."""
    timeline = Timeline(records, now)
    to = timeline.now()
    start = None if to is None else to - days * DAY_SECONDS
    octoprint, system = timeline.octoprint(), timeline.system()
    return {
        "from": None if start is None else round(start, 3),
        "to": None if to is None else round(to, 3),
        "octoprint": _since(octoprint, start)[::-1],
        "system": _since(system, start)[::-1],
        "printer": _since(timeline.printer(), start)[::-1],
        "summary": {
            "octoprint": _summary(octoprint, ENDS["octoprint"], start, to),
            "system": _summary(system, ENDS["system"], start, to),
        },
    }


def _summary(
    entries: list[dict[str, Any]], ends: Sequence[str], start: float | None, to: float | None
) -> dict[str, Any]:
    in_window = _since(entries, start)
    counts = Counter(entry["end"] for entry in in_window)
    return {
        "availability": _availability(entries, start, to),
        "longest_seconds": max(entry["seconds"] for entry in in_window),
        "ends": {end: counts[end] for end in ends},
    }


def _availability(
    entries: list[dict[str, Any]], start: float | None, to: float | None
) -> float | None:
    """The share of the window, since the first known start, that was spent running.

    An entry of which nobody knows when it was counts where it lies between known ones. What
    nobody saw, like what the original of a restored copy did, counts neither way.
    """
    known = [number for number, entry in enumerate(entries) if entry["started_at"] is not None]
    if not known:
        return None
    first, last = entries[known[0]], entries[known[-1]]
    begin: float = first["started_at"] if start is None else max(first["started_at"], start)
    end: float = last["started_at"] + last["seconds"] if to is None else to
    if end <= begin:
        return None
    placed = _since(entries[known[0] : known[-1] + 1], start)
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
    return round(min(1.0, up / (end - begin - unseen)), 6)


def _overlap(from_: float, to: float, begin: float, end: float) -> float:
    """How many of the seconds between the first two times lie between the others."""
    return max(0.0, min(to, end) - max(from_, begin))
