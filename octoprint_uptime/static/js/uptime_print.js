$(function () {
    "use strict";

    const MINUTE_SECONDS = 60;
    const TOOL = /^tool(\d+)$/; // with its number, from 0

    // Describes an interrupted print, where it stopped, and heaters that may be on.
    function UptimePrintViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];

        const number = (value, options) =>
            new Intl.NumberFormat(uptime.locale, options).format(value);
        const percent = (value) =>
            // An unfinished print is not at 100 %, even if all of its file has been sent.
            number(Math.min(99, Math.floor(value)) / 100, {style: "percent"});
        /** Prevent line breaks between a number and its unit. */
        const unbroken = (text) => text.replace(/ /g, "\u00a0");
        const inUnit = (pattern, value) =>
            unbroken(
                _.sprintf(pattern, {number: number(value, {maximumFractionDigits: 2})})
            );
        const celsius = (value) => inUnit(gettext("%(number)s °C"), value);

        const heartbeatSeconds = () => uptime.preferences().heartbeat_seconds;

        /** Whether the printer read the file from its own card, without OctoPrint. */
        const isOnCard = ({stopped_at}) =>
            Boolean(stopped_at) && stopped_at.origin === "printer";

        //~~ position

        /** Return the known parts of the position, most telling first. */
        const where = ({percent: done, z_mm, printed_seconds}) =>
            _.compact([
                done !== null && percent(done),
                z_mm !== null && inUnit(gettext("Z %(number)s mm"), z_mm),
                printed_seconds !== null &&
                    _.sprintf(gettext("%(duration)s into the print"), {
                        duration: unbroken(ends.duration(printed_seconds))
                    })
            ]).join(", ");

        const exactness = () => {
            const seconds = heartbeatSeconds();
            const minutes = seconds / MINUTE_SECONDS;
            if (minutes === 1) return gettext("within a minute");
            const [pattern, count] = Number.isInteger(minutes)
                ? [
                      ngettext(
                          "within %(count)d minute",
                          "within %(count)d minutes",
                          minutes
                      ),
                      minutes
                  ]
                : [
                      ngettext(
                          "within %(count)d second",
                          "within %(count)d seconds",
                          seconds
                      ),
                      seconds
                  ];
            return _.sprintf(pattern, {count});
        };

        const stopped = (entry) => {
            const known = where(entry.stopped_at);
            if (!known) return "";
            if (isOnCard(entry))
                return _.sprintf(gettext("Last seen at %(where)s."), {where: known});
            // At a goodbye the position is exact.
            if (!ends.unplanned(entry.end))
                return _.sprintf(gettext("Stopped at %(where)s."), {where: known});
            return _.sprintf(gettext("Stopped at %(where)s (%(exactness)s)."), {
                where: known,
                exactness: exactness()
            });
        };

        const HEATERS = {
            bed: gettext("The bed was set to %(target)s."),
            chamber: gettext("The chamber was set to %(target)s.")
        };

        const toolSentence = (tool, isOnlyOne, target) =>
            isOnlyOne
                ? _.sprintf(gettext("The nozzle was set to %(target)s."), {target})
                : _.sprintf(gettext("Nozzle %(number)d was set to %(target)s."), {
                      number: Number(TOOL.exec(tool)[1]) + 1,
                      target
                  });

        /** Return one sentence for each heater that was on. */
        const heaters = (targets) => {
            const names = Object.keys(targets || {});
            const tools = names.filter((name) => TOOL.test(name));
            const isOnlyOne = _.isEqual(tools, ["tool0"]);
            return names.map((heater) => {
                const target = celsius(targets[heater]);
                return tools.includes(heater)
                    ? toolSentence(heater, isOnlyOne, target)
                    : _.sprintf(
                          HEATERS[heater] || gettext("%(heater)s was set to %(target)s."),
                          {heater, target}
                      );
            });
        };

        const mayBeHot = (position) =>
            !position ||
            !_.isEmpty(position.targets) ||
            // A print begins with heating, possibly after the last heartbeat.
            position.printed_seconds === null ||
            position.printed_seconds < heartbeatSeconds();

        //~~ texts for an entry

        /** Return the interrupted print as a phrase for the list, or an empty text. */
        self.detail = (entry) =>
            entry.interrupted_print &&
            _.sprintf(
                isOnCard(entry)
                    ? gettext("May have continued from the printer's SD card: %(file)s")
                    : gettext("Interrupted print: %(file)s"),
                {file: entry.interrupted_print}
            );

        /** Return the interrupted print as a sentence. */
        self.sentence = (entry) =>
            entry.interrupted_print &&
            _.sprintf(
                isOnCard(entry)
                    ? gettext(
                          "The print of %(file)s may have continued: the printer was reading it from its own SD card."
                      )
                    : gettext("The print of %(file)s was interrupted."),
                {file: entry.interrupted_print}
            );

        /** Return where the print stopped and which heaters were on, as far as known. */
        self.position = (entry) =>
            entry.stopped_at
                ? _.compact([stopped(entry), ...heaters(entry.stopped_at.targets)]).join(
                      " "
                  )
                : "";

        /** Return what to do first if a heater may still be on. */
        self.warning = ({end, interrupted_print, stopped_at}) => {
            if (!interrupted_print || !mayBeHot(stopped_at)) return "";
            return end === "power_loss"
                ? gettext(
                      "Check the printer: if it kept power, its heaters may still be on."
                  )
                : gettext("Check the printer: its heaters may still be on.");
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimePrintViewModel,
        name: "octoPrintUptimePrintViewModel",
        dependencies: ["octoPrintUptimeViewModel", "octoPrintUptimeEndsViewModel"],
        elements: []
    });
});
