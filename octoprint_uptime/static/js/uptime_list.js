$(function () {
    "use strict";

    // Lists ends by day, newest first, with the planned ends of a day in one line.
    function UptimeListViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];
        const axis = parameters[2];
        const why = parameters[3];
        const print = parameters[4];

        //~~ a row

        const detailsOf = (entry) =>
            _.compact([
                print.detail(entry),
                why.undervoltageBesides(entry) && gettext("Undervoltage detected"),
                ends.unplanned(entry.end) && entry.port,
                entry.file
            ]).join(" · ");

        const createRow = (entry, isOpen) => {
            const open = ko.observable(isOpen);
            return {
                open,
                isFold: false,
                opens: why.hasMore(entry),
                id: _.uniqueId("octoprint_uptime_why_"),
                toggle: () => open(!open()),
                expanded: ko.pureComputed(() => String(open())),
                more: ko.pureComputed(() => open() && why.more(entry)),
                reason: why.sentence(entry),
                details: detailsOf(entry),
                position: print.position(entry),
                icon: ends.icon(entry.end),
                cause: ends.text(entry.end),
                unplanned: ends.unplanned(entry.end),
                planned: ends.planned(entry.end),
                when: entry.ended_at === null ? "–" : axis.time(entry.ended_at),
                exactness:
                    entry.end_exact === false
                        ? _.sprintf(gettext("or up to %(seconds)d s later"), {
                              seconds: uptime.preferences().heartbeat_seconds
                          })
                        : "",
                before: ends.duration(entry.seconds),
                after: _.isNumber(entry.downtime_seconds)
                    ? ends.duration(entry.downtime_seconds)
                    : "–"
            };
        };

        let rows = new Map(); // by entry
        let rowsBefore = new Map(); // by the JSON of their entry
        let openBefore = new Set(); // open ends; their reason may change

        const endOf = ({end, ended_at, seconds}) => [end, ended_at, seconds].join();

        const rowOf = (entry) => {
            if (!rows.has(entry)) {
                const same = rowsBefore.get(JSON.stringify(entry));
                rows.set(
                    entry,
                    (same && same.shift()) ||
                        createRow(entry, openBefore.has(endOf(entry)))
                );
            }
            return rows.get(entry);
        };

        /** Prepare for another answer. Rows of unchanged entries and open rows remain. */
        self.renew = () => {
            rowsBefore = new Map();
            openBefore = new Set();
            rows.forEach((row, entry) => {
                if (row.open()) openBefore.add(endOf(entry));
                const key = JSON.stringify(entry);
                rowsBefore.set(key, (rowsBefore.get(key) || []).concat(row));
            });
            rows = new Map();
        };

        /** Forget all rows, so that the next ones are closed. */
        self.forget = () => {
            rows = new Map();
            rowsBefore = new Map();
            openBefore = new Set();
            groups = new Map();
        };

        //~~ planned ends in one line

        const createFold = () => {
            const open = ko.observable(false);
            const entries = ko.observableArray();
            const fold = {
                isFold: true,
                entries,
                id: _.uniqueId("octoprint_uptime_fold_"),
                toggle: () => open(!open()),
                expanded: ko.pureComputed(() => String(open())),
                rows: ko.pureComputed(() => (open() ? entries().map(rowOf) : []))
            };
            fold.when = ko.pureComputed(() => {
                const [last, first] = [_.first(entries()), _.last(entries())].map(
                    ({ended_at}) => axis.time(ended_at)
                );
                return first === last ? first : `${first} – ${last}`;
            });
            fold.cause = ko.pureComputed(() => {
                const counts = _.countBy(
                    entries(),
                    (entry) => why.sentence(entry) || ends.text(entry.end)
                );
                return _.sprintf(
                    ngettext(
                        "%(count)d planned: %(what)s",
                        "%(count)d planned: %(what)s",
                        entries().length
                    ),
                    {
                        count: entries().length,
                        what: _.map(counts, (count, what) =>
                            count === 1
                                ? what.replace(/\.$/, "")
                                : _.sprintf(gettext("%(what)s (%(count)d)"), {
                                      what: what.replace(/\.$/, ""),
                                      count
                                  })
                        ).join(" · ")
                    }
                );
            });
            fold.after = ko.pureComputed(() =>
                ends.duration(
                    entries().reduce(
                        (sum, entry) => sum + (entry.downtime_seconds || 0),
                        0
                    )
                )
            );
            return fold;
        };

        //~~ days

        let groups = new Map(); // by day

        /**
         * Group entries by day, newest first. Each day knows the number of lines before it.
         *
         * Args:
         *     entries: Entries of the API, newest first.
         *     folds: Whether the planned ends of a day share one line.
         *     limit: An observable of the number of lines to show.
         */
        self.byDay = (entries, folds, limit) => {
            const before = groups;
            groups = new Map();
            let offset = 0;
            for (const [key, ofDay] of consecutive(entries, dayOf)) {
                const group = before.get(key) || createGroup(ofDay[0], limit);
                groups.set(key, group);
                const lines = folds ? folded(ofDay, group) : ofDay;
                group.offset(offset);
                group.lines(lines);
                offset += lines.length;
            }
            return Array.from(groups.values());
        };

        const createGroup = ({ended_at}, limit) => {
            const group = {
                name: ended_at === null ? gettext("Time unknown") : axis.day(ended_at),
                offset: ko.observable(0),
                lines: ko.observableArray(),
                fold: createFold()
            };
            group.isNear = ko.pureComputed(() => group.offset() < limit());
            group.shown = ko.pureComputed(() =>
                group
                    .lines()
                    .slice(0, Math.max(0, limit() - group.offset()))
                    .map((line) => (line === group.fold ? line : rowOf(line)))
            );
            return group;
        };

        const dayOf = ({ended_at}) =>
            ended_at === null ? "" : new Date(ended_at * 1000).toDateString();

        /** Group consecutive entries with the same key. Each group gets a unique key. */
        const consecutive = (entries, keyOf) => {
            const found = [];
            const times = {};
            let last;
            for (const entry of entries) {
                const key = keyOf(entry);
                if (key !== last) {
                    times[key] = (times[key] || 0) + 1;
                    found.push([`${key} ${times[key]}`, []]);
                }
                found[found.length - 1][1].push(entry);
                last = key;
            }
            return found;
        };

        const folded = (entries, {fold}) => {
            const planned = entries.filter(
                ({end, ended_at}) => ends.planned(end) && ended_at !== null
            );
            if (planned.length < 2) return entries;
            fold.entries(planned);
            return entries
                .map((entry) => (entry === planned[0] ? fold : entry))
                .filter((line) => !planned.includes(line));
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeListViewModel,
        name: "octoPrintUptimeListViewModel",
        dependencies: [
            "octoPrintUptimeViewModel",
            "octoPrintUptimeEndsViewModel",
            "octoPrintUptimeAxisViewModel",
            "octoPrintUptimeWhyViewModel",
            "octoPrintUptimePrintViewModel"
        ],
        elements: []
    });
});
