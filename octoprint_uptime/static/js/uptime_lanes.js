$(function () {
    "use strict";

    // What was up when: for each subject a lane of runs and outages on one time axis.
    function UptimeLanesViewModel(parameters) {
        const self = this;

        const ends = parameters[0];
        const axis = parameters[1];
        const why = parameters[2];

        const WORDS = {
            printer: {
                up: gettext("connected for %(duration)s"),
                down: gettext("not connected for %(duration)s")
            },
            default: {
                up: gettext("up for %(duration)s"),
                down: gettext("down for %(duration)s")
            }
        };

        const inWords = (pattern, piece) =>
            _.sprintf(pattern, {duration: ends.duration(piece.to - piece.from)});

        //~~ pieces of lanes

        /**
         * Return the pieces of a lane, oldest first: runs and the outages between them.
         *
         * Each has `from` and `to`, a `state` for its look, `tell` to get its lines of text,
         * and `stops` if the arrow keys stop there.
         */
        const piecesOf = (clock, entries, now) => {
            const words = WORDS[clock.subject] || WORDS.default;
            const pieces = [];
            let end; // of the previous entry
            for (const entry of entries.slice().reverse()) {
                const from = startOf(entry, now);
                if (from === null) {
                    if (end) end.isFollowedByUndated = true;
                    continue;
                }
                if (end) pieces.push(gapBetween(clock, end, from, words));
                const to = entry.end === "running" ? now : entry.ended_at;
                pieces.push(ranPiece(clock, from, to, words));
                end = entry.end === "running" ? undefined : {entry, at: to};
            }
            if (end) pieces.push(gapBetween(clock, end, now, words));
            return pieces;
        };

        /** If the host does not know the start of a running entry, compute it here. */
        const startOf = (entry, now) =>
            entry.started_at === null && entry.end === "running"
                ? now - entry.seconds
                : entry.started_at;

        const ranPiece = (clock, from, to, words) => {
            const piece = {from, to, state: "up"};
            piece.tell = () => [
                _.sprintf(gettext("%(name)s: %(uptime)s"), {
                    name: clock.name,
                    uptime: inWords(words.up, piece)
                }),
                axis.span(from, to)
            ];
            return piece;
        };

        const gapBetween = (clock, {entry, at, isFollowedByUndated}, to, words) => {
            const isUnseen =
                isFollowedByUndated || entry.end === "restored" || ends.unseen(entry.end);
            const isUnplanned = ends.unplanned(entry.end);
            const piece = {from: at, to};
            // A lost connection matters, but not how long the printer stays disconnected.
            const isLost = isUnplanned && clock.subject === "printer";
            piece.state = isUnplanned ? "unplanned" : isUnseen ? "unknown" : "planned";
            piece.markTo = isLost || isUnseen ? at : to;
            // A power loss has one flag, in the lane of the host.
            piece.isFlagged =
                isUnplanned && (entry.end !== "power_loss" || clock.subject === "system");
            piece.stops = ends.listed.includes(entry.end)
                ? clock.subject !== "system"
                : ends.unseen(entry.end);
            piece.tell = () => [
                endedAt(entry),
                why.sentence(entry),
                isUnseen
                    ? ends.backAfter(null)
                    : _.sprintf(gettext("%(name)s: %(uptime)s"), {
                          name: clock.name,
                          uptime: inWords(words.down, piece)
                      }),
                entry.interrupted_print && interrupted(entry.interrupted_print)
            ];
            return piece;
        };

        const endedAt = (entry) =>
            _.sprintf(gettext("%(name)s: %(uptime)s"), {
                name: axis.moment(entry.ended_at),
                uptime: ends.text(entry.end)
            });

        const interrupted = (file) =>
            _.sprintf(gettext("Interrupted print: %(file)s"), {file});

        const STATES_OF_PRINTS = {
            print_cancelled: "cancelled",
            print_failed: "failed",
            print_interrupted: "interrupted"
        };

        const printPieces = (prints, now) =>
            prints
                .slice()
                .reverse()
                .map((print) => {
                    const from = startOf(print, now);
                    if (from === null) return undefined;
                    const to = print.end === "running" ? now : print.ended_at;
                    const piece = {
                        from,
                        to,
                        state: STATES_OF_PRINTS[print.end] || "printed",
                        stops: true
                    };
                    piece.tell = () => [
                        print.file,
                        _.sprintf(gettext("%(name)s: %(uptime)s"), {
                            name:
                                print.end === "running"
                                    ? gettext("Print in progress")
                                    : ends.text(print.end),
                            uptime: ends.duration(print.seconds)
                        }),
                        axis.span(from, to)
                    ];
                    return piece;
                })
                .filter(Boolean);

        /** Return the lanes of these clocks from an answer of the API. */
        self.lanesOf = (clocks, answer, now) =>
            clocks.map((clock) => {
                const pieces =
                    clock.subject === "prints"
                        ? printPieces(answer.prints.map(ends.ofPrint), now)
                        : piecesOf(clock, answer[clock.subject], now);
                const recordedFrom = Math.min(
                    answer.recorded_since === null ? now : answer.recorded_since,
                    pieces.length ? pieces[0].from : Infinity
                );
                return {
                    name: clock.name,
                    isThin: ["printer", "prints"].includes(clock.subject),
                    recordedFrom,
                    pieces: _.compact([
                        recordedFrom > answer.from &&
                            unrecordedPiece(clock, recordedFrom),
                        ...pieces
                    ])
                };
            });

        const unrecordedPiece = (clock, to) => ({
            from: 0,
            to,
            state: "unknown",
            tell: () => [
                _.sprintf(gettext("%(name)s: %(uptime)s"), {
                    name: clock.name,
                    uptime: gettext("not recorded")
                })
            ]
        });

        /** Return the time at which the record begins. */
        self.beginOf = (lanes) =>
            Math.min(...lanes.map(({recordedFrom}) => recordedFrom));

        /** Count the entries that are not drawn because their time is unknown. */
        self.undated = (clocks, answer) =>
            _.flatten(clocks.map(({subject}) => answer[subject])).filter(
                ({started_at, end, result}) =>
                    started_at === null && end !== "running" && result !== "running"
            ).length;
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeLanesViewModel,
        name: "octoPrintUptimeLanesViewModel",
        dependencies: [
            "octoPrintUptimeEndsViewModel",
            "octoPrintUptimeAxisViewModel",
            "octoPrintUptimeWhyViewModel"
        ],
        elements: []
    });
});
