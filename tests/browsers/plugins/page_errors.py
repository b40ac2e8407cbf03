"""A plugin that collects the page's errors in ``window.pageErrors``, from its very start."""

import octoprint.plugin
import octoprint.server

COLLECTOR = """<script>
window.pageErrors = [];
window.addEventListener("error", ({message, filename, error}) =>
    window.pageErrors.push(`${message} ${filename} ${error && error.stack}`));
window.addEventListener("unhandledrejection", ({reason}) =>
    window.pageErrors.push(`${reason} ${reason && reason.stack}`));
const logError = console.error;
console.error = (...parts) => {
    window.pageErrors.push(parts.map((part) => `${part} ${(part && part.stack) || ""}`).join(" "));
    logError.apply(console, parts);
};
</script>"""


class PageErrorsPlugin(octoprint.plugin.StartupPlugin):
    def on_startup(self, host, port):
        octoprint.server.app.after_request(with_collector)


def with_collector(response):
    if response.mimetype == "text/html" and not response.direct_passthrough:
        page = response.get_data(as_text=True)
        response.set_data(page.replace("<head>", f"<head>{COLLECTOR}", 1))
    return response


__plugin_name__ = "Page errors"
__plugin_pythoncompat__ = ">=3.9,<4"
__plugin_implementation__ = PageErrorsPlugin()
