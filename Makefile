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

.PHONY: venv
venv:
	@tools/venv.sh $(VENV) $(PYTHON) $(OCTOPRINT)

.PHONY: demo
demo: venv ## Serve a demo OctoPrint with the plugin (OCTOPRINT=2.0.0rc7 for another version)
	@$(BIN)/python tools/demo.py

.PHONY: test
test: venv ## Run all tests: unit, server, browser
	@tools/chromium.sh $(BIN)
	@$(BIN)/python -m pytest

.PHONY: matrix
matrix: venv ## Run the server tests on every supported OctoPrint and Python
	@$(BIN)/nox

.PHONY: lint
lint: venv ## Check style and types: Python, JavaScript, CSS, templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/djlint --quiet --lint octoprint_uptime/templates
	@tools/eslint.sh

.PHONY: bench
bench: venv ## Measure what the plugin costs a real server
	@$(BIN)/python tools/bench.py

.PHONY: translations
translations: venv ## Extract, update, compile and bundle the translations
	@$(BIN)/python tools/translations.py
