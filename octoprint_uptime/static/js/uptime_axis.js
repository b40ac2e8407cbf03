$(function () {
    "use strict";

    const MINUTE_SECONDS = 60;
    const HOUR_SECONDS = 3600;
    const DAY_SECONDS = 86400;
    const TICK_PX = 84; // a label and the space around it

    // The steps between ticks, finest first, in calendar units: a day of 23 or 25 hours is
    // one day.
    const STEPS = [
        ...[5, 15].map((minutes) => ({minutes, seconds: minutes * MINUTE_SECONDS})),
        ...[1, 3, 6, 12].map((hours) => ({
            minutes: hours * 60,
            seconds: hours * HOUR_SECONDS
        })),
        ...[1, 2, 7, 14].map((days) => ({days, seconds: days * DAY_SECONDS})),
        ...[1, 3, 6, 12].map((months) => ({months, seconds: months * 30 * DAY_SECONDS}))
    ];

    // Formats dates and times in the time zone and locale of the reader.
    function UptimeAxisViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];

        const inWords = (options) => {
            const format = new Intl.DateTimeFormat(uptime.locale, options);
            return (unixTime) => format.format(unixTime * 1000);
        };

        const dayAndMonth = inWords({day: "numeric", month: "short"});
        const monthAndYear = inWords({month: "short", year: "numeric"});
        const weekday = {weekday: "long", day: "numeric", month: "long"};
        const dayThisYear = inWords(weekday);
        const dayOfAnotherYear = inWords({...weekday, year: "numeric"});

        /** Format the time of day of a Unix time. */
        self.time = inWords(uptime.timeOfDay);
        /** Format the day and the time. */
        self.moment = inWords({
            weekday: "short",
            day: "numeric",
            month: "short",
            ...uptime.timeOfDay
        });

        /** Format the day for a heading. */
        self.day = (unixTime) => {
            const isThisYear =
                new Date(unixTime * 1000).getFullYear() === new Date().getFullYear();
            return (isThisYear ? dayThisYear : dayOfAnotherYear)(unixTime);
        };

        /** Format a time range. The day appears once if it is the same. */
        self.span = (from, to) =>
            _.sprintf(gettext("%(from)s to %(to)s"), {
                from: self.moment(from),
                to: (sameDay(from, to) ? self.time : self.moment)(to)
            });

        const sameDay = (one, other) =>
            new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();

        /** Return the times and labels of the ticks for an axis of this width. */
        self.ticks = (from, to, widthPx) => {
            const most = Math.max(2, Math.floor(widthPx / TICK_PX));
            const step =
                STEPS.find(({seconds}) => (to - from) / seconds <= most) ||
                STEPS[STEPS.length - 1];
            return _.uniq(moments(step, from, to))
                .filter((time) => time >= from && time <= to)
                .map((time) => ({time, text: label(step, time)}));
        };

        /** Return all multiples of a step, possibly with some outside of the range. */
        function moments({minutes, days, months}, from, to) {
            const first = new Date(from * 1000);
            const last = new Date(to * 1000);
            const count = (unit) => Math.ceil((to - from) / unit) + 2;
            const dates = () => {
                if (minutes) {
                    const day = [first.getFullYear(), first.getMonth(), first.getDate()];
                    const before = Math.floor((first.getHours() * 60) / minutes) - 1;
                    return _.range(
                        before,
                        before + count(minutes * MINUTE_SECONDS) + 60 / minutes + 2
                    ).map((number) => new Date(...day, 0, number * minutes));
                }
                // Counted back from the last day, so that today has a tick.
                return days
                    ? _.range(count(days * DAY_SECONDS)).map(
                          (back) =>
                              new Date(
                                  last.getFullYear(),
                                  last.getMonth(),
                                  last.getDate() - back * days
                              )
                      )
                    : _.range(count(months * 28 * DAY_SECONDS)).map(
                          (back) =>
                              new Date(
                                  last.getFullYear(),
                                  Math.floor(last.getMonth() / months) * months -
                                      back * months,
                                  1
                              )
                      );
            };
            return dates()
                .map((date) => date.getTime() / 1000)
                .sort((one, other) => one - other);
        }

        function label({minutes, months}, at) {
            if (months) return monthAndYear(at);
            const date = new Date(at * 1000);
            const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
            return minutes && !isMidnight ? self.time(at) : dayAndMonth(at);
        }
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeAxisViewModel,
        name: "octoPrintUptimeAxisViewModel",
        dependencies: ["octoPrintUptimeViewModel"],
        elements: []
    });
});
