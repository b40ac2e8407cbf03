import js from "@eslint/js";
import compat from "eslint-plugin-compat";
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
    // The browsers are listed in package.json; the language is what all of them speak.
    compat.configs["flat/recommended"],
    {
        files: ["octoprint_uptime/static/**/*.js"],
        languageOptions: {
            ecmaVersion: 2018,
            sourceType: "script",
            globals: {...globals.browser, ...octoprint}
        },
        rules: {eqeqeq: "error", "no-var": "error", "prefer-const": "error"}
    }
];
