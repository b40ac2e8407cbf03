import js from "@eslint/js";
import globals from "globals";

const octoprint = {
    OCTOPRINT_VIEWMODELS: "readonly",
    PNotify: "readonly",
    showConfirmationDialog: "readonly",
    OctoPrint: "readonly",
    LOCALE: "readonly",
    $: "readonly",
    _: "readonly",
    gettext: "readonly",
    ngettext: "readonly",
    ko: "readonly",
    define: "readonly"
};

export default [
    js.configs.recommended,
    {
        files: ["octoprint_uptime/static/**/*.js"],
        languageOptions: {
            ecmaVersion: 2020,
            sourceType: "script",
            globals: {...globals.browser, ...octoprint}
        },
        rules: {eqeqeq: "error", "no-var": "error", "prefer-const": "error"}
    }
];
