$(function () {
    "use strict";

    const MB = 1e6;
    const GB = 1e9;
    const HOURS_A_DAY = 24;
    const IN_DAYS_FROM_HOURS = 96;

    // Texts for the results of the plugin's checks in OctoPrint's health check.
    function UptimeHealthViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];

        const paragraph = (text) => $("<p>").text(text).prop("outerHTML");

        const bytes = (count) => {
            const number = new Intl.NumberFormat(uptime.locale, {
                maximumFractionDigits: count < GB ? 0 : 1
            });
            return count < GB
                ? _.sprintf(gettext("%(number)s MB"), {number: number.format(count / MB)})
                : _.sprintf(gettext("%(number)s GB"), {
                      number: number.format(count / GB)
                  });
        };

        const counted = (pattern, count) => _.sprintf(pattern, {count});
        const howLong = (hours) => {
            const days = Math.round(hours / HOURS_A_DAY);
            return hours < IN_DAYS_FROM_HOURS
                ? counted(ngettext("%(count)d hour", "%(count)d hours", hours), hours)
                : counted(ngettext("%(count)d day", "%(count)d days", days), days);
        };

        const powerSupply = gettext(
            "Use the board's official power supply and a short, thick cable. Do not power the printer from the board."
        );
        const theHistory = gettext(
            "The uptime history shows when it happened, why, and what was printing."
        );

        const power = ({losses, days, after_undervoltage: after}) => ({
            title: gettext("The host keeps losing power or resetting"),
            paragraphs: [
                _.sprintf(
                    ngettext(
                        "It lost power or was reset %(losses)d time in the last %(days)d days.",
                        "It lost power or was reset %(losses)d times in the last %(days)d days.",
                        losses
                    ),
                    {losses, days}
                ),
                after
                    ? _.sprintf(
                          ngettext(
                              "Undervoltage preceded %(count)d of them: use a better power supply, or a shorter, thicker cable.",
                              "Undervoltage preceded %(count)d of them: use a better power supply, or a shorter, thicker cable.",
                              after
                          ),
                          {count: after}
                      )
                    : gettext(
                          "No undervoltage was detected beforehand, but not every host can detect it. Check the plugs, the cable and the mains, and keep the host cool."
                      ),
                theHistory
            ]
        });

        const disk = (context, result) => ({
            title:
                result === "issue"
                    ? gettext("The disk is almost full")
                    : gettext("The disk is filling up"),
            paragraphs: [
                _.sprintf(gettext("Disk space left: %(bytes)s."), {
                    bytes: bytes(context.free_bytes)
                }),
                context.hours_left &&
                    _.sprintf(
                        gettext(
                            "Free space has shrunk by %(rate)s a day over the last three days. At this rate the disk will be full in about %(time)s."
                        ),
                        {
                            rate: bytes(context.bytes_a_day),
                            time: howLong(context.hours_left)
                        }
                    ),
                gettext("Delete old timelapses, uploads and logs, or use a larger card.")
            ]
        });

        const memory = (context) => ({
            title: gettext("OctoPrint is using up the host's memory"),
            paragraphs: [
                _.sprintf(
                    gettext(
                        "OctoPrint's memory has grown to %(size)s. It has grown steadily for a day, by %(rate)s a day."
                    ),
                    {
                        size: bytes(context.process_bytes),
                        rate: bytes(context.bytes_a_day)
                    }
                ),
                _.sprintf(
                    gettext(
                        "The host has %(available)s left, enough for about %(time)s at this rate."
                    ),
                    {
                        available: bytes(context.available_bytes),
                        time: howLong(context.hours_left)
                    }
                ),
                gettext(
                    "Restart OctoPrint before the next long print. Then find the leak: update all plugins, and disable them one by one until the growth stops."
                )
            ]
        });

        const undervoltage = ({times}) => ({
            title: gettext("The power supply is too weak"),
            paragraphs: [
                _.sprintf(
                    ngettext(
                        "Undervoltage was detected %(count)d time in the last 24 hours.",
                        "Undervoltage was detected %(count)d times in the last 24 hours.",
                        times
                    ),
                    {count: times}
                ),
                gettext("It can reset the host in the middle of a print."),
                powerSupply
            ]
        });

        const heat = ({minutes, celsius}) => ({
            title: gettext("The processor is too hot"),
            paragraphs: [
                _.sprintf(
                    ngettext(
                        "Heat throttled it for %(count)d minute in the last 24 hours. It reached %(celsius)d °C.",
                        "Heat throttled it for %(count)d minutes in the last 24 hours. It reached %(celsius)d °C.",
                        minutes
                    ),
                    {count: minutes, celsius}
                ),
                gettext(
                    "Add a heat sink or a fan, and keep the board out of a heated enclosure."
                )
            ]
        });

        const filesystem = (context) => ({
            title: gettext("The file system is failing"),
            paragraphs: [
                context.read_only &&
                    gettext("It is read-only: OctoPrint cannot save anything."),
                context.errors &&
                    _.sprintf(
                        ngettext(
                            "The kernel reported %(count)d error in the last %(days)d days.",
                            "The kernel reported %(count)d errors in the last %(days)d days.",
                            context.errors
                        ),
                        {...context, count: context.errors}
                    ),
                gettext(
                    "Back up now and replace the SD card. A file system becomes read-only when the card fails or when power is lost during a write."
                )
            ]
        });

        const connection = ({losses, days, reason, times, text, advice}) => ({
            title: gettext("The printer keeps disconnecting"),
            paragraphs: [
                _.sprintf(
                    ngettext(
                        "The connection was lost %(count)d time in the last %(days)d days.",
                        "The connection was lost %(count)d times in the last %(days)d days.",
                        losses
                    ),
                    {count: losses, days}
                ),
                reason !== "unknown" &&
                    _.sprintf(
                        ngettext(
                            "Most frequent reason (%(count)d time): %(reason)s",
                            "Most frequent reason (%(count)d times): %(reason)s",
                            times
                        ),
                        {count: times, reason: gettext(text)}
                    ),
                gettext(advice)
            ]
        });

        const clock = ({hours}) => ({
            title: gettext("The host's clock is not synchronized"),
            paragraphs: [
                _.sprintf(
                    ngettext(
                        "It has not been set in the last %(count)d hour of running, although there is a network.",
                        "It has not been set in the last %(count)d hours of running, although there is a network.",
                        hours
                    ),
                    {count: hours}
                ),
                gettext(
                    "Times in the history and in logs may be wrong, and secure connections may fail."
                ),
                gettext(
                    "Turn on time synchronization (sudo timedatectl set-ntp true), and let the host reach a time server (UDP port 123)."
                )
            ]
        });

        const CHECKS = {
            power,
            disk,
            memory,
            undervoltage,
            heat,
            filesystem,
            connection,
            clock
        };

        const handler = (check) => (result, context) => {
            const {title, paragraphs} = check(context, result);
            const html = paragraphs.filter(Boolean).map(paragraph).join("");
            return {title, html, result};
        };

        self.getAdditionalHealthCheckHandlers = () =>
            _.mapValues(
                _.mapKeys(CHECKS, (check, name) => `octoprint_uptime_${name}`),
                handler
            );
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeHealthViewModel,
        dependencies: ["octoPrintUptimeViewModel"],
        elements: []
    });
});
