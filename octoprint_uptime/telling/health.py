"""A check for OctoPrint's own health check: does the host keep losing power?

Only what asks for the check brings what this module imports: OctoPrint 1.11 and later.
"""

from __future__ import annotations

from typing import Callable

from octoprint.plugins.health_check.checks import CheckResult, HealthCheck, Result

from ..history.report import PowerLosses

DAYS = 7
LOSSES_FOR_WARNING = 2
LOSSES_FOR_ISSUE = 5


def power_check(power_losses: Callable[[int], PowerLosses | None]) -> type[HealthCheck]:
    """The check's class, as OctoPrint wants it.

    Args:
        power_losses: Tells of the last so many days; ``None`` while the history cannot
            be read.
    """

    class PowerCheck(HealthCheck):
        key = "octoprint_uptime_power"

        def perform_check(self, force: bool = False) -> CheckResult:
            seen = power_losses(DAYS)
            if seen is None or seen.losses < LOSSES_FOR_WARNING:
                return CheckResult()
            return CheckResult(
                result=Result.ISSUE if seen.losses >= LOSSES_FOR_ISSUE else Result.WARNING,
                context={"days": DAYS, **seen._asdict()},
            )

    return PowerCheck
