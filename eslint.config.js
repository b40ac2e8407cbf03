import js from "@eslint/js";
import compat from "eslint-plugin-compat";
import esX from "eslint-plugin-es-x";
import globals from "globals";

const octoprint = {
    OCTOPRINT_VIEWMODELS: "readonly",
    PNotify: "readonly",
    copyToClipboard: "readonly",
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

// Arrays have methods of the same names, and had them long before.
const iteratorMethods = Object.keys(esX.rules)
    .filter((rule) => rule.startsWith("no-iterator-prototype-"))
    .map((rule) => [`es-x/${rule}`, "off"]);

export default [
    js.configs.recommended,
    // The browsers are listed in package.json; the language is what all of them speak.
    compat.configs["flat/recommended"],
    esX.configs["flat/restrict-to-es2018"],
    {
        files: ["octoprint_uptime/static/**/*.js"],
        // Methods too, of whatever they may be.
        settings: {"es-x": {aggressive: true}},
        languageOptions: {
            ecmaVersion: 2018,
            sourceType: "script",
            globals: {...globals.browser, ...octoprint}
        },
        rules: {
            ...Object.fromEntries(iteratorMethods),
            eqeqeq: "error",
            "no-var": "error",
            "prefer-const": "error"
        }
    }
];
