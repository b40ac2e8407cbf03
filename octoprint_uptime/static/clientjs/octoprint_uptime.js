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

    // For each display format: the units it has, those it never leaves out, and what
    // stands between them.
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
    };

    /**
     * The uptimes, as GET /api/plugin/octoprint_uptime answers them.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise of the answer
     */
    OctoPrintUptimeClient.prototype.get = function (opts) {
        return this.base.get(this.url, opts);
    };

    /**
     * What went down, as GET /plugin/octoprint_uptime/history answers it.
     *
     * @param {number} days how far back, at most the setting history_days
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise of the answer
     */
    OctoPrintUptimeClient.prototype.getHistory = function (days, opts) {
        return this.base.get(`${this.historyUrl}?days=${days}`, opts);
    };

    /**
     * Where the runs of OctoPrint are to be had as CSV.
     *
     * @param {number} days how far back, at most the setting history_days
     * @returns {string} an address
     */
    OctoPrintUptimeClient.prototype.historyCsvUrl = function (days) {
        return `${this.base.getBaseUrl()}${this.historyUrl}?days=${days}&format=csv`;
    };

    /**
     * Forget all that has ended; takes the settings permission.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise
     */
    OctoPrintUptimeClient.prototype.clearHistory = function (opts) {
        return this.base.simpleApiCommand("octoprint_uptime", "clear_history", {}, opts);
    };

    /**
     * Put the notice of the last unplanned end away, for everyone.
     *
     * @param {object} [opts] options for jQuery's ajax
     * @returns {Promise} a jQuery promise
     */
    OctoPrintUptimeClient.prototype.acknowledge = function (opts) {
        return this.base.simpleApiCommand("octoprint_uptime", "acknowledge", {}, opts);
    };

    /**
     * The text for an uptime, the same as the API's in that format.
     *
     * @param {number} seconds any finite number; fractions are cut, below zero counts as 0
     * @param {string} [format="full"] "full", "dhm", "dh", "d" or "short"
     * @returns {string} for example "1d 2h 3m 4s"
     * @throws {TypeError} if seconds is not a number
     * @throws {RangeError} if seconds is NaN or infinite, or there is no such format
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
