SHELL := /bin/bash
.DEFAULT_GOAL := help

OCTOPRINT ?= 1.11.8
PYTHON ?= python3

# One virtual environment per OctoPrint, made by tools/venv.sh where it is missing or stale.
VENV := .venv/octoprint-$(OCTOPRINT)
BIN := $(VENV)/bin

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: venv venv-develop
venv:
	@tools/venv.sh $(VENV) $(PYTHON) $(OCTOPRINT)
venv-develop:
	@tools/venv.sh $(VENV) $(PYTHON) $(OCTOPRINT) develop

node_modules: package-lock.json | venv-develop
	@PATH="$(abspath $(BIN)):$$PATH"; npm ci --no-audit --no-fund --loglevel error >/dev/null
	@touch $@

.PHONY: demo
demo: venv ## Serve an OctoPrint to try the plugin in; OCTOPRINT=2.0.0rc7 takes another version
	@$(BIN)/python tools/demo.py

.PHONY: test
test: venv-develop node_modules ## Run all tests: unit, a real server, a real browser
	@tools/chromium.sh $(BIN)
	@$(BIN)/python -m pytest

.PHONY: farm-test
farm-test: venv-develop ## Run a small farm: three servers, a real Prometheus, a real MQTT broker
	@tools/debian.sh prometheus mosquitto
	@$(BIN)/python -m pytest tests/farm

.PHONY: matrix
matrix: venv-develop ## Run unit, server and a few browser tests on every supported OctoPrint
	@tools/chromium.sh $(BIN)
	@$(BIN)/nox $(if $(SESSIONS),--sessions $(SESSIONS))

.PHONY: lint
lint: venv-develop node_modules ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/djlint --quiet --lint --extension jinja2 octoprint_uptime/templates
	@PATH="$(abspath $(BIN)):$$PATH"; npx eslint octoprint_uptime/static \
		&& npx prettier --log-level warn --check octoprint_uptime/static eslint.config.js

.PHONY: bench
bench: venv-develop ## Measure what the plugin costs a real server; needs wrk
	@$(BIN)/python tools/bench.py

.PHONY: farm-scale
farm-scale: venv-develop ## Measure what 1,000 printers cost a Prometheus
	@tools/debian.sh prometheus
	@$(BIN)/python tools/farm_scale.py

.PHONY: soak
soak: venv-develop ## Kill what writes the history 200 times and look at the file
	@$(BIN)/python tools/soak.py

.PHONY: release
release: venv-develop ## Build sdist and wheel of a clean tree, check them, try the wheel everywhere
	@$(BIN)/python tools/release.py

.PHONY: screenshots
screenshots: venv-develop ## Take the pictures in docs/ anew
	@tools/chromium.sh $(BIN)
	@$(BIN)/python tools/screenshots.py

.PHONY: translations
translations: venv-develop ## Extract, update, compile and bundle; LANGUAGE=fr begins another
	@$(BIN)/python tools/translations.py $(LANGUAGE)
