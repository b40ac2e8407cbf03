$(function () {
    "use strict";

    // 1d 2h 3m 4s, where the owner may not view the real one or it is not known.
    const SAMPLE_SECONDS = 93784;

    function UptimeSettingsViewModel(parameters) {
        const self = this;

        self.settingsViewModel = parameters[0];
        self.uptime = parameters[1];

        self.settings = undefined;

        //~~ live examples

        self.exampleSeconds = ko.pureComputed(() => {
            const known = self.uptime.clocks
                .map((clock) => clock.seconds())
                .filter((seconds) => seconds !== null);
            return self.uptime.wantedForExamples() && known.length
                ? known[0]
                : SAMPLE_SECONDS;
        });

        self.example = (format) =>
            OctoPrint.plugins.octoprint_uptime.format(self.exampleSeconds(), format);

        //~~ intervals

        const REASONS = {
            seconds: gettext(
                "Whole seconds from %(minimum)d to %(maximum)d: %(kept)d will be saved."
            ),
            days: gettext(
                "Whole days from %(minimum)d to %(maximum)d: %(kept)d will be saved."
            )
        };

        /** What an input for a whole number needs; the setting itself is always valid. */
        self.interval = (name, minimum, maximum, unit) =>
            ko.ignoreDependencies(() => {
                const setting = self.settings[name];
                const typed = ko.observable(String(setting()));

                const nearest = (text) => {
                    if (text.trim() === "" || Number.isNaN(Number(text))) {
                        return setting.peek();
                    }
                    return Math.min(Math.max(Math.trunc(Number(text)), minimum), maximum);
                };

                typed.subscribe((text) => setting(nearest(text)));
                setting.subscribe((kept) => {
                    if (nearest(typed()) !== kept) typed(String(kept));
                });

                return {
                    typed,
                    reason: ko.pureComputed(() =>
                        typed() === String(setting())
                            ? ""
                            : _.sprintf(REASONS[unit], {
                                  minimum,
                                  maximum,
                                  kept: setting()
                              })
                    ),
                    correct: () => typed(String(setting()))
                };
            });

        //~~ OctoPrint's callbacks

        self.onBeforeBinding = () => {
            self.settings = self.settingsViewModel.settings.plugins.octoprint_uptime;
        };

        self.onSettingsShown = () => self.uptime.wantedForExamples(true);
        self.onSettingsHidden = () => self.uptime.wantedForExamples(false);
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeSettingsViewModel,
        name: "octoPrintUptimeSettingsViewModel",
        dependencies: ["settingsViewModel", "octoPrintUptimeViewModel"],
        elements: ["#settings_plugin_octoprint_uptime"]
    });
});
