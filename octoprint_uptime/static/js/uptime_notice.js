$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    // The notice of an unplanned outage, until someone puts it away.
    function UptimeNoticeViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];
        const history = parameters[2];
        const why = parameters[3];

        const capitalized = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

        const settingsOpen = ko.observable(false);
        let notice;

        const showNotice = (end) => {
            const lines = [
                why.sentence(end),
                capitalized(ends.sentence(gettext("%(when)s, %(downtime)s."), end)),
                end.interrupted_print &&
                    _.sprintf(gettext("The print of %(file)s was interrupted."), {
                        file: end.interrupted_print
                    }),
                why.undervoltageBesides(end) &&
                    gettext("Undervoltage was seen before. Check the power supply.")
            ];
            // PNotify makes of a title a heading, of a level that the page has no place for.
            const text = $("<div>")
                .append($("<strong>").text(ends.text(end.end)))
                .append(_.compact(lines).map((line) => $("<div>").text(line)))
                .html();
            if (notice) {
                notice.update({text});
                return;
            }
            const button = (label, click) => ({text: label, click});
            notice = new PNotify({
                text,
                type: "error",
                // At once: fading, it would still cover what has been opened.
                animation: {effect_in: "fade", effect_out: "none"},
                hide: false,
                addclass: "octoprint_uptime_notice",
                confirm: {
                    confirm: true,
                    buttons: [
                        button(gettext("History"), () => history.open(giveFocusBack)),
                        button(gettext("Got it"), () => client.acknowledge())
                    ]
                },
                buttons: {closer: false, sticker: false}
            });
        };

        const giveFocusBack = () => {
            if (notice) notice.get().find("button").first().trigger("focus");
            else uptime.focusToggle();
        };

        const removeNotice = () => {
            if (notice) notice.remove();
            notice = undefined;
        };

        // As text, so that an answer that says the same changes nothing.
        const unacknowledged = ko.pureComputed(() => {
            const answer = uptime.answer();
            return JSON.stringify((answer && answer.body.unacknowledged_end) || null);
        });

        const tellUnacknowledged = () => {
            const end = JSON.parse(unacknowledged());
            // On a narrow page the notice would cover what is open.
            const covers = history.dialogOpen() || uptime.panelOpen() || settingsOpen();
            if (end && !covers) showNotice(end);
            else removeNotice();
        };

        //~~ OctoPrint's callbacks

        self.onStartupComplete = () => {
            unacknowledged.subscribe(tellUnacknowledged);
            uptime.panelOpen.subscribe(tellUnacknowledged);
            history.dialogOpen.subscribe(tellUnacknowledged);
            settingsOpen.subscribe(tellUnacknowledged);
        };

        self.onSettingsShown = () => settingsOpen(true);
        self.onSettingsHidden = () => settingsOpen(false);
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeNoticeViewModel,
        name: "octoPrintUptimeNoticeViewModel",
        dependencies: [
            "octoPrintUptimeViewModel",
            "octoPrintUptimeEndsViewModel",
            "octoPrintUptimeHistoryViewModel",
            "octoPrintUptimeWhyViewModel"
        ],
        elements: []
    });
});
