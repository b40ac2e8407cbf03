$(function () {
    "use strict";

    const client = OctoPrint.plugins.octoprint_uptime;

    const REQUEST_TIMEOUT_MS = 5000;
    const RETRY_MS = 5000;
    // No tick is this late. A greater difference means that the computer slept, and that
    // performance.now() stopped.
    const SLEPT_MS = 2000;

    // How the widget narrows when the navigation bar lacks space, widest first.
    const NOT_IN_ROW = -1;
    const AS_CHOSEN = 0;
    const SHORT = 1;
    const ONE_AT_A_TIME = 2;
    const ICON_ONLY = 3;

    // The other formats are no wider than the short one.
    const NARROWER_FORMAT = {full: "short", dhm: "short"};

    function UptimeViewModel(parameters) {
        const self = this;

        self.loginState = parameters[0];
        self.access = parameters[1];
        self.settingsViewModel = parameters[2];

        //~~ state

        self.preferences = ko.observable({});
        // The last answer of the API: its body, performance.now() when it was true, and how
        // far the wall clock was ahead of that.
        self.answer = ko.observable(undefined);
        self.connected = ko.observable(true);
        self.answering = ko.observable(true);
        self.tabVisible = ko.observable(!document.hidden);
        self.now = ko.observable(performance.now());
        self.narrowing = ko.observable(AS_CHOSEN);
        self.panelOpen = ko.observable(false);
        self.focused = ko.observable(false);
        // Set by the view models of the history and the pings.
        self.history = ko.observable(undefined);
        self.pings = ko.observable(undefined);
        self.tooltip = ko.observable("");

        self.permitted = ko.pureComputed(() =>
            self.loginState.hasPermission(
                self.access.permissions.PLUGIN_OCTOPRINT_UPTIME_VIEW
            )
        );
        self.mayChangeSettings = ko.pureComputed(() =>
            self.loginState.hasPermission(self.access.permissions.SETTINGS)
        );
        self.mayUseSystem = ko.pureComputed(() =>
            self.loginState.hasPermission(self.access.permissions.SYSTEM)
        );
        self.reachable = ko.pureComputed(() => self.connected() && self.answering());

        //~~ the three clocks

        self.clocks = [
            createClock("system", "", gettext("Host"), "fas fa-server"),
            createClock("octoprint", "octoprint_", "OctoPrint", "fas fa-cogs"),
            createClock(
                "printer",
                "printer_",
                gettext("Printer"),
                "fas fa-plug",
                gettext("not connected")
            )
        ];
        self.chosenClocks = ko.pureComputed(() =>
            self.clocks.filter(
                (clock) => self.preferences()[`show_${clock.subject}_uptime`]
            )
        );
        self.clockInTurn = ko.pureComputed(() => {
            const seconds = self.preferences().compact_toggle_interval_seconds;
            const turn = Math.floor(self.now() / 1000 / seconds);
            return self.chosenClocks()[turn % self.chosenClocks().length];
        });

        function createClock(subject, prefix, name, icon, unknown = gettext("unknown")) {
            const clock = {subject, name, icon};

            clock.seconds = ko.pureComputed(() => {
                const answer = self.answer();
                if (!answer || answer.body[`${prefix}seconds`] === null) return null;
                return (
                    answer.body[`${prefix}seconds`] + (self.now() - answer.trueAt) / 1000
                );
            });

            const inFormat = (format) =>
                clock.seconds() === null ? null : client.format(clock.seconds(), format);

            clock.text = ko.pureComputed(() => inFormat(self.format()) || "–");
            clock.widestText = ko.pureComputed(() => widest(clock.text()));
            clock.fullText = ko.pureComputed(() => inFormat("full") || unknown);
            clock.since = ko.pureComputed(() => {
                const answer = self.answer();
                if (!answer || answer.body[`${prefix}seconds`] === null) return "";
                const startedAt =
                    answer.trueAt +
                    answer.wallAheadMs -
                    answer.body[`${prefix}seconds`] * 1000;
                return _.sprintf(gettext("since %(time)s"), {
                    time: self.dateAndTime.format(new Date(startedAt))
                });
            });
            clock.chosen = ko.pureComputed(() => self.chosenClocks().includes(clock));
            clock.waiting = ko.pureComputed(
                () => self.oneAtATime() && self.clockInTurn() !== clock
            );
            return clock;
        }

        /** Return the text with two digits for every unit except the first. */
        function widest(text) {
            return text.replace(/\d+/g, (digits, at) =>
                at === 0 && !/^\d[hms]/.test(text) ? digits : "00"
            );
        }

        //~~ display

        self.locale = readersLocale();
        self.timeOfDay = timeOfDay();
        self.dateAndTime = new Intl.DateTimeFormat(self.locale, {
            year: "numeric",
            month: "short",
            day: "numeric",
            ...self.timeOfDay
        });

        /** Prefer a browser locale in the page's language: it has the reader's date format. */
        function readersLocale() {
            const page = LOCALE.replace(/_/g, "-");
            const sameLanguage = (locale) => locale.split("-")[0] === page.split("-")[0];
            return navigator.languages.find(sameLanguage) || page;
        }

        /** Imitate timeStyle, which older browsers lack: 6:41 PM, but 06:41. */
        function timeOfDay() {
            const {hour12} = new Intl.DateTimeFormat(self.locale, {
                hour: "numeric"
            }).resolvedOptions();
            return {hour: hour12 ? "numeric" : "2-digit", minute: "2-digit"};
        }

        self.format = ko.pureComputed(() => {
            const chosen = self.answer() ? self.answer().body.display_format : "full";
            return self.narrowing() >= SHORT ? NARROWER_FORMAT[chosen] || chosen : chosen;
        });
        self.oneAtATime = ko.pureComputed(
            () => self.preferences().compact_display || self.narrowing() >= ONE_AT_A_TIME
        );
        self.iconOnly = ko.pureComputed(() => self.narrowing() >= ICON_ONLY);
        self.clocksShown = ko.pureComputed(() => self.reachable() && !self.iconOnly());
        self.offlineText = gettext("offline");
        self.offlineShown = ko.pureComputed(() => !self.reachable() && !self.iconOnly());
        // Set by the settings page while it shows examples.
        self.wantedForExamples = ko.observable(false);
        self.wanted = ko.pureComputed(
            () =>
                self.permitted() &&
                (self.chosenClocks().length > 0 || self.wantedForExamples())
        );
        self.visible = ko.pureComputed(
            () => self.answer() !== undefined && self.chosenClocks().length > 0
        );
        /** Return what a failed request said was wrong. */
        self.problemOf = (xhr) =>
            (xhr.responseJSON && xhr.responseJSON.error) ||
            gettext("Cannot reach OctoPrint.");
        self.problem = ko.pureComputed(() => {
            if (!self.reachable()) return gettext("Cannot reach OctoPrint.");
            return (self.answer() && self.answer().body.error) || "";
        });
        self.expanded = ko.pureComputed(() => String(self.panelOpen()));
        const textsShown = ko.pureComputed(() =>
            self.clocksShown()
                ? self.clocks
                      .filter((clock) => clock.chosen() && !clock.waiting())
                      .map((clock) => clock.text())
                      .join(" ")
                : ""
        );
        // The label is the visible text. The seconds stop while the widget has the focus:
        // screen readers would read out each change.
        self.label = ko.pureComputed(() => {
            if (!self.reachable()) return gettext("Uptime: offline");
            const shown = self.focused() ? textsShown.peek() : textsShown();
            if (!shown) return gettext("Uptime");
            return _.sprintf(gettext("%(name)s: %(uptime)s"), {
                name: gettext("Uptime"),
                uptime: shown
            });
        });

        // Made on demand: screen readers would read out a text that changes each second.
        self.describe = () => {
            const lines = self.reachable()
                ? self.clocks.map((clock) =>
                      _.sprintf(gettext("%(name)s: %(uptime)s"), {
                          name: clock.name,
                          uptime: `${clock.fullText()} ${clock.since()}`.trim()
                      })
                  )
                : [];
            self.tooltip(lines.concat(self.problem() || []).join("\n"));
            return true;
        };

        self.takeFocus = () => {
            self.focused(true);
            return self.describe();
        };
        self.loseFocus = () => {
            self.focused(false);
            return true;
        };

        //~~ polling

        let latestRequest;
        let pollTimer;

        self.refresh = () => {
            clearTimeout(pollTimer);
            latestRequest = undefined;
            if (!self.permitted() || !self.tabVisible() || !self.connected()) return;

            const askedAt = performance.now();
            const request = client.get({timeout: REQUEST_TIMEOUT_MS});
            latestRequest = request;
            request
                .done((body) => {
                    if (request !== latestRequest) return;
                    self.answer({
                        body,
                        trueAt: (askedAt + performance.now()) / 2,
                        wallAheadMs: wallAheadMs()
                    });
                    self.answering(true);
                    self.tick();
                    if (!self.wanted()) return; // requested only for a notice
                    pollTimer = setTimeout(
                        self.refresh,
                        body.poll_interval_seconds * 1000
                    );
                })
                .fail((xhr) => {
                    if (request !== latestRequest) return;
                    if (xhr.status === 403) {
                        self.answer(undefined);
                        return;
                    }
                    self.answering(false);
                    pollTimer = setTimeout(self.refresh, RETRY_MS);
                });
        };

        let latestPreferences;

        self.loadPreferences = () => {
            const request = OctoPrint.settings.getPluginSettings("octoprint_uptime");
            latestPreferences = request;
            request.done((preferences) => {
                if (request === latestPreferences) self.preferences(preferences);
            });
        };

        //~~ ticking

        let tickTimer;

        self.tick = () => {
            clearTimeout(tickTimer);
            self.now(performance.now());
            if (!self.answer() || !self.wanted()) return;
            if (!self.tabVisible() || !self.reachable()) return;

            if (wallAheadMs() - self.answer().wallAheadMs > SLEPT_MS) {
                self.refresh();
            } else {
                tickTimer = setTimeout(self.tick, untilNextSecondMs());
            }
        };

        function wallAheadMs() {
            return Date.now() - performance.now();
        }

        /** Return the time until the first clock shows another second. */
        function untilNextSecondMs() {
            const remaining = self.clocks
                .filter((clock) => clock.seconds() !== null)
                .map((clock) => 1000 - ((clock.seconds() * 1000) % 1000));
            return Math.min(1000, ...remaining) + 1;
        }

        //~~ fitting into the navigation bar

        let element;

        self.fit = () => {
            if (!self.visible()) return;
            const navbar = $(element).closest(".navbar-inner")[0];
            const page = document.documentElement;

            self.narrowing(NOT_IN_ROW);
            const height = navbar.offsetHeight;
            const width = page.scrollWidth;
            for (const narrowing of [AS_CHOSEN, SHORT, ONE_AT_A_TIME, ICON_ONLY]) {
                self.narrowing(narrowing);
                if (navbar.offsetHeight <= height && page.scrollWidth <= width) return;
            }
        };
        self.aside = ko.pureComputed(() => self.narrowing() === NOT_IN_ROW);

        // Everything that the width of the widget depends on.
        self.shape = ko.pureComputed(() =>
            JSON.stringify([
                self.visible(),
                self.reachable(),
                self.preferences(),
                self.answer() && self.answer().body.display_format,
                self.clocks.map((clock) => widest(clock.fullText()))
            ])
        );

        //~~ the panel

        self.keepOpen = () => true;

        self.focusToggle = () => $(".dropdown-toggle", element).trigger("focus");

        self.closePanel = () => $(element).removeClass("open");

        /** On small screens, OctoPrint's page is wider than the window. */
        const scrollPanelIntoView = () => {
            const {left, right} = $(".dropdown-menu", element)[0].getBoundingClientRect();
            const width = document.documentElement.clientWidth;
            window.scrollBy(Math.min(left, Math.max(0, right - width)), 0);
        };

        self.closeOnLeaving = (viewModel, event) => {
            const to = event.relatedTarget;
            if (to && !element.contains(to)) self.closePanel();
            return true;
        };

        // Bootstrap's handler opens a closed menu on Escape and ignores Space.
        self.handleKey = (viewModel, event) => {
            const onToggle = $(event.target).is(".dropdown-toggle");
            if (event.key === "Escape") {
                self.closePanel();
                self.focusToggle();
            } else if (event.key === " " && onToggle) {
                $(event.target).trigger("click");
            } else {
                return true;
            }
        };

        let settingsShownFromHere = false;

        self.showSettings = () => {
            self.closePanel();
            settingsShownFromHere = true;
            self.settingsViewModel.show("settings_plugin_octoprint_uptime");
        };

        //~~ OctoPrint's callbacks

        self.onBeforeBinding = () => {
            // The settings dialog edits the originals before they are saved.
            self.preferences(
                ko.toJS(self.settingsViewModel.settings.plugins.octoprint_uptime)
            );
        };

        self.onBoundTo = (target, boundTo) => {
            element = boundTo;
            new MutationObserver(() =>
                self.panelOpen(element.classList.contains("open"))
            ).observe(element, {attributeFilter: ["class"]});
        };

        self.onStartupComplete = () => {
            self.permitted.subscribe((permitted) => {
                if (permitted) self.loadPreferences();
                else self.answer(undefined);
                self.refresh();
            });
            self.wanted.subscribe(self.refresh);
            self.reachable.subscribe(self.describe);
            self.shape.subscribe(self.fit);
            self.panelOpen.subscribe((open) => {
                if (open) scrollPanelIntoView();
            });
            // Safari 12 lacks it and misses changes of other plugins' items.
            if (window.ResizeObserver) {
                const observer = new ResizeObserver(self.fit);
                observer.observe(element.parentElement);
                observer.observe($(element).closest(".navbar-inner").find(".brand")[0]);
            }
            $(window).on("resize", self.fit);
            self.refresh();
        };

        self.onBrowserTabVisibilityChange = (visible) => {
            self.tabVisible(visible);
            self.now(performance.now());
            self.refresh();
        };

        // OctoPrint sends an event to browsers first. This message follows once the plugin
        // has handled it.
        self.onDataUpdaterPluginMessage = (plugin) => {
            if (plugin === "octoprint_uptime") self.refresh();
        };

        self.onSettingsHidden = () => {
            if (settingsShownFromHere) self.focusToggle();
            settingsShownFromHere = false;
        };

        self.onEventSettingsUpdated = () => {
            self.loadPreferences();
            self.refresh();
        };

        self.onServerDisconnect = () => {
            self.connected(false);
            self.answering(false); // until a process answers, perhaps a new one
            self.refresh();
        };

        self.onServerConnect = self.onServerReconnect = () => {
            self.connected(true);
            if (!self._startupComplete) return;
            self.loadPreferences();
            self.refresh();
        };
    }

    OCTOPRINT_VIEWMODELS.push({
        construct: UptimeViewModel,
        name: "octoPrintUptimeViewModel",
        dependencies: ["loginStateViewModel", "accessViewModel", "settingsViewModel"],
        elements: ["#navbar_plugin_octoprint_uptime"]
    });
});
