$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    const DAY_SECONDS = 86400;
    const HOUR_SECONDS = 3600;
    const MINUTE_SECONDS = 60;
    const RECENT_DAYS = 30;
    const RANGES_DAYS = [1, 7, 30, 90];
    const ALL = 0;
    const PRINTS = "prints"; // the filter of the list that shows prints
    const ROWS_AT_ONCE = 100;
    const DIALOG_FRAME_PX = 140; // the header and footer of the dialog

    // The last days in the panel, and the dialog with the whole history.
    function UptimeHistoryViewModel(parameters) {
        const self = this;

        self.uptime = parameters[0];
        const ends = parameters[1];
        const lanes = parameters[2];
        const pictures = parameters[3];
        const list = parameters[4];
        const why = parameters[5];

        const percent = new Intl.NumberFormat(self.uptime.locale, {
            style: "percent",
            maximumFractionDigits: 2
        });
        // Rounded down: 100 % means that it never went down.
        const availability = (share) =>
            share === null ? "–" : percent.format(Math.floor(share * 10000) / 10000);

        const inDays = (count) =>
            _.sprintf(ngettext("%(count)d day", "%(count)d days", count), {count});

        /** Describe a share of a time range, with the range in its largest full unit. */
        const shareIn = (share, from, to) => {
            const seconds = Math.max(to - from, MINUTE_SECONDS);
            const told = (pattern, count) => _.sprintf(pattern(count), {share, count});
            if (seconds >= DAY_SECONDS) {
                return told(
                    (count) =>
                        ngettext(
                            "%(share)s in %(count)d day",
                            "%(share)s in %(count)d days",
                            count
                        ),
                    Math.floor(seconds / DAY_SECONDS)
                );
            }
            if (seconds >= HOUR_SECONDS) {
                return told(
                    (count) =>
                        ngettext(
                            "%(share)s in %(count)d hour",
                            "%(share)s in %(count)d hours",
                            count
                        ),
                    Math.floor(seconds / HOUR_SECONDS)
                );
            }
            return told(
                (count) =>
                    ngettext(
                        "%(share)s in %(count)d minute",
                        "%(share)s in %(count)d minutes",
                        count
                    ),
                Math.floor(seconds / MINUTE_SECONDS)
            );
        };

        //~~ data from the server

        self.problem = ko.observable("");

        const showProblem = (xhr) => self.problem(self.uptime.problemOf(xhr));

        const ask = (days) =>
            client
                .getHistory(days)
                .done(() => self.problem(""))
                .fail(showProblem);

        const daysKept = () => self.uptime.preferences().history_days;
        const endOf = (answer) => (answer.to === null ? Date.now() / 1000 : answer.to);
        const clock = (subject) =>
            self.uptime.clocks.find((clock) => clock.subject === subject);

        /** Return the entries that have a row in the list, newest first. */
        const listedEnds = (answer) => {
            const listed = (entries) =>
                entries.filter((entry) => ends.listed.includes(entry.end));
            return mergedByTime(listed(answer.octoprint), listed(answer.printer));
        };

        /** Merge two lists, newest first. Undated entries stay beside their neighbours. */
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

        //~~ the panel

        self.recent = ko.observable(undefined);
        self.recentPicture = pictures.create({named: false});

        let latestRecent;

        self.loadRecent = () => {
            const count = Math.min(RECENT_DAYS, daysKept());
            const request = ask(count);
            latestRecent = request;
            request.done((answer) => {
                if (request !== latestRecent) return;
                const now = endOf(answer);
                const octoprint = clock("octoprint");
                const begin = now - count * DAY_SECONDS;
                const share = shareIn(
                    availability(answer.summary.octoprint.availability),
                    Math.max(begin, answer.recorded_since || begin),
                    now
                );
                const unplanned = answer.octoprint.filter(
                    ({end}) => end !== "running" && ends.unplanned(end)
                );
                const [last] = unplanned;
                self.recentPicture.show({
                    lanes: lanes.lanesOf([octoprint], answer, now).map(flagged),
                    from: begin,
                    to: now,
                    label: labelOf(octoprint.name, share, unplanned.length)
                });
                self.recent({
                    name: octoprint.name,
                    icon: octoprint.icon,
                    share,
                    begin: _.sprintf(
                        ngettext("%(count)d day ago", "%(count)d days ago", count),
                        {count}
                    )
                });
                self.recentPicture.hint(
                    last
                        ? [gettext("Last unplanned outage"), ...linesOf(last)].join("\n")
                        : gettext("No unplanned outages.")
                );
            });
        };

        const linesOf = (end) =>
            _.compact([
                ends.sentence(
                    ends.hasDowntime(end)
                        ? gettext("%(what)s, %(when)s, %(downtime)s")
                        : gettext("%(what)s, %(when)s"),
                    end
                ),
                why.sentence(end)
            ]);

        /** Flag every unplanned outage, as there is no other lane to show the flag. */
        const flagged = (lane) => ({
            ...lane,
            pieces: lane.pieces.map((piece) => ({
                ...piece,
                isFlagged: piece.state === "unplanned"
            }))
        });

        const labelOf = (name, share, unplanned) =>
            _.sprintf(
                ngettext(
                    "%(name)s: %(share)s, %(count)d unplanned outage. Use the arrow keys to move between events.",
                    "%(name)s: %(share)s, %(count)d unplanned outages. Use the arrow keys to move between events.",
                    unplanned
                ),
                {name, share, count: unplanned}
            );

        //~~ the dialog: requests

        let dialog;

        self.dialogOpen = ko.observable(false);

        self.answer = ko.observable(undefined);
        self.range = ko.observable(RECENT_DAYS);
        self.zoom = ko.observable(undefined);
        self.cause = ko.observable("");
        self.limit = ko.observable(ROWS_AT_ONCE);

        self.mayClear = self.uptime.mayChangeSettings;
        self.mayGetReport = self.uptime.mayUseSystem;

        const nameOf = (days) => {
            if (days === ALL) return gettext("All");
            return days === 1 ? gettext("24 hours") : inDays(days);
        };
        self.ranges = ko.pureComputed(() =>
            RANGES_DAYS.filter((days) => days <= daysKept())
                .concat(ALL)
                .map((days) => ({
                    name: nameOf(days),
                    pressed: ko.pureComputed(() => String(self.range() === days)),
                    choose: () => {
                        self.zoom(undefined);
                        self.range(days);
                        self.load();
                    }
                }))
        );
        const daysAsked = () => self.range() || daysKept();

        let latest;

        self.load = () => {
            const request = ask(daysAsked());
            latest = request;
            const range = self.range();
            return request.done((answer) => {
                if (request !== latest) return;
                list.renew();
                self.answer({...answer, range});
            });
        };

        //~~ the lanes

        const prints = {subject: "prints", name: gettext("Prints")};

        self.picture = pictures.create({named: true, zoom: self.zoom});
        self.picture.hint(
            gettext(
                "Hover over a lane, or tap it, to see what happened. Drag across the lanes to zoom in."
            )
        );

        function showLanes(answer) {
            const now = endOf(answer);
            const shown = lanes.lanesOf([...self.uptime.clocks, prints], answer, now);
            const asked = answer.range || daysKept();
            const begin = now - asked * DAY_SECONDS;
            const from =
                answer.range === ALL
                    ? Math.min(Math.max(begin, lanes.beginOf(shown)), now - HOUR_SECONDS)
                    : begin;
            self.picture.show({
                lanes: shown,
                from,
                to: now,
                label: labelOf(
                    "OctoPrint",
                    availability(answer.summary.octoprint.availability),
                    self.unplanned().length
                )
            });
        }

        self.undated = ko.pureComputed(() => {
            const answer = self.answer();
            const count = answer
                ? lanes.undated([...self.uptime.clocks, prints], answer)
                : 0;
            return count
                ? _.sprintf(
                      ngettext(
                          "Not shown: %(count)d entry without a time. The host's clock had not been set.",
                          "Not shown: %(count)d entries without a time. The host's clock had not been set.",
                          count
                      ),
                      {count}
                  )
                : "";
        });

        //~~ at a glance

        /** OctoPrint's uptime, while the page can reach OctoPrint. */
        self.octoprint = clock("octoprint");
        /** The last unplanned outage of any subject within the range. */
        self.lastOutage = ko.pureComputed(() => {
            const [last] = self.unplanned();
            return last ? linesOf(last) : [];
        });

        //~~ the figures

        self.ends = ko.pureComputed(() =>
            self.answer() ? listedEnds(self.answer()) : []
        );
        self.unplanned = ko.pureComputed(() =>
            self.ends().filter(({end}) => ends.unplanned(end))
        );
        self.figures = ko.pureComputed(() => {
            const answer = self.answer();
            if (!answer) return [];
            const {availability: share, longest_seconds} = answer.summary.octoprint;
            const count = self.unplanned().length;
            return [
                {value: availability(share), name: gettext("OctoPrint availability")},
                {value: ends.duration(longest_seconds), name: gettext("longest run")},
                {
                    value: String(count),
                    name: ngettext("unplanned outage", "unplanned outages", count),
                    bad: count > 0
                },
                sinceTheLast(answer)
            ];
        });

        function sinceTheLast(answer) {
            const [last] = self.unplanned();
            const now = endOf(answer);
            if (!last) {
                const [oldest] = answer.octoprint.slice(-1);
                const known = now - Math.max(oldest.started_at || now, answer.from || 0);
                return {
                    value: ends.duration(known || oldest.seconds),
                    name: gettext("without an unplanned outage")
                };
            }
            return {
                value: last.ended_at === null ? "–" : ends.duration(now - last.ended_at),
                name: gettext("since the last unplanned outage")
            };
        }

        //~~ the list

        const printsEnded = ko.pureComputed(() =>
            self.answer()
                ? self
                      .answer()
                      .prints.map(ends.ofPrint)
                      .filter(({end}) => end !== "running")
                : []
        );
        self.listed = ko.pureComputed(() => {
            const cause = self.cause();
            const chosen =
                cause === PRINTS
                    ? printsEnded()
                    : self.ends().filter(({end}) => !cause || end === cause);
            const zoom = self.zoom();
            return zoom
                ? chosen.filter(
                      ({ended_at}) =>
                          ended_at !== null && ended_at >= zoom[0] && ended_at <= zoom[1]
                  )
                : chosen;
        });
        self.days = ko.pureComputed(() =>
            list.byDay(self.listed(), !self.cause(), self.limit)
        );
        self.daysShown = ko.pureComputed(() => self.days().filter((day) => day.isNear()));
        self.isEmpty = ko.pureComputed(
            () => self.answer() !== undefined && self.ends().length === 0
        );
        self.hasRows = ko.pureComputed(
            () => self.ends().length + printsEnded().length > 0
        );
        self.isFilteredOut = ko.pureComputed(
            () => self.hasRows() && !self.listed().length
        );
        self.causes = ko.pureComputed(() => {
            const counts = _.countBy(self.ends(), "end");
            const counted = (what, count) =>
                _.sprintf(gettext("%(what)s (%(count)d)"), {what, count});
            return ends.listed
                .filter((end) => counts[end])
                .map((end) => ({end, text: counted(ends.text(end), counts[end])}))
                .concat(
                    printsEnded().length
                        ? {
                              end: PRINTS,
                              text: counted(prints.name, printsEnded().length)
                          }
                        : []
                );
        });
        self.allCauses = ko.pureComputed(() =>
            _.sprintf(gettext("all events (%(count)d)"), {
                count: self.ends().length
            })
        );
        self.reportUrl = client.reportUrl();
        self.csvUrl = ko.pureComputed(() => client.historyCsvUrl(daysKept() || 1));

        //~~ opening and closing

        let giveFocusBack;

        /** Open the dialog. ``giveBack`` puts the focus back after it is closed. */
        self.open = (giveBack) => {
            giveFocusBack = giveBack;
            self.uptime.closePanel();
            self.cause("");
            self.zoom(undefined);
            self.range(daysKept() < RECENT_DAYS ? ALL : RECENT_DAYS);
            list.forget();
            self.load().always(() => {
                const height = $.fn.modal.defaults.maxHeight() - DIALOG_FRAME_PX;
                dialog.modal({minHeight: height, maxHeight: height});
            });
        };

        self.show = () => self.open(self.uptime.focusToggle);

        const draw = () => {
            self.picture.draw();
            self.recentPicture.draw();
        };

        /** Show more rows when the reader approaches the last one. */
        const watchEndOfRows = (end) => {
            const observer = new IntersectionObserver(([{isIntersecting}]) => {
                if (!isIntersecting || self.limit() >= self.listed().length) return;
                self.limit(self.limit() + ROWS_AT_ONCE);
                observer.unobserve(end); // observing again reports if it is still near
                observer.observe(end);
            });
            observer.observe(end);
        };

        self.clear = (viewModel, {currentTarget}) =>
            showConfirmationDialog({
                message: gettext(
                    "This permanently deletes the whole history, for everyone."
                ),
                proceed: gettext("Clear"),
                onproceed: () => client.clearHistory().done(self.load).fail(showProblem)
            }).on("destroyed", () => $(currentTarget).trigger("focus"));

        //~~ OctoPrint's callbacks

        self.uptime.history(self);

        self.onStartupComplete = () => {
            dialog = $("#octoprint_uptime_history");
            self.answer.subscribe(showLanes);
            const fromTheTop = () => self.limit(ROWS_AT_ONCE);
            [self.cause, self.zoom, self.range].forEach((what) =>
                what.subscribe(fromTheTop)
            );
            watchEndOfRows(dialog.find(".octoprint_uptime_end_of_rows")[0]);
            self.uptime.panelOpen.subscribe((open) => {
                if (open) self.loadRecent();
            });
            dialog.on("shown hidden", ({target}) => {
                if (target !== dialog[0]) return;
                self.dialogOpen(dialog.is(":visible"));
                draw();
            });
            dialog.on("hidden", () => giveFocusBack());
            $(window).on("resize", draw);
        };

        self.onDataUpdaterPluginMessage = (plugin, {history}) => {
            if (plugin !== "octoprint_uptime" || !history) return;
            if (self.dialogOpen()) self.load();
            if (self.uptime.panelOpen()) self.loadRecent();
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeHistoryViewModel,
        name: "octoPrintUptimeHistoryViewModel",
        dependencies: [
            "octoPrintUptimeViewModel",
            "octoPrintUptimeEndsViewModel",
            "octoPrintUptimeLanesViewModel",
            "octoPrintUptimePictureViewModel",
            "octoPrintUptimeListViewModel",
            "octoPrintUptimeWhyViewModel"
        ],
        elements: ["#octoprint_uptime_history"]
    });
});
