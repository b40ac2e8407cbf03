$(function () {
    "use strict";

    // Characters that the server rejects in an address: the usual ones among those of settings.py.
    const UNSEEN = /[\u007f-\u00a0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]/;
    const MAX_CHARACTERS = 2000;

    // 1d 2h 3m 4s, shown if the uptime is unknown or the user may not view it.
    const SAMPLE_SECONDS = 93784;

    function UptimeSettingsViewModel(parameters) {
        const self = this;

        self.settingsViewModel = parameters[0];
        self.uptime = parameters[1];
        self.pings = parameters[2];

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

        //~~ inputs

        /** Create the view model of an input. The setting is always valid. */
        const input = (setting, nearest, reason) => {
            const typed = ko.observable(String(setting()));

            typed.subscribe((text) => setting(nearest(text)));
            setting.subscribe((kept) => {
                if (nearest(typed()) !== kept) typed(String(kept));
            });

            return {
                typed,
                reason: ko.pureComputed(() =>
                    typed() === String(setting()) ? "" : reason(setting())
                ),
                correct: () => typed(String(setting()))
            };
        };

        const REASONS = {
            seconds: gettext(
                "Enter a whole number of seconds from %(minimum)d to %(maximum)d. %(kept)d will be saved."
            ),
            days: gettext(
                "Enter a whole number of days from %(minimum)d to %(maximum)d. %(kept)d will be saved."
            )
        };

        /** Create an input for a whole number. */
        self.interval = (name, minimum, maximum, unit) =>
            ko.ignoreDependencies(() => {
                const setting = self.settings[name];

                const nearest = (text) => {
                    if (text.trim() === "" || Number.isNaN(Number(text))) {
                        return setting.peek();
                    }
                    return Math.min(Math.max(Math.trunc(Number(text)), minimum), maximum);
                };

                return input(setting, nearest, (kept) =>
                    _.sprintf(REASONS[unit], {minimum, maximum, kept})
                );
            });

        /** Create an input for the prefix of MQTT topics. */
        self.topicPrefix = (name) =>
            ko.ignoreDependencies(() => {
                const setting = self.settings[name];

                const nearest = (text) => {
                    const bare = text.trim().replace(/^\/+|\/+$/g, "");
                    return bare === "" || /[#+]/.test(bare) ? setting.peek() : bare;
                };

                return input(setting, nearest, (kept) =>
                    _.sprintf(
                        gettext(
                            "Do not use # or +, or a slash at the beginning or end. %(kept)s will be saved."
                        ),
                        {kept}
                    )
                );
            });

        //~~ the monitor's address

        const isUsable = (url) => !_.isError(url) && url.port !== "0";
        const isAddress = (text) => {
            const url = _.attempt(() => new URL(text));
            const looksRight =
                /^https?:\/\/[^\s/?#]\S*$/i.test(text) && !UNSEEN.test(text);
            return looksRight && text.length <= MAX_CHARACTERS && isUsable(url);
        };

        /** Create the view model of its input. The setting is always valid. */
        const addressInput = (setting) => {
            const typed = ko.observable(setting());
            const valid = (text) => text.trim() === "" || isAddress(text.trim());

            typed.subscribe((text) => {
                self.pings.tested("");
                if (valid(text)) setting(text.trim());
            });
            setting.subscribe((kept) => {
                if (valid(typed()) && typed().trim() !== kept) typed(kept);
            });

            return {
                typed,
                reason: ko.pureComputed(() =>
                    valid(typed())
                        ? ""
                        : gettext(
                              "The address must start with http:// or https:// and contain a host name. It will not be saved."
                          )
                ),
                reset: () => typed(setting())
            };
        };

        self.testPing = () =>
            self.pings.test(self.address.typed().trim(), self.settings.ping_style());

        //~~ OctoPrint's callbacks

        self.onBeforeBinding = () => {
            self.settings = self.settingsViewModel.settings.plugins.octoprint_uptime;
            self.address = addressInput(self.settings.ping_url);
            self.settings.ping_style.subscribe(() => self.pings.tested(""));
        };

        self.onSettingsShown = () => {
            self.address.reset();
            self.uptime.wantedForExamples(true);
        };
        self.onSettingsHidden = () => self.uptime.wantedForExamples(false);
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeSettingsViewModel,
        name: "octoPrintUptimeSettingsViewModel",
        dependencies: [
            "settingsViewModel",
            "octoPrintUptimeViewModel",
            "octoPrintUptimePingsViewModel"
        ],
        elements: ["#settings_plugin_octoprint_uptime"]
    });
});
