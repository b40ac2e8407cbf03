$(function () {
    "use strict";

    // What OctoPrint's health check tells of its check octoprint_uptime_power.
    function UptimeHealthViewModel() {
        const self = this;

        const paragraph = (text) => $("<p>").text(text).prop("outerHTML");

        const advice = ({after_undervoltage: count}) =>
            count
                ? _.sprintf(
                      ngettext(
                          "Undervoltage had been seen before %(count)d of them: get a better power supply, or a shorter or thicker cable.",
                          "Undervoltage had been seen before %(count)d of them: get a better power supply, or a shorter or thicker cable.",
                          count
                      ),
                      {count}
                  )
                : gettext(
                      "No undervoltage was seen before, but not every host can see it. Check plugs, cable and mains, and that the host stays cool."
                  );

        self.getAdditionalHealthCheckHandlers = () => ({
            octoprint_uptime_power: (result, context) => ({
                title: gettext("The host keeps losing power or being reset"),
                html: [
                    _.sprintf(
                        ngettext(
                            "It lost power or was reset %(losses)d time in the last %(days)d days.",
                            "It lost power or was reset %(losses)d times in the last %(days)d days.",
                            context.losses
                        ),
                        context
                    ),
                    advice(context),
                    gettext(
                        "The uptime's history lists when, why, and what was being printed."
                    )
                ]
                    .map(paragraph)
                    .join(""),
                result
            })
        });
    }

    OCTOPRINT_VIEWMODELS.push({construct: UptimeHealthViewModel, elements: []});
});
