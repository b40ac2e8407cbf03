$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    const RECENT_DAYS = 30;
    const DAYS_SHOWN = 90;
    const ROWS_AT_ONCE = 100;
    const STORY_LINES = 6;
    const DIALOG_FRAME_PX = 140; // what the dialog's head and foot take
    const WEEK_SECONDS = 6 * 86400;
    const HOUR_SECONDS = 3600;

    const ENDS_LISTED = [
        "restart",
        "shutdown",
        "crash",
        "power_loss",
        "disconnected",
        "error"
    ];

    // Of two things on one day, the later in this list is shown.
    const STATES = ["unknown", "up", "planned", "unplanned"];

    function UptimeHistoryViewModel(parameters) {
        const self = this;

        self.uptime = parameters[0];

        //~~ texts

        // How something ended, in words; those that nobody wanted are told at once.
        const CAUSES = {
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
            disconnected: {icon: "fas fa-plug", text: gettext("Printer disconnected")},
            error: {
                icon: "fas fa-unlink",
                text: gettext("Connection to the printer lost"),
                unplanned: true
            },
            octoprint_down: {icon: "fas fa-cogs", text: gettext("OctoPrint went down")}
        };

        const formatDate = (options) =>
            new Intl.DateTimeFormat(self.uptime.locale, options);
        const dateAndTime = formatDate({dateStyle: "medium", timeStyle: "short"});
        const weekdayAndTime = formatDate({
            weekday: "long",
            hour: "2-digit",
            minute: "2-digit"
        });
        const time = formatDate({timeStyle: "short"});
        const day = formatDate({
            weekday: "short",
            year: "numeric",
            month: "short",
            day: "numeric"
        });
        const percent = new Intl.NumberFormat(self.uptime.locale, {
            style: "percent",
            maximumFractionDigits: 2
        });

        /** Seconds only where they matter. */
        const duration = (seconds) =>
            client.format(seconds, seconds < HOUR_SECONDS ? "full" : "dhm");

        const when = (unixTime) => {
            if (unixTime === null) return gettext("at an unknown time");
            const recent = Date.now() / 1000 - unixTime < WEEK_SECONDS;
            return (recent ? weekdayAndTime : dateAndTime).format(unixTime * 1000);
        };

        const backAfter = (seconds) =>
            seconds === null
                ? gettext("nobody knows for how long")
                : _.sprintf(gettext("back after %(duration)s"), {
                      duration: duration(seconds)
                  });

        const sentence = (pattern, end) =>
            _.sprintf(pattern, {
                what: CAUSES[end.end].text,
                when: when(end.ended_at),
                downtime: backAfter(end.downtime_seconds)
            });

        const capitalized = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

        // Cut, not rounded: 100 % is for what never went down.
        const availability = (share) =>
            share === null ? "–" : percent.format(Math.floor(share * 10000) / 10000);

        //~~ days

        /** The last days on the reader's calendar, oldest first: when each begins and ends. */
        function calendar(count, now) {
            const today = new Date(now);
            return _.range(count - 1, -1, -1).map((back) => {
                const midnight = (offset) =>
                    new Date(
                        today.getFullYear(),
                        today.getMonth(),
                        today.getDate() - back + offset
                    ).getTime() / 1000;
                return {begin: midnight(0), end: midnight(1), up: 0, state: 0, ends: []};
            });
        }

        /** What happened on each day, told by entries of the API. */
        function daysOf(entries, count, now) {
            const days = calendar(count, now * 1000);
            const mark = (from, to, state, change = _.noop) => {
                for (const date of days) {
                    const seconds = Math.min(to, date.end) - Math.max(from, date.begin);
                    if (seconds < 0 || (seconds === 0 && from !== to)) continue;
                    date.state = Math.max(date.state, STATES.indexOf(state));
                    change(date, seconds);
                }
            };
            for (const entry of entries) {
                if (entry.started_at === null) continue;
                const endedAt = entry.end === "running" ? now : entry.ended_at;
                mark(entry.started_at, endedAt, "up", (date, seconds) => {
                    date.up += seconds;
                });
                if (entry.end === "running") continue;
                const state = CAUSES[entry.end].unplanned ? "unplanned" : "planned";
                mark(endedAt, endedAt, state, (date) => date.ends.push(entry));
                mark(endedAt, endedAt + (entry.downtime_seconds || 0), state);
            }
            return days;
        }

        function storyOf(date) {
            const lines = [day.format(date.begin * 1000)];
            if (date.state === 0)
                return lines.concat(gettext("nothing known")).join("\n");
            lines.push(
                _.sprintf(gettext("up for %(duration)s"), {duration: duration(date.up)})
            );
            for (const end of date.ends.slice(0, STORY_LINES)) {
                lines.push(`${time.format(end.ended_at * 1000)} ${CAUSES[end.end].text}`);
            }
            const rest = date.ends.length - STORY_LINES;
            if (rest > 0)
                lines.push(
                    _.sprintf(
                        ngettext("and %(count)d more", "and %(count)d more", rest),
                        {count: rest}
                    )
                );
            return lines.join("\n");
        }

        //~~ a row of bars, one a day

        function createStrip(name, icon, entries, count, answer, share) {
            const now = answer.to === null ? Date.now() / 1000 : answer.to;
            const days = daysOf(entries, count, now);
            const strip = {name, icon};

            strip.bars = days.map((date) => ({
                css: `octoprint_uptime_day_${STATES[date.state]}`,
                story: storyOf(date)
            }));
            strip.availability = share === undefined ? "" : availability(share);
            const daysWith = (state) =>
                days.filter((date) => date.state === STATES.indexOf(state)).length;
            strip.label = _.sprintf(
                ngettext(
                    "%(name)s, the last %(count)d day: %(up)d up all day, %(planned)d down on purpose, %(unplanned)d down by itself. Arrow keys tell of each day.",
                    "%(name)s, the last %(count)d days: %(up)d up all day, %(planned)d down on purpose, %(unplanned)d down by itself. Arrow keys tell of each day.",
                    count
                ),
                {
                    name,
                    count,
                    up: daysWith("up"),
                    planned: daysWith("planned"),
                    unplanned: daysWith("unplanned")
                }
            );

            strip.chosen = ko.observable(undefined);
            strip.story = ko.pureComputed(() =>
                strip.chosen() === undefined ? "" : strip.bars[strip.chosen()].story
            );
            strip.choose = (bar) => strip.chosen(strip.bars.indexOf(bar));
            strip.handleKey = (viewModel, event) => {
                const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
                if (step === undefined) return true;
                const from = strip.chosen() === undefined ? count : strip.chosen();
                strip.chosen(Math.min(Math.max(from + step, 0), count - 1));
            };
            return strip;
        }

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
                const strip = createStrip(
                    "OctoPrint",
                    CAUSES.octoprint_down.icon,
                    answer.octoprint,
                    count,
                    answer,
                    summary.availability
                );
                const unplanned = answer.octoprint.find(
                    (run) => run.end !== "running" && CAUSES[run.end].unplanned
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
                    ? sentence(gettext("%(what)s, %(when)s, %(downtime)s"), unplanned)
                    : gettext("Nothing went down by itself.");
                self.recent(strip);
            });
        };

        //~~ the dialog

        let dialog;

        self.answer = ko.observable(undefined);
        self.cause = ko.observable("");
        self.limit = ko.observable(ROWS_AT_ONCE);

        self.mayClear = self.uptime.mayChangeSettings;

        self.strips = ko.pureComputed(() => {
            const answer = self.answer();
            if (!answer) return [];
            const count = Math.min(DAYS_SHOWN, daysKept());
            return self.uptime.clocks.map((clock) =>
                createStrip(
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
                entries.filter((entry) => ENDS_LISTED.includes(entry.end));
            return mergedByTime(listed(answer.octoprint), listed(answer.printer)).map(
                createRow
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
            return ENDS_LISTED.filter((end) => counts[end]).map((end) => ({
                end,
                text: _.sprintf(gettext("%(what)s (%(count)d)"), {
                    what: CAUSES[end].text,
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

        function createRow(entry) {
            const details = [];
            if (entry.interrupted_print) {
                details.push(
                    _.sprintf(gettext("Interrupted: %(file)s"), {
                        file: entry.interrupted_print
                    })
                );
            }
            if (entry.undervoltage) details.push(gettext("Undervoltage was seen"));
            if (entry.port) details.push(entry.port);
            return {
                end: entry.end,
                icon: CAUSES[entry.end].icon,
                cause: CAUSES[entry.end].text,
                unplanned: Boolean(CAUSES[entry.end].unplanned),
                when:
                    entry.ended_at === null
                        ? gettext("unknown")
                        : dateAndTime.format(entry.ended_at * 1000),
                exactness:
                    entry.end_exact === false
                        ? _.sprintf(gettext("± %(seconds)d s"), {
                              seconds: self.uptime.preferences().heartbeat_seconds
                          })
                        : "",
                before: duration(entry.seconds),
                after: _.isNumber(entry.downtime_seconds)
                    ? duration(entry.downtime_seconds)
                    : "–",
                details: details.join(" · ")
            };
        }

        self.load = () => ask(daysKept()).done(self.answer);

        self.show = () => {
            self.uptime.closePanel();
            self.cause("");
            self.load().always(() => {
                const height = $.fn.modal.defaults.maxHeight() - DIALOG_FRAME_PX;
                dialog.modal({minHeight: height, maxHeight: height});
            });
        };

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

        self.clear = () =>
            showConfirmationDialog({
                message: gettext(
                    "This forgets every end that is listed here, for everyone and for good."
                ),
                proceed: gettext("Clear"),
                onproceed: () => client.clearHistory().done(self.load)
            });

        //~~ the notice

        let notice;

        const showNotice = (end) => {
            const lines = [
                capitalized(sentence(gettext("%(when)s, %(downtime)s."), end)),
                end.interrupted_print &&
                    _.sprintf(gettext("The print of %(file)s was interrupted."), {
                        file: end.interrupted_print
                    }),
                end.undervoltage &&
                    gettext("Undervoltage had been seen: check the power supply.")
            ];
            const text = _.compact(lines).map(_.escape).join("<br>");
            if (notice) {
                notice.update({text});
                return;
            }
            const button = (label, click) => ({text: label, click});
            notice = new PNotify({
                title: _.escape(CAUSES[end.end].text),
                text,
                type: "error",
                hide: false,
                addclass: "octoprint_uptime_notice",
                confirm: {
                    confirm: true,
                    buttons: [
                        button(gettext("History"), self.show),
                        button(gettext("Got it"), () => client.acknowledge())
                    ]
                },
                buttons: {closer: false, sticker: false}
            });
        };

        const removeNotice = () => {
            if (notice) notice.remove();
            notice = undefined;
        };

        // As text, so that an answer that says the same changes nothing.
        const unacknowledged = ko.pureComputed(() => {
            const answer = self.uptime.answer();
            return JSON.stringify((answer && answer.body.unacknowledged_end) || null);
        });

        const tellUnacknowledged = () => {
            const end = JSON.parse(unacknowledged());
            // On a narrow page the notice would cover the dialog and the panel.
            if (end && !dialog.is(":visible") && !self.uptime.panelOpen())
                showNotice(end);
            else removeNotice();
        };

        //~~ OctoPrint's callbacks

        self.uptime.history(self);

        self.onStartupComplete = () => {
            dialog = $("#octoprint_uptime_history");
            self.cause.subscribe(() => self.limit(ROWS_AT_ONCE));
            watchEndOfRows(dialog.find(".octoprint_uptime_end_of_rows")[0]);
            self.uptime.panelOpen.subscribe((open) => {
                if (open) self.loadRecent();
                tellUnacknowledged();
            });
            unacknowledged.subscribe(tellUnacknowledged);
            dialog.on("shown hidden", tellUnacknowledged);
        };

        self.onDataUpdaterPluginMessage = (plugin) => {
            if (plugin === "octoprint_uptime" && dialog && dialog.is(":visible"))
                self.load();
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeHistoryViewModel,
        name: "octoPrintUptimeHistoryViewModel",
        dependencies: ["octoPrintUptimeViewModel"],
        elements: ["#octoprint_uptime_history"]
    });
});
