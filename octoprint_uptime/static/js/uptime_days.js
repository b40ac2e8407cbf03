$(function () {
    "use strict";

    const STORY_LINES = 6;

    // Of two things on one day, the later in this list is shown.
    const STATES = ["unknown", "up", "unseen", "planned", "unplanned"];

    // A row of bars, one a day: what was up, what went down, and how.
    function UptimeDaysViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];

        const formatDate = (options) => new Intl.DateTimeFormat(uptime.locale, options);
        const time = formatDate(uptime.timeOfDay);
        const day = formatDate({
            weekday: "short",
            year: "numeric",
            month: "short",
            day: "numeric"
        });
        const percent = new Intl.NumberFormat(uptime.locale, {
            style: "percent",
            maximumFractionDigits: 2
        });

        // Cut, not rounded: 100 % is for what never went down.
        const availability = (share) =>
            share === null ? "–" : percent.format(Math.floor(share * 10000) / 10000);

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
                const state = stateAfter(entry.end);
                mark(endedAt, endedAt, state, (date) => date.ends.push(entry));
                mark(endedAt, endedAt + (entry.downtime_seconds || 0), state);
            }
            return days;
        }

        function stateAfter(end) {
            if (ends.unseen(end)) return "unseen";
            return ends.unplanned(end) ? "unplanned" : "planned";
        }

        function storyOf(date) {
            const lines = [day.format(date.begin * 1000)];
            if (date.state === 0) return lines.concat(gettext("not known")).join("\n");
            lines.push(
                _.sprintf(gettext("up for %(duration)s"), {
                    duration: ends.duration(date.up)
                })
            );
            for (const end of date.ends.slice(0, STORY_LINES)) {
                lines.push(`${time.format(end.ended_at * 1000)} ${ends.text(end.end)}`);
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

        self.createStrip = (name, icon, entries, count, answer, share) => {
            const now = answer.to === null ? Date.now() / 1000 : answer.to;
            const days = daysOf(entries, count, now);
            const strip = {name, icon};

            strip.bars = days.map((date, number) => ({
                css: `octoprint_uptime_day_${STATES[date.state]}`,
                story: storyOf(date),
                chosen: ko.pureComputed(() => strip.chosen() === number)
            }));
            strip.availability = share === undefined ? "" : availability(share);
            const daysWith = (state) =>
                days.filter((date) => date.state === STATES.indexOf(state)).length;
            strip.label = _.sprintf(
                ngettext(
                    "%(name)s, the last %(count)d day: %(up)d up all day, %(planned)d with a planned outage, %(unplanned)d with an unplanned outage. Use the arrow keys to go from day to day.",
                    "%(name)s, the last %(count)d days: %(up)d up all day, %(planned)d with a planned outage, %(unplanned)d with an unplanned outage. Use the arrow keys to go from day to day.",
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
            strip.isFirst = ko.pureComputed(() => strip.chosen() === 0);
            strip.isLast = ko.pureComputed(() => strip.chosen() === count - 1);

            const chooseNearest = (number) =>
                strip.chosen(Math.min(Math.max(number, 0), count - 1));
            const step = (by) => {
                const from = strip.chosen() === undefined ? count : strip.chosen();
                chooseNearest(from + by);
            };
            strip.previous = () => step(-1);
            strip.next = () => step(1);
            // Of the whole row: a bar may be but a line.
            strip.choose = (viewModel, event) => {
                const row = event.currentTarget.getBoundingClientRect();
                const share = (event.clientX - row.left) / row.width;
                chooseNearest(Math.floor(share * count));
            };
            strip.handleKey = (viewModel, event) => {
                const move = {ArrowLeft: strip.previous, ArrowRight: strip.next}[
                    event.key
                ];
                if (!move) return true;
                move();
            };
            return strip;
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeDaysViewModel,
        name: "octoPrintUptimeDaysViewModel",
        dependencies: ["octoPrintUptimeViewModel", "octoPrintUptimeEndsViewModel"],
        elements: []
    });
});
