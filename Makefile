# One course on this server. `make help` tells what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
STACK ?= dev
PYTHON ?= python3
ENV := . ./env.sh &&

.PHONY: help up preview down password ready parts test check quick lock clean
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
	@echo "  STACK=$(STACK) is the stack; make up STACK=physics takes Pulumi.physics.yaml"

up: ready stack ## bring the course up (or up to date), wait for a login, print the address
	@$(ENV) if [ "$$(pulumi config get --path hub.student.runtime --stack $(STACK) 2>/dev/null)" = gvisor ]; then \
	  $(PYTHON) -m machine gvisor; fi
	@$(ENV) pulumi up --yes --skip-preview --stack $(STACK)
	@$(ENV) { pulumi stack output password --show-secrets --stack $(STACK) 2>/dev/null || true; } | \
	  $(PYTHON) -m machine login $$(. ./env.sh && for output in here somebody; do pulumi stack output $$output --stack $(STACK); done)

preview: .venv/ready stack ## what `make up` would change; changes nothing
	@$(ENV) pulumi preview --diff --stack $(STACK)

down: stack ## remove hub and cluster; the students' work is kept
	@$(ENV) pulumi destroy --yes --skip-preview --stack $(STACK)

password: ## the password of a development stack
	@$(ENV) pulumi stack output password --show-secrets --stack $(STACK)

ready: .venv/ready ## make this server ready: packages, ZFS, Docker, tools and images
	@$(PYTHON) -m machine ready

parts: ## only get tools and images
	@$(PYTHON) -m machine parts

test: ready .venv/dev ## all tests: style, types, unit, graph, hub, host, the provider's and the whole system's
	@$(ENV) ruff check . && ruff format --check . && mypy .
	@cd offline/go/command && CGO_ENABLED=0 go test -trimpath ./... # as it is built, so that little is compiled again
	@echo "the tests run two at a time: those of the whole system, most of an hour, and beside them all others"
	@$(ENV) python -m pytest --maxfail=3 --durations=40 -n 2 --dist loadfile --no-loadscope-reorder \
	  tests/e2e tests/unit tests/graph tests/hub tests/host

check: .venv/ready ## try, from a pod like a student's, who can talk to whom in the running course
	@$(ENV) ./coursehub --stack $(STACK) check

quick: .venv/dev ## the quick tests alone: style, types, unit and graph
	@$(ENV) ruff check . && ruff format --check . && mypy . && python -m pytest tests/unit tests/graph

lock: ## write requirements.lock anew: what pip takes today for requirements.txt and requirements-dev.txt
	@$(PYTHON) -m venv .venv/lock
	@.venv/lock/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@{ head -1 requirements.lock; .venv/lock/bin/pip freeze; } > .venv/requirements.lock
	@mv .venv/requirements.lock requirements.lock
	@rm -rf .venv/lock

clean: ## forget the virtual environment; state, tools and students' work stay
	@rm -rf .venv

.PHONY: stack
stack: .venv/ready
	@$(ENV) command -v pulumi >/dev/null || { echo "pulumi is not on this server yet: \`make ready\` gets it"; exit 1; }
	@$(PYTHON) -m machine unlock $(STACK)
	@$(ENV) pulumi stack select --create $(STACK) >/dev/null
	@$(ENV) pulumi config get parts --stack $(STACK) >/dev/null 2>&1 || { \
	  way=$$($(PYTHON) -m machine way); pulumi config set parts "$$way" --stack $(STACK); \
	  echo "wrote coursehub:parts: $$way into Pulumi.$(STACK).yaml"; }

.venv/ready: requirements.txt requirements.lock
	@$(PYTHON) -m machine python
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -c requirements.lock
	@touch $@

.venv/dev: .venv/ready requirements-dev.txt requirements-checkov.txt
	@.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c requirements.lock
	@$(PYTHON) -m venv .venv/checkov
	@.venv/checkov/bin/pip install --quiet --disable-pip-version-check -r requirements-checkov.txt
	@touch $@
