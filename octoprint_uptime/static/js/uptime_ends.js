$(function () {
    "use strict";

    // Later, a weekday could mean today's.
    const WEEKDAY_SUFFICES_SECONDS = 6 * 86400;
    const HOUR_SECONDS = 3600;

    // The text and icon of each end, and whether it was planned.
    function UptimeEndsViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];

        const ENDS = {
            restart: {
                icon: "fas fa-redo",
                text: gettext("OctoPrint restarted"),
                planned: true
            },
            shutdown: {
                icon: "fas fa-power-off",
                text: gettext("Clean shutdown of the host"),
                planned: true
            },
            crash: {
                icon: "fas fa-bug",
                text: gettext("OctoPrint crashed"),
                unplanned: true
            },
            power_loss: {
                icon: "fas fa-bolt",
                text: gettext("Power loss or reset"),
                unplanned: true
            },
            restored: {icon: "fas fa-archive", text: gettext("Restored from a backup")},
            disconnected: {
                icon: "fas fa-plug",
                text: gettext("Printer disconnected"),
                planned: true
            },
            error: {
                icon: "fas fa-unlink",
                text: gettext("Lost connection to the printer"),
                unplanned: true
            },
            octoprint_down: {
                icon: "fas fa-cogs",
                text: gettext("OctoPrint went down"),
                unlisted: true // the end of OctoPrint's run says the same
            },
            unknown: {
                icon: "fas fa-question-circle",
                text: gettext("Host went down, cause not recorded"),
                unseen: true,
                unlisted: true // the host's ends are in OctoPrint's rows
            },
            print_done: {
                icon: "fas fa-check",
                text: gettext("Print finished"),
                unlisted: true
            },
            print_cancelled: {
                icon: "fas fa-times",
                text: gettext("Print cancelled"),
                unlisted: true
            },
            print_failed: {
                icon: "fas fa-exclamation",
                text: gettext("Print failed"),
                unplanned: true,
                unlisted: true
            },
            print_interrupted: {
                icon: "fas fa-unlink",
                text: gettext("Print interrupted"),
                unplanned: true,
                unlisted: true
            },
            print_unknown: {
                icon: "fas fa-question-circle",
                text: gettext("Print, outcome unknown"),
                unlisted: true
            }
        };

        /** Convert a print of the API to an entry with an end. */
        self.ofPrint = (print) => ({
            ...print,
            end: print.result === "running" ? "running" : `print_${print.result}`
        });

        /** The ends that have a row in the list. */
        self.listed = Object.keys(ENDS).filter((end) => !ENDS[end].unlisted);

        self.text = (end) => ENDS[end].text;
        self.icon = (end) => ENDS[end].icon;
        self.unplanned = (end) => Boolean(ENDS[end].unplanned);
        self.planned = (end) => Boolean(ENDS[end].planned);
        /** Whether the way it ended is unknown. */
        self.unseen = (end) => Boolean(ENDS[end].unseen);

        /** Format a duration, with seconds only if it is short. */
        self.duration = (seconds) =>
            OctoPrint.plugins.octoprint_uptime.format(
                seconds,
                seconds < HOUR_SECONDS ? "full" : "dhm"
            );

        const weekdayAndTime = new Intl.DateTimeFormat(uptime.locale, {
            weekday: "long",
            ...uptime.timeOfDay
        });

        const when = (unixTime) => {
            if (unixTime === null) return gettext("time unknown");
            const recent = Date.now() / 1000 - unixTime < WEEKDAY_SUFFICES_SECONDS;
            return (recent ? weekdayAndTime : uptime.dateAndTime).format(unixTime * 1000);
        };

        /** Describe the outage after an end. */
        self.backAfter = (seconds) =>
            seconds === null
                ? gettext("downtime unknown")
                : _.sprintf(gettext("back after %(duration)s"), {
                      duration: self.duration(seconds)
                  });

        /** Whether an entry has a downtime. Printer connections have none. */
        self.hasDowntime = (entry) => entry.downtime_seconds !== undefined;

        /** Fill a pattern with the facts about an unplanned end. */
        self.sentence = (pattern, entry) =>
            _.sprintf(pattern, {
                what: self.text(entry.end),
                when: when(entry.ended_at),
                downtime: self.hasDowntime(entry)
                    ? self.backAfter(entry.downtime_seconds)
                    : ""
            });
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeEndsViewModel,
        name: "octoPrintUptimeEndsViewModel",
        dependencies: ["octoPrintUptimeViewModel"],
        elements: []
    });
});
