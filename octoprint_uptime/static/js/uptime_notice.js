$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    // Shows the notice of an unplanned outage until someone acknowledges it.
    function UptimeNoticeViewModel(parameters) {
        const self = this;

        const uptime = parameters[0];
        const ends = parameters[1];
        const history = parameters[2];
        const why = parameters[3];
        const print = parameters[4];

        const capitalized = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

        const settingsOpen = ko.observable(false);
        const problem = ko.observable("");
        let notice;

        const acknowledge = () => {
            problem("");
            client.acknowledge().fail((xhr) => problem(uptime.problemOf(xhr)));
        };

        const showNotice = (end) => {
            const lines = [
                why.sentence(end),
                capitalized(ends.sentence(gettext("%(when)s, %(downtime)s."), end)),
                print.sentence(end),
                print.position(end),
                why.undervoltageBesides(end) &&
                    gettext(
                        "Undervoltage was detected beforehand. Check the power supply."
                    ),
                problem()
            ];
            // PNotify turns a title into a heading whose level does not fit the page.
            const headings = [print.warning(end), ends.text(end.end)];
            const each = (texts, tag) =>
                _.compact(texts).map((text) => $(tag).text(text));
            const text = $("<div>")
                .append(each(headings, "<strong>"))
                .append(each(lines, "<div>"))
                .html();
            if (notice) {
                notice.update({text});
                return;
            }
            const button = (label, click) => ({text: label, click});
            notice = new PNotify({
                text,
                type: "error",
                // A notice that fades out would still cover the opened dialog.
                animation: {effect_in: "fade", effect_out: "none"},
                hide: false,
                addclass: "octoprint_uptime_notice",
                confirm: {
                    confirm: true,
                    buttons: [
                        button(gettext("History"), () => history.open(giveFocusBack)),
                        button(gettext("Got it"), acknowledge)
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

        // A string, so that an equal answer does not notify subscribers.
        const unacknowledged = ko.pureComputed(() => {
            const answer = uptime.answer();
            return JSON.stringify((answer && answer.body.unacknowledged_end) || null);
        });

        const tellUnacknowledged = () => {
            const end = JSON.parse(unacknowledged());
            // On a narrow page the notice would cover the open panel or dialog.
            const covers = history.dialogOpen() || uptime.panelOpen() || settingsOpen();
            if (end && !covers) showNotice(end);
            else removeNotice();
        };

        //~~ OctoPrint's callbacks

        self.onStartupComplete = () => {
            unacknowledged.subscribe(tellUnacknowledged);
            problem.subscribe(tellUnacknowledged);
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
            "octoPrintUptimeWhyViewModel",
            "octoPrintUptimePrintViewModel"
        ],
        elements: []
    });
});
