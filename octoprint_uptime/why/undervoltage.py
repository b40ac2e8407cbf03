"""Undervoltage, as the plugin Pi Support sees it."""

from __future__ import annotations

from collections.abc import Mapping


class ThrottleStates:
    """Reads Pi Support's throttle states, one after the other."""

    def __init__(self) -> None:
        self._past: bool | None = None

    def show_undervoltage(self, state: Mapping[str, bool]) -> bool:
        """Whether it was seen now or since the state before; not what was before this run.

        Raises:
            KeyError: The state lacks a flag.
        """
        now, past = state["current_undervoltage"], state["past_undervoltage"]
        new_in_past = past and self._past is False
        self._past = past
        return now or new_in_past
