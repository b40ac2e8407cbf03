"""Pings an external monitor as long as OctoPrint's server loop answers.

Before each ping, a thread waits for the loop to answer. If the loop hangs, the monitor gets no
ping, as after a power loss. That thread sends no pings, so a slow monitor cannot block it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple

from ..reader import monotonic_clock
from .monitors import (
    DEFAULT_BODY_LIMIT,
    GOODBYE,
    HEARTBEAT,
    UNPLANNED,
    Monitor,
    Ping,
    Trouble,
    has_word_for,
    ping,
    refusal,
)
from .notes import trouble_text
from .post import NO_ANSWER, THREAD_NAME, TOTAL_SECONDS, Answer, post
from .schedule import MAX_TESTS_A_MINUTE, Budget, Schedule

Tell = Callable[[], str]

GOODBYE_SECONDS = 2.0
"""How long the last ping may delay OctoPrint's shutdown."""


@dataclass(frozen=True)
class Plan:
    """The monitor to ping, and the ping interval in seconds."""

    monitor: Monitor
    interval: float


class Status(NamedTuple):
    """The outcome of recent pings. Times are on the monotonic clock."""

    last_success: float | None = None
    failing_since: float | None = None
    trouble: Trouble | None = None

    def after(self, trouble: Trouble | None, now: float) -> Status:
        """The status after another ping, which had this trouble or succeeded."""
        if trouble is None:
            return Status(last_success=now)
        since = now if self.failing_since is None else self.failing_since
        return Status(self.last_success, since, trouble)


class TooManyTestsError(Exception):
    """A test is running, or the tests of this minute are used up."""


class PingThread(threading.Thread):
    """Sends one ping. Nothing has to join it.

    Args:
        request: The ping.
        send: Sends the ping and returns the answer.
        on_end: Called on this thread when there is an answer.
    """

    def __init__(
        self, request: Ping, send: Callable[[Ping], Answer], on_end: Callable[[], None]
    ) -> None:
        super().__init__(name=THREAD_NAME, daemon=True)
        self.answer: Answer | None = None
        self._request = request
        self._send = send
        self._on_end = on_end

    def run(self) -> None:
        self.answer = self._send(self._request)
        self._on_end()


class Pings:
    """Pings the monitor in the settings.

    Args:
        doing: Returns a short text about what OctoPrint is doing. Like every ``Tell``, it is
            called on the thread of the pings.
        on_change: Called on that thread when pings begin to fail and when they succeed again.
        user_agent: The value of the ``User-Agent`` header.
        logger: Logs when pings begin to fail and when they succeed again.
    """

    def __init__(
        self,
        doing: Tell,
        on_change: Callable[[], None],
        user_agent: str,
        logger: logging.Logger,
    ) -> None:
        self._doing = doing
        self._on_change = on_change
        self._user_agent = user_agent
        self._logger = logger
        self._clock = monotonic_clock()
        self._loop: Any = None
        # Notified to wake the thread. Hold it to change the attributes below.
        self._woken = threading.Condition()
        self._plan: Plan | None = None
        self._schedule: Schedule | None = None
        self._status = Status()
        self._thread: threading.Thread | None = None
        self._loop_answered = False
        self._unplanned: Tell | None = None
        self._goodbye: Tell | None = None
        self._goodbye_by = 0.0
        self._has_failed_to_compose = False
        self._has_trouble = False
        self._budget = Budget()
        self._test_budget = Budget()
        self._body_limit = DEFAULT_BODY_LIMIT
        self._testing = threading.Lock()
        # Pings without an answer when the settings changed. The monitor may have accepted them.
        self._unanswered: set[tuple[str, str]] = set()

    def start(self, loop: Any, plan: Plan | None) -> None:
        """Begin after OctoPrint has started.

        Args:
            loop: The tornado loop of the server.
            plan: The monitor to ping; ``None`` for no pings.
        """
        self._loop = loop
        self._follow(plan, at_start=True)

    def follow(self, plan: Plan | None) -> None:
        """Switch to a new plan."""
        if plan != self._plan:
            self._follow(plan, at_start=False)

    def end_is_known(self, unplanned: Tell | None) -> None:
        """Take the text about the previous end, once it is known; ``None`` if it was planned."""
        with self._woken:
            self._unplanned = unplanned
            if self._schedule:
                self._schedule.end_is_known(unplanned is not None, self._clock())
            self._woken.notify_all()

    def say_goodbye(self, goodbye: Tell) -> None:
        """Begin to send the goodbye, without waiting for it."""
        with self._woken:
            self._goodbye = goodbye
            self._goodbye_by = self._clock() + GOODBYE_SECONDS
            self._woken.notify_all()

    def wait_for_goodbye(self) -> None:
        """Wait until the goodbye is sent, at most two seconds after :meth:`say_goodbye`."""
        thread = self._thread
        if thread:
            thread.join(max(0.0, self._goodbye_by - self._clock()))

    def status(self) -> dict[str, Any] | None:
        """Return the field ``pings`` of the API; ``None`` if there is no monitor."""
        if self._plan is None:
            return None
        now, status = self._clock(), self._status

        def since(time: float | None) -> float | None:
            return None if time is None else round(now - time, 3)

        return {
            "last_success_seconds_ago": since(status.last_success),
            "failing_seconds": since(status.failing_since),
            "error": status.trouble and trouble_text(status.trouble),
        }

    def test(self, monitor: Monitor, note: str) -> tuple[Answer, float]:
        """Ping a monitor now. Return its answer, and how many seconds that took.

        Raises:
            TooManyTestsError: No test is allowed at the moment.
        """
        if not self._testing.acquire(blocking=False):
            raise TooManyTestsError
        try:
            began = self._clock()
            with self._woken:
                url = monitor.url
                if self._budget.wait_seconds(url, began) or self._test_budget.wait_seconds(
                    url, began, MAX_TESTS_A_MINUTE
                ):
                    raise TooManyTestsError
                for budget in (self._budget, self._test_budget):
                    budget.spend(url, began)
            sending = self._sending(ping(monitor, HEARTBEAT, note), lambda: None)
            if sending.answer is None:  # else it could not be started, or has ended already
                sending.join(TOTAL_SECONDS)
            return self._judged(monitor, sending.answer), self._clock() - began
        finally:
            self._testing.release()

    def _follow(self, plan: Plan | None, *, at_start: bool) -> None:
        with self._woken:
            earlier, had = self._schedule, self._plan
            self._plan = plan
            self._schedule = None
            if plan is None or had is None or plan.monitor != had.monitor:
                self._status = Status()
                self._body_limit = DEFAULT_BODY_LIMIT
            if plan is not None:
                self._schedule = Schedule(
                    plan.monitor.style, plan.interval, self._clock(), at_start=at_start
                )
                if earlier:
                    url = plan.monitor.url
                    sent = {moment for address, moment in self._unanswered if address == url}
                    self._schedule.inherit(earlier, sent)
                if self._thread is None:
                    self._start_thread()
            self._woken.notify_all()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{THREAD_NAME}s", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system is out of threads
            self._stop_because_of(error)
        else:
            self._thread = thread

    def _stop_because_of(self, error: Exception) -> None:
        """Let the page and the log say that there are no more pings."""
        self._thread = None
        trouble = Trouble("failed", {"error": type(error).__name__})
        self._status = self._status.after(trouble, self._clock())
        # The text of the error may contain the address.
        self._logger.error(
            "Pings stopped because of an unexpected error (%s)", type(error).__name__
        )

    def _work(self) -> None:
        try:
            while self._ping_when_due():
                pass
            if self._goodbye:
                self._send_goodbye()
        except Exception as error:  # an error here must stop nothing but the pings
            with self._woken:
                self._stop_because_of(error)
            self._on_change()

    def _ping_when_due(self) -> bool:
        """Send the next ping when it is due. Return whether to go on."""
        with self._woken:
            plan, schedule = self._plan, self._schedule
            if plan is None or schedule is None:
                self._thread = None
                return False
            if self._goodbye is not None:
                return False
            answer_seconds = self._wait_until_due(plan, schedule)
            if answer_seconds is None:
                return True
            moment = schedule.next()
            began = self._clock()
            self._budget.spend(plan.monitor.url, began)
        note = self._note_on(moment)
        request = ping(plan.monitor, moment, note, answer_seconds, self._body_limit)
        sending = self._sending(request, self._wake)
        with self._woken:
            if not self._wait_for_answer(sending, plan.monitor, TOTAL_SECONDS):
                self._unanswered.add((plan.monitor.url, moment))
                return True
            schedule = self._schedule or schedule  # a new interval brings a new schedule
            answer = self._judged(plan.monitor, sending.answer)
            if answer.body_limit is not None:
                self._body_limit = answer.body_limit
            if answer.trouble:
                schedule.failed(moment, answer.trouble, self._clock())
            else:
                schedule.taken(moment, began)
            before = self._status
            self._status = before.after(answer.trouble, self._clock())
            # Another address has no trouble yet, but may end that of the one before.
            had_trouble, self._has_trouble = self._has_trouble, bool(answer.trouble)
        if bool(answer.trouble) != bool(before.trouble) or had_trouble > self._has_trouble:
            self._announce(answer.trouble)
        # Resolving a host name can exceed the time limit. The next ping waits for this one to end.
        if sending.answer is None:
            with self._woken:
                self._wait_for_answer(sending, plan.monitor)
        return True

    def _note_on(self, moment: str) -> str:
        told = {HEARTBEAT: self._doing, UNPLANNED: self._unplanned, GOODBYE: self._goodbye}
        tell = told.get(moment)
        try:
            return tell() if tell else ""
        except Exception:  # of the printer or a translation: a ping needs no text
            if not self._has_failed_to_compose:
                self._logger.exception("Could not compose the text of a ping")
            self._has_failed_to_compose = True
            return ""

    def _wait_until_due(self, plan: Plan, schedule: Schedule) -> float | None:
        """Return how long the loop took to answer, in seconds; ``None`` if the plan has changed."""
        while self._is_current(plan):
            now = self._clock()
            left = max(schedule.due - now, self._budget.wait_seconds(plan.monitor.url, now))
            if left <= 0:
                break
            self._woken.wait(left)
        else:
            return None
        asked = self._clock()
        self._loop_answered = False
        self._loop.add_callback(self._hear_loop)
        self._woken.wait_for(lambda: self._loop_answered or not self._is_current(plan))
        return self._clock() - asked if self._is_current(plan) else None

    def _wait_for_answer(
        self, sending: PingThread, monitor: Monitor, timeout: float | None = None
    ) -> bool:
        """Wait for the end of a ping. Return whether its monitor is still the one to ping."""

        def is_pinged() -> bool:
            return self._goodbye is None and bool(self._plan and self._plan.monitor == monitor)

        self._woken.wait_for(lambda: sending.answer is not None or not is_pinged(), timeout)
        return is_pinged()

    def _is_current(self, plan: Plan) -> bool:
        return self._plan is plan and self._goodbye is None

    def _hear_loop(self) -> None:
        with self._woken:
            self._loop_answered = True
            self._woken.notify_all()

    def _wake(self) -> None:
        with self._woken:
            self._woken.notify_all()

    def _sending(self, request: Ping, on_end: Callable[[], None]) -> PingThread:
        thread = PingThread(request, lambda request: post(request, self._user_agent), on_end)
        try:
            thread.start()
        except RuntimeError as error:  # the system is out of threads
            thread.answer = Answer(trouble=Trouble("failed", {"error": type(error).__name__}))
        return thread

    def _judged(self, monitor: Monitor, answer: Answer | None) -> Answer:
        if answer is None:
            return Answer(trouble=NO_ANSWER)
        if answer.status is None:
            return answer
        return answer._replace(trouble=refusal(monitor.style, answer.status, answer.body))

    def _announce(self, trouble: Trouble | None) -> None:
        if trouble:
            self._logger.warning("Could not ping the monitor: %s", trouble_text(trouble))
        else:
            self._logger.info("The monitor accepts pings again")
        self._on_change()

    def _send_goodbye(self) -> None:
        with self._woken:
            plan = self._plan
            if plan is None or not has_word_for(plan.monitor.style, GOODBYE):
                return
            if self._budget.wait_seconds(plan.monitor.url, self._clock()):
                return
        # Sent on this thread because at shutdown Python 3.12.1 cannot start another.
        note = self._note_on(GOODBYE)
        post(ping(plan.monitor, GOODBYE, note, body_limit=self._body_limit), self._user_agent)
