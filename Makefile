SHELL := /bin/bash
.DEFAULT_GOAL := help
# Two rules must not create environments at the same time.
.NOTPARALLEL:

OCTOPRINT ?= 1.11.8
PYTHON ?= python3
# The Debian releases that `make fresh` tests.
SUITES ?= bookworm trixie

# One virtual environment per OctoPrint version; tools/venv.sh creates it if missing or stale.
VENV := .venv/octoprint-$(OCTOPRINT)
BIN := $(VENV)/bin

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# Chromium without a window takes little more than half of the processor time. Chromium, Chrome or
# the browser in CHROMIUM replace it.
HEADLESS = chromium-headless-shell
INSTALLED = $(shell command -v $(HEADLESS) || command -v chromium || command -v google-chrome)
CHROMIUM_PACKAGE = $(HEADLESS)=$(or $(CHROMIUM),$(INSTALLED),$(HEADLESS))

MAKE_VENV := tools/venv.sh $(VENV) $(PYTHON) $(OCTOPRINT)

.PHONY: venv-develop test-environment
venv-develop:
	@$(MAKE_VENV) develop
test-environment:
	@$(MAKE_VENV) develop curl e2fsprogs=mkfs.ext4 strace $(CHROMIUM_PACKAGE)

node_modules: package-lock.json | venv-develop
	@PATH="$(abspath $(BIN)):$$PATH"; npm ci --no-audit --no-fund --loglevel error >/dev/null
	@touch $@

.PHONY: demo
demo: ## Serve an OctoPrint to try the plugin in; OCTOPRINT=2.0.0rc7 takes another version
	@$(MAKE_VENV) ""
	@$(BIN)/python tools/demo.py

.PHONY: test
test: test-environment node_modules ## Run all tests: unit, a real server, a real browser
	@$(BIN)/python -m pytest

.PHONY: fresh
fresh: ## Run the demo and the tests in bare Debians; needs root
	@tools/debian.sh mmdebstrap
	@$(PYTHON) tools/fresh.py $(SUITES)

.PHONY: farm-test
farm-test: venv-develop ## Run a small farm: three servers, a real Prometheus, a real MQTT broker
	@tools/debian.sh --services prometheus prometheus-alertmanager mosquitto
	@$(BIN)/python -m pytest tests/farm

# The newest Home Assistant for the newest Python here: 2025.5 needs Python 3.13.2.
HA_VERSION ?= 2025.4.4
HA_PYTHON ?= $(or $(shell ls -v $(HOME)/.pyenv/versions/3.13.*/bin/python 2>/dev/null | tail -1),python3.13)

.PHONY: ha-test
ha-test: venv-develop ## Run OctoPrints beside a real Home Assistant and a real MQTT broker
	@tools/debian.sh --services mosquitto
	@tools/hass.sh .venv/home-assistant $(HA_PYTHON) $(HA_VERSION)
	@$(BIN)/python -m pytest tests/home_assistant

.PHONY: systemd-test
systemd-test: venv-develop ## Run OctoPrint under a real systemd; needs root
	@tools/debian.sh --services systemd=/usr/lib/systemd/systemd \
		dbus=/usr/lib/systemd/system/dbus.service
	@$(BIN)/python -m pytest tests/systemd

.PHONY: browsers browsers-environment
browsers-environment:
	@$(MAKE_VENV) develop,browsers webkit2gtk-driver=WebKitWebDriver xvfb=Xvfb firefox-esr
browsers: browsers-environment ## Run the page's most important tests in WebKit and Firefox
	@$(BIN)/python -m pytest tests/browsers

.PHONY: matrix
matrix: test-environment ## Run unit, server and a few browser tests on every supported OctoPrint
	@$(BIN)/nox $(if $(SESSIONS),--sessions $(SESSIONS))

.PHONY: lint
lint: venv-develop node_modules ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/djlint --quiet --lint --extension jinja2 octoprint_uptime/templates
	@PATH="$(abspath $(BIN)):$$PATH"; npx eslint octoprint_uptime/static \
		&& npx stylelint "octoprint_uptime/static/**/*.css" \
		&& npx prettier --log-level warn --check octoprint_uptime/static eslint.config.js

.PHONY: bench
bench: venv-develop ## Measure what the plugin costs a real server; needs wrk
	@$(BIN)/python tools/bench.py

.PHONY: farm-scale
farm-scale: venv-develop ## Measure what 1,000 printers cost a Prometheus
	@tools/debian.sh --services prometheus
	@$(BIN)/python tools/farm_scale.py

.PHONY: soak
soak: ## Kill what writes the history 200 times, cut its power 2,000 times, look at the file
	@$(MAKE_VENV) develop strace
	@$(BIN)/python tools/soak.py

.PHONY: release
release: venv-develop ## Build sdist and wheel of a clean tree, check them, try the wheel everywhere
	@$(BIN)/python tools/release.py

.PHONY: screenshots
screenshots: ## Take the pictures in docs/ again
	@$(MAKE_VENV) develop $(CHROMIUM_PACKAGE)
	@$(BIN)/python tools/screenshots.py

.PHONY: translations
translations: venv-develop ## Extract, update, compile and bundle; LANGUAGE=fr begins another
	@$(BIN)/python tools/translations.py $(LANGUAGE)
