$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    // Shows whether pings to the monitor succeed, and sends test pings.
    function UptimePingsViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];

        const STYLES = {
            healthchecks: "Healthchecks",
            uptime_kuma: "Uptime Kuma"
        };

        //~~ status

        const status = ko.pureComputed(
            () => (uptime.answer() && uptime.answer().body.pings) || {}
        );

        self.problem = ko.pureComputed(() => {
            if (!status().error) return "";
            const {trueAt, wallAheadMs} = uptime.answer();
            const since = trueAt + wallAheadMs - status().failing_seconds * 1000;
            return _.sprintf(
                gettext(
                    "Pings to the monitor have been failing since %(time)s. %(error)s"
                ),
                {
                    time: uptime.dateAndTime.format(new Date(since)),
                    error: status().error
                }
            );
        });

        self.lastTaken = ko.pureComputed(() => {
            const seconds = status().last_success_seconds_ago;
            if (!_.isNumber(seconds)) return "";
            const passed = (uptime.now() - uptime.answer().trueAt) / 1000;
            return _.sprintf(gettext("Last successful ping: %(time)s ago."), {
                time: client.format(seconds + passed)
            });
        });

        //~~ test ping

        self.tested = ko.observable("");
        let testing = false;

        const answered = (text, answer) =>
            answer
                ? _.sprintf(gettext("%(text)s It replied: %(answer)s"), {text, answer})
                : text;

        const taken = (style) =>
            STYLES[style]
                ? _.sprintf(gettext("The monitor (%(kind)s) accepted the test ping."), {
                      kind: STYLES[style]
                  })
                : gettext("The monitor accepted the test ping.");

        const told = (result) =>
            answered(result.taken ? taken(result.style) : result.error, result.answer);

        self.test = (url, style) => {
            if (testing) return;
            testing = true;
            self.tested(gettext("Sending…"));
            client
                .testPing(url, style)
                .done((result) => self.tested(told(result)))
                .fail((xhr) => self.tested(uptime.problemOf(xhr)))
                .always(() => {
                    testing = false;
                });
        };

        //~~ OctoPrint's callbacks

        self.onBeforeBinding = () => uptime.pings(self);
        self.onSettingsHidden = () => self.tested("");
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimePingsViewModel,
        name: "octoPrintUptimePingsViewModel",
        dependencies: ["octoPrintUptimeViewModel"],
        elements: []
    });
});
