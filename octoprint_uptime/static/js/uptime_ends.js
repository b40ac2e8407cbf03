$(function () {
    "use strict";

    const WEEK_SECONDS = 6 * 86400;
    const HOUR_SECONDS = 3600;

    // What each end is called, its icon, and whether it was planned.
    function UptimeEndsViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];

        const ENDS = {
            restart: {icon: "fas fa-redo", text: gettext("OctoPrint was restarted")},
            shutdown: {
                icon: "fas fa-power-off",
                text: gettext("Host shut down in order")
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
            disconnected: {icon: "fas fa-plug", text: gettext("Printer disconnected")},
            error: {
                icon: "fas fa-unlink",
                text: gettext("Connection to the printer lost"),
                unplanned: true
            },
            octoprint_down: {
                icon: "fas fa-cogs",
                text: gettext("OctoPrint went down"),
                unlisted: true // the same as the end of OctoPrint's own run
            },
            unknown: {
                icon: "fas fa-question-circle",
                text: gettext("Host went down, nobody saw how"),
                unseen: true,
                unlisted: true // the host's ends are in OctoPrint's rows
            }
        };

        /** The ends that make a row of their own in the list. */
        self.listed = Object.keys(ENDS).filter((end) => !ENDS[end].unlisted);

        self.text = (end) => ENDS[end].text;
        self.icon = (end) => ENDS[end].icon;
        self.unplanned = (end) => Boolean(ENDS[end].unplanned);
        /** Whether nobody saw how it ended. */
        self.unseen = (end) => Boolean(ENDS[end].unseen);

        /** Seconds only where they matter. */
        self.duration = (seconds) =>
            OctoPrint.plugins.octoprint_uptime.format(
                seconds,
                seconds < HOUR_SECONDS ? "full" : "dhm"
            );

        const weekdayAndTime = new Intl.DateTimeFormat(uptime.locale, {
            weekday: "long",
            hour: "2-digit",
            minute: "2-digit"
        });

        const when = (unixTime) => {
            if (unixTime === null) return gettext("at an unknown time");
            const recent = Date.now() / 1000 - unixTime < WEEK_SECONDS;
            return (recent ? weekdayAndTime : uptime.dateAndTime).format(unixTime * 1000);
        };

        const backAfter = (seconds) =>
            seconds === null
                ? gettext("nobody knows for how long")
                : _.sprintf(gettext("back after %(duration)s"), {
                      duration: self.duration(seconds)
                  });

        /** An entry of the history whose end was unplanned, in the words of the pattern. */
        self.sentence = (pattern, entry) =>
            _.sprintf(pattern, {
                what: self.text(entry.end),
                when: when(entry.ended_at),
                downtime: backAfter(entry.downtime_seconds)
            });
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeEndsViewModel,
        name: "octoPrintUptimeEndsViewModel",
        dependencies: ["octoPrintUptimeViewModel"],
        elements: []
    });
});
