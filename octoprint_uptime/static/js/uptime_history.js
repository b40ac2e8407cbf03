$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    const RECENT_DAYS = 30;
    const DAYS_SHOWN = 90;
    const ROWS_AT_ONCE = 100;
    const DIALOG_FRAME_PX = 140; // what the dialog's head and foot take

    // The last days in the panel, and the dialog with all that is kept.
    function UptimeHistoryViewModel(parameters) {
        const self = this;

        self.uptime = parameters[0];
        const ends = parameters[1];
        const days = parameters[2];
        const why = parameters[3];

        //~~ the panel

        self.recent = ko.observable(undefined);
        self.problem = ko.observable("");

        const ask = (days) =>
            client
                .getHistory(days)
                .done(() => self.problem(""))
                .fail((xhr) => {
                    const body = xhr.responseJSON;
                    self.problem(
                        (body && body.error) || gettext("The history is not available.")
                    );
                });

        const daysKept = () => self.uptime.preferences().history_days;

        self.loadRecent = () => {
            const count = Math.min(RECENT_DAYS, daysKept());
            ask(count).done((answer) => {
                const summary = answer.summary.octoprint;
                const strip = days.createStrip(
                    "OctoPrint",
                    ends.icon("octoprint_down"),
                    answer.octoprint,
                    count,
                    answer,
                    summary.availability
                );
                const unplanned = answer.octoprint.find(
                    (run) => run.end !== "running" && ends.unplanned(run.end)
                );
                strip.availability = _.sprintf(
                    ngettext(
                        "%(share)s in %(count)d day",
                        "%(share)s in %(count)d days",
                        count
                    ),
                    {share: strip.availability, count}
                );
                strip.last = unplanned
                    ? ends.sentence(
                          gettext("%(what)s, %(when)s, %(downtime)s"),
                          unplanned
                      )
                    : gettext("No unplanned outage.");
                strip.why = unplanned ? why.sentence(unplanned) : "";
                self.recent(strip);
            });
        };

        //~~ the dialog

        let dialog;

        self.dialogOpen = ko.observable(false);

        self.answer = ko.observable(undefined);
        self.cause = ko.observable("");
        self.limit = ko.observable(ROWS_AT_ONCE);

        self.mayClear = self.uptime.mayChangeSettings;

        self.strips = ko.pureComputed(() => {
            const answer = self.answer();
            if (!answer) return [];
            const count = Math.min(DAYS_SHOWN, daysKept());
            return self.uptime.clocks.map((clock) =>
                days.createStrip(
                    clock.name,
                    clock.icon,
                    answer[clock.subject],
                    count,
                    answer,
                    (answer.summary[clock.subject] || {}).availability
                )
            );
        });

        self.rows = ko.pureComputed(() => {
            const answer = self.answer();
            if (!answer) return [];
            const listed = (entries) =>
                entries.filter((entry) => ends.listed.includes(entry.end));
            return mergedByTime(listed(answer.octoprint), listed(answer.printer)).map(
                sameRow()
            );
        });
        self.rowsOfCause = ko.pureComputed(() =>
            self.rows().filter((row) => !self.cause() || row.end === self.cause())
        );
        self.rowsShown = ko.pureComputed(() => self.rowsOfCause().slice(0, self.limit()));
        self.isEmpty = ko.pureComputed(
            () => self.answer() !== undefined && self.rows().length === 0
        );
        self.causes = ko.pureComputed(() => {
            const counts = _.countBy(self.rows(), "end");
            return ends.listed
                .filter((end) => counts[end])
                .map((end) => ({
                    end,
                    text: _.sprintf(gettext("%(what)s (%(count)d)"), {
                        what: ends.text(end),
                        count: counts[end]
                    })
                }));
        });
        self.allCauses = ko.pureComputed(() =>
            _.sprintf(gettext("everything (%(count)d)"), {count: self.rows().length})
        );
        self.csvUrl = ko.pureComputed(() => client.historyCsvUrl(daysKept() || 1));

        /** Two lists, newest first, as one. What has no time stays beside its neighbour. */
        function mergedByTime(first, second) {
            const dated = (entries) => {
                let latest = Infinity;
                return entries.map((entry) => {
                    latest = entry.ended_at === null ? latest : entry.ended_at;
                    return {entry, at: latest};
                });
            };
            return _.sortBy(dated(first).concat(dated(second)), ({at}) => -at).map(
                ({entry}) => entry
            );
        }

        // By what the API tells of them.
        let rowsBefore = new Map();

        /** What makes rows; those of before remain, and with them what is open and the focus. */
        function sameRow() {
            const before = rowsBefore;
            rowsBefore = new Map();
            return (entry) => {
                const key = JSON.stringify(entry);
                const row = before.get(key) || createRow(entry);
                before.delete(key); // another that is just like it is another row
                rowsBefore.set(key, row);
                return row;
            };
        }

        function createRow(entry) {
            const details = [];
            if (entry.interrupted_print) {
                details.push(
                    _.sprintf(gettext("Interrupted: %(file)s"), {
                        file: entry.interrupted_print
                    })
                );
            }
            if (why.undervoltageBesides(entry))
                details.push(gettext("Undervoltage was seen"));
            if (entry.port) details.push(entry.port);
            const open = ko.observable(false);
            return {
                opens: why.hasMore(entry),
                id: _.uniqueId("octoprint_uptime_why_"),
                toggle: () => open(!open()),
                expanded: ko.pureComputed(() => String(open())),
                more: ko.pureComputed(() => open() && why.more(entry)),
                reason: why.sentence(entry),
                end: entry.end,
                icon: ends.icon(entry.end),
                cause: ends.text(entry.end),
                unplanned: ends.unplanned(entry.end),
                when:
                    entry.ended_at === null
                        ? gettext("unknown")
                        : self.uptime.dateAndTime.format(entry.ended_at * 1000),
                exactness:
                    entry.end_exact === false
                        ? _.sprintf(gettext("± %(seconds)d s"), {
                              seconds: self.uptime.preferences().heartbeat_seconds
                          })
                        : "",
                before: ends.duration(entry.seconds),
                after: _.isNumber(entry.downtime_seconds)
                    ? ends.duration(entry.downtime_seconds)
                    : "–",
                details: details.join(" · ")
            };
        }

        self.load = () => ask(daysKept()).done(self.answer);

        let giveFocusBack;

        /** Open the dialog; once it is closed, the focus is where ``giveBack`` puts it. */
        self.open = (giveBack) => {
            giveFocusBack = giveBack;
            self.uptime.closePanel();
            self.cause("");
            rowsBefore = new Map();
            self.load().always(() => {
                const height = $.fn.modal.defaults.maxHeight() - DIALOG_FRAME_PX;
                dialog.modal({minHeight: height, maxHeight: height});
            });
        };

        self.show = () => self.open(self.uptime.focusToggle);

        /** Show more rows as the end of those shown comes near. */
        const watchEndOfRows = (end) => {
            const observer = new IntersectionObserver(([{isIntersecting}]) => {
                if (!isIntersecting || self.limit() >= self.rowsOfCause().length) return;
                self.limit(self.limit() + ROWS_AT_ONCE);
                observer.unobserve(end); // observed anew, it tells whether it is still near
                observer.observe(end);
            });
            observer.observe(end);
        };

        self.clear = (viewModel, {currentTarget}) =>
            showConfirmationDialog({
                message: gettext(
                    "This forgets every end that is listed here, for everyone and for good."
                ),
                proceed: gettext("Clear"),
                onproceed: () => client.clearHistory().done(self.load)
            }).on("destroyed", () => $(currentTarget).trigger("focus"));

        //~~ OctoPrint's callbacks

        self.uptime.history(self);

        self.onStartupComplete = () => {
            dialog = $("#octoprint_uptime_history");
            self.cause.subscribe(() => self.limit(ROWS_AT_ONCE));
            watchEndOfRows(dialog.find(".octoprint_uptime_end_of_rows")[0]);
            self.uptime.panelOpen.subscribe((open) => {
                if (open) self.loadRecent();
            });
            dialog.on("shown hidden", () => self.dialogOpen(dialog.is(":visible")));
            dialog.on("hidden", () => giveFocusBack());
        };

        self.onDataUpdaterPluginMessage = (plugin) => {
            if (plugin === "octoprint_uptime" && self.dialogOpen()) self.load();
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeHistoryViewModel,
        name: "octoPrintUptimeHistoryViewModel",
        dependencies: [
            "octoPrintUptimeViewModel",
            "octoPrintUptimeEndsViewModel",
            "octoPrintUptimeDaysViewModel",
            "octoPrintUptimeWhyViewModel"
        ],
        elements: ["#octoprint_uptime_history"]
    });
});
