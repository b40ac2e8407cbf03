$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    const MINUTE_SECONDS = 60;
    const MB = 1e6;
    const GB = 1e9;
    // Steps of the x axis. The first with at most MAX_TICKS ticks is used.
    const TICKS_MINUTES = [1, 5, 10, 30, 60];
    const MAX_TICKS = 3;

    // Explains why something ended: in a sentence, or with evidence and vital signs.
    function UptimeWhyViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];

        const GRADES = {
            certain: {
                name: gettext("Certain"),
                meaning: gettext("The evidence states the reason."),
                sentence: "%(reason)s"
            },
            likely: {
                name: gettext("Likely"),
                meaning: gettext("At least two independent signs point to it."),
                sentence: gettext("Likely: %(reason)s")
            },
            possible: {
                name: gettext("Possible"),
                meaning: gettext("Only one sign points to it."),
                sentence: gettext("Possible: %(reason)s")
            },
            unknown: {
                name: gettext("Unknown"),
                meaning: gettext("Nothing recorded points to a reason."),
                sentence: "%(reason)s"
            }
        };

        const SOURCES = {
            systemd: gettext("systemd"),
            kernel: gettext("Kernel"),
            process: gettext("OctoPrint process"),
            heartbeat: gettext("Last heartbeat"),
            disk: gettext("Disk"),
            board: gettext("Board"),
            undervoltage: gettext("Voltage sensor"),
            log: gettext("OctoPrint log"),
            journal: gettext("System journal"),
            goodbye: gettext("OctoPrint shutdown"),
            start: gettext("Next start"),
            octoprint: gettext("OctoPrint"),
            firmware: gettext("Printer firmware")
        };

        // Reasons that only say that the end was planned.
        const PLAIN_REASONS = ["requested", "power_off", "unknown"];
        const PLAIN_SOURCES = ["goodbye", "systemd", "octoprint"];

        //~~ a sentence

        const isPlain = ({end, why}) =>
            !ends.unplanned(end) && PLAIN_REASONS.includes(why.reason);

        /** Return why an entry ended; empty if the reason is obvious. */
        self.sentence = (entry) => {
            if (!entry.why || isPlain(entry)) return "";
            return _.sprintf(GRADES[entry.why.grade].sentence, {reason: entry.why.text});
        };

        // Printer connections have no vital signs.
        const vitalsOf = (why) => why.vitals || [];

        /** Whether there was undervoltage that the sentence does not mention. */
        self.undervoltageBesides = ({undervoltage, why}) =>
            undervoltage && !(why && why.reason === "undervoltage");

        //~~ details

        /** Whether there are details beyond the sentence. */
        self.hasMore = (entry) => {
            const {why} = entry;
            if (!why) return false;
            const telling = why.evidence.filter(
                ({source}) => !isPlain(entry) || !PLAIN_SOURCES.includes(source)
            );
            return Boolean(why.advice) || vitalsOf(why).length > 0 || telling.length > 0;
        };

        /** Return all details about the reason of an entry. */
        self.more = (entry) => ({...reasonOf(entry.why), ...copyOf(entry)});

        /** Offer a copy of the API entry, for reports of wrong reasons. */
        const copyOf = (entry) => {
            const copied = ko.observable(false);
            return {
                copied,
                copy: (more, event) => {
                    copyToClipboard(JSON.stringify(entry, null, 2));
                    copied(true);
                    $(event.currentTarget).trigger("focus"); // copying takes it away
                }
            };
        };

        const reasonOf = (why) => ({
            grade: GRADES[why.grade],
            evidence: _.map(_.groupBy(why.evidence, "source"), (told, source) => ({
                source: SOURCES[source] || source,
                texts: told.map(({text}) => text)
            })),
            advice: why.advice,
            plots: vitalsOf(why).length > 1 ? plotsOf(why.vitals) : [],
            times: vitalsOf(why).map(({seconds_before}) => timeBefore(seconds_before)),
            figures: figuresOf(vitalsOf(why)),
            draw: (nodes) =>
                $(nodes)
                    .find(".octoprint_uptime_plot")
                    .each((index, element) => draw(element, ko.dataFor(element)))
        });

        const number = (value, digits = 1) =>
            new Intl.NumberFormat(uptime.locale, {
                maximumFractionDigits: digits
            }).format(value);
        const fromZero = () => ({min: 0});
        // Keeps a change of one degree small in the plot.
        const boardsTemperatures = (values) => ({
            min: Math.min(40, ...values),
            max: Math.max(90, ...values)
        });
        const inUnit = (pattern, divisor = 1, digits = 0, axis = fromZero) => ({
            divisor,
            axis,
            text: (value) => {
                const inIt = value / divisor;
                return _.sprintf(pattern, {number: number(inIt, inIt < 10 ? digits : 0)});
            }
        });
        const UNITS = {
            mb: inUnit(gettext("%(number)s MB"), MB),
            gb: inUnit(gettext("%(number)s GB"), GB, 1),
            celsius: inUnit(gettext("%(number)s °C"), 1, 0, boardsTemperatures),
            seconds: inUnit(gettext("%(number)s s"), 1, 1),
            load: inUnit("%(number)s", 1, 2),
            count: inUnit("%(number)s")
        };
        const bytes = (largest) => (largest < GB ? UNITS.mb : UNITS.gb);

        const MEASURES = [
            {
                field: "memory_available_bytes",
                name: gettext("Memory available"),
                unit: bytes,
                plotted: true
            },
            {
                field: "process_memory_bytes",
                name: gettext("OctoPrint's memory"),
                unit: bytes,
                plotted: true
            },
            {
                field: "cpu_celsius",
                name: gettext("Temperature"),
                unit: () => UNITS.celsius,
                plotted: true
            },
            {
                field: "load",
                name: gettext("Load"),
                unit: () => UNITS.load,
                plotted: true
            },
            {field: "swap_used_bytes", name: gettext("Swap used"), unit: bytes},
            {field: "disk_free_bytes", name: gettext("Disk space left"), unit: bytes},
            {
                field: "process_open_files",
                name: gettext("Open files"),
                unit: () => UNITS.count
            },
            {
                field: "loop_late_seconds",
                name: gettext("Server delay"),
                unit: () => UNITS.seconds
            }
        ];

        const timeBefore = (seconds) =>
            client.format(seconds, seconds < MINUTE_SECONDS ? "full" : "short");

        /** Return a row for each measure with a cell for each time. */
        const figuresOf = (vitals) =>
            MEASURES.map(({field, name, unit}) => ({
                name,
                isKnown: vitals.some((beat) => field in beat),
                cells: vitals.map((beat) =>
                    field in beat ? unit(beat[field]).text(beat[field]) : "–"
                )
            })).filter(({isKnown}) => isKnown);

        //~~ plots

        const plotsOf = (vitals) =>
            MEASURES.filter(({plotted}) => plotted)
                .map(({field, name, unit}) => {
                    const points = vitals
                        .filter((beat) => field in beat)
                        .map((beat) => [
                            -beat.seconds_before / MINUTE_SECONDS,
                            beat[field]
                        ]);
                    return {name, points, unit};
                })
                .filter(({points}) => points.length > 1)
                .map(({name, points, unit}) => {
                    const values = points.map((point) => point[1]);
                    return {
                        name,
                        points,
                        unit: unit(Math.max(...values)),
                        last: unit(values[0]).text(values[0])
                    };
                });

        /** Plot one measure in the colour of the surrounding text. */
        function draw(element, {points, unit}) {
            const {color} = getComputedStyle(element);
            const paler = (alpha) => $.color.parse(color).scale("a", alpha).toString();
            const first = points[points.length - 1][0];
            const font = {size: 11, color};
            $.plot(
                element,
                [{data: points.map(([at, value]) => [at, value / unit.divisor])}],
                {
                    colors: [color],
                    series: {
                        shadowSize: 0,
                        lines: {show: true, lineWidth: 2},
                        points: {show: true, radius: 2.5, fillColor: color}
                    },
                    xaxis: {
                        min: first,
                        max: 0,
                        font,
                        tickColor: paler(0.2),
                        ticks: minutesBefore(-first),
                        tickFormatter: (minutes) => number(-minutes)
                    },
                    yaxis: {
                        ...unit.axis(points.map((point) => point[1] / unit.divisor)),
                        font,
                        tickColor: paler(0.2),
                        ticks: 2,
                        tickFormatter: (value) => unit.text(value * unit.divisor)
                    },
                    grid: {color, borderColor: paler(0.5), borderWidth: 1}
                }
            );
        }

        /** Return the ticks for a number of minutes before the end. */
        function minutesBefore(minutes) {
            const step =
                TICKS_MINUTES.find((size) => minutes / size < MAX_TICKS) ||
                Math.ceil(minutes / MAX_TICKS);
            return _.range(0, minutes, step).map((before) => -before);
        }
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeWhyViewModel,
        name: "octoPrintUptimeWhyViewModel",
        dependencies: ["octoPrintUptimeViewModel", "octoPrintUptimeEndsViewModel"],
        elements: []
    });
});
