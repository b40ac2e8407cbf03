(function (global, factory) {
    if (typeof define === "function" && define.amd) {
        define(["OctoPrintClient"], factory);
    } else {
        factory(global.OctoPrintClient);
    }
})(this, function (OctoPrintClient) {
    "use strict";

    const UNITS = [
        ["d", 86400],
        ["h", 3600],
        ["m", 60],
        ["s", 1]
    ];

    // For each display format: its units, the units it always shows, and the separator.
    const FORMATS = {
        full: {units: "dhms", always: "s", separator: " "},
        dhm: {units: "dhm", always: "hm", separator: " "},
        dh: {units: "dh", always: "h", separator: " "},
        d: {units: "d", always: "d", separator: " "},
        short: {units: "dhm", always: "m", separator: ""}
    };

    const OctoPrintUptimeClient = function (base) {
        this.base = base;
        this.url = base.getSimpleApiUrl("octoprint_uptime");
        this.historyUrl = base.getBlueprintUrl("octoprint_uptime") + "history";
        this.reportPath = base.getBlueprintUrl("octoprint_uptime") + "report";
    };

    /**
     * Get the uptimes from GET /api/plugin/octoprint_uptime.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise of the answer
     */
    OctoPrintUptimeClient.prototype.get = function (opts) {
        return this.base.get(this.url, opts);
    };

    /**
     * Get the history from GET /plugin/octoprint_uptime/history.
     *
     * @param {number} days how far back, at most the setting history_days
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise of the answer
     */
    OctoPrintUptimeClient.prototype.getHistory = function (days, opts) {
        return this.base.get(`${this.historyUrl}?days=${days}`, opts);
    };

    /**
     * Return the address of the CSV file with the runs of OctoPrint.
     *
     * @param {number} days how far back, at most the setting history_days
     * @returns {string} an address
     */
    OctoPrintUptimeClient.prototype.historyCsvUrl = function (days) {
        return `${this.base.getBaseUrl()}${this.historyUrl}?days=${days}&format=csv`;
    };

    /**
     * Return the address of the report for whoever helps. It needs the system permission.
     *
     * @returns {string} an address
     */
    OctoPrintUptimeClient.prototype.reportUrl = function () {
        return this.base.getBaseUrl() + this.reportPath;
    };

    /**
     * Delete all ended entries of the history. Needs the settings permission.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise
     */
    OctoPrintUptimeClient.prototype.clearHistory = function (opts) {
        return this.base.simpleApiCommand("octoprint_uptime", "clear_history", {}, opts);
    };

    /**
     * Acknowledge the last unplanned end, for everyone.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise
     */
    OctoPrintUptimeClient.prototype.acknowledge = function (opts) {
        return this.base.simpleApiCommand("octoprint_uptime", "acknowledge", {}, opts);
    };

    /**
     * Send a test ping, also to an unsaved address. Needs the settings permission.
     *
     * @param {string} url the address of the monitor
     * @param {string} style "auto", "healthchecks", "uptime_kuma" or "plain"
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise of the monitor's answer
     */
    OctoPrintUptimeClient.prototype.testPing = function (url, style, opts) {
        return this.base.simpleApiCommand(
            "octoprint_uptime",
            "test_ping",
            {ping_url: url, ping_style: style},
            opts
        );
    };

    /**
     * Format an uptime exactly as the API does.
     *
     * @param {number} seconds any finite number; rounded down, and 0 if negative
     * @param {string} [format="full"] "full", "dhm", "dh", "d" or "short"
     * @returns {string} for example "1d 2h 3m 4s"
     * @throws {TypeError} if seconds is not a number
     * @throws {RangeError} if seconds is NaN or infinite, or the format is unknown
     */
    OctoPrintUptimeClient.prototype.format = function (seconds, format = "full") {
        if (typeof seconds !== "number") {
            throw new TypeError(
                `seconds must be a number, not ${JSON.stringify(seconds)}`
            );
        }
        if (!Number.isFinite(seconds)) {
            throw new RangeError(`seconds must be a finite number, not ${seconds}`);
        }
        if (!Object.keys(FORMATS).includes(format)) {
            throw new RangeError(`there is no format ${JSON.stringify(format)}`);
        }

        const {units, always, separator} = FORMATS[format];
        const parts = [];
        let rest = Math.max(0, Math.trunc(seconds));
        for (const [unit, length] of UNITS.slice(0, units.length)) {
            const count = Math.floor(rest / length);
            rest %= length;
            if (count || parts.length || always.includes(unit)) {
                parts.push(`${count}${unit}`);
            }
        }
        return parts.join(separator);
    };

    OctoPrintClient.registerPluginComponent("octoprint_uptime", OctoPrintUptimeClient);
    return OctoPrintUptimeClient;
});
