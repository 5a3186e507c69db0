# Almanac. `make` alone lists what there is to do.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up down reset backup restore logs test drill-isolation drill-kill drill-jobs drill-tenants drill-audit check lock install install-dev python

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
RUN := .venv/bin/python
UV := $(or $(shell command -v uv 2>/dev/null),.venv/bin/uv)
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --python .venv/bin/python

# Compiling every module anew takes two thirds of a start. Who wants no bytecode beside the sources gets it into .venv.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/pycache
endif

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20
	@echo
	@echo '  HOST=… PORT=… move it; DATABASE_URL=… REDIS_URL=… use your own servers; ALMANAC_VAR=… keeps its state elsewhere.'

up: install ## Install, start everything, train, and print a first forecast (Ctrl-C stops)
	@exec $(RUN) -m deploy.local up

down: ## Stop what `make up` started in another terminal
	@if [ -x $(RUN) ]; then exec $(RUN) -m deploy.local down; else echo 'Almanac is not running.'; fi

reset: ## Delete all data, after asking (FORCE=1 does not ask)
	@if [ -x $(RUN) ]; then exec $(RUN) -m deploy.local reset $(if $(filter 1,$(FORCE)),--force); else echo 'There is nothing to delete.'; fi

backup: install ## Back up databases, files, queue and secrets into a new folder below TO=…
	@exec $(RUN) -m deploy.local backup --to '$(TO)' $(if $(filter 1,$(WITHOUT_SECRETS)),--without-secrets)

restore: install ## Bring a backup back: FROM=… (FORCE=1 replaces what is there, after asking)
	@exec $(RUN) -m deploy.local restore --from '$(FROM)' $(if $(filter 1,$(FORCE)),--force)

logs: install ## Follow the logs of all processes
	@exec $(RUN) -m deploy.local logs

test: install-dev ## Run all the tests (ARGS='-k name' chooses)
	@exec $(RUN) -m pytest -n 2 --dist loadfile $(ARGS)

drill-isolation: install-dev ## Search 10,000 steps of three tenants for anything of one that another sees (about ten minutes)
	@ALMANAC_DRILL=1 exec $(RUN) -m pytest tests/isolation -s -v

drill-kill: install-dev ## Kill each process of a whole stack while a training runs (about five minutes)
	@ALMANAC_DRILL=1 exec $(RUN) -m pytest tests/faults/test_drill.py -s -v

drill-jobs: install-dev ## Kill a hundred processes while trainings run, and see each done once (about half an hour)
	@ALMANAC_DRILL=1 exec $(RUN) -m pytest tests/faults/test_jobs_drill.py -s -v

drill-tenants: install-dev ## Kill the making and the erasing of tenants at twenty moments each (about ten minutes)
	@ALMANAC_DRILL=1 exec $(RUN) -m pytest tests/faults/test_tenant_drill.py -s -v

drill-audit: install-dev ## Tamper with an audit log a thousand times and see each found (about three minutes)
	@ALMANAC_DRILL=1 exec $(RUN) -m pytest tests/audit/test_tampering.py -s -v

check: install-dev ## Run the linters, type checks, import contracts and migration check
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports
	DJANGO_SETTINGS_MODULE=config.settings.test $(RUN) manage.py makemigrations --check --dry-run

lock: install-dev ## Lock the packages of requirements/*.in again, with hashes
	$(COMPILE) requirements/base.in -o requirements/base.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt

install: python
	@$(PYTHON) -m deploy.local.bootstrap base

install-dev: python
	@$(PYTHON) -m deploy.local.bootstrap dev

python:
	@if [ -z "$(PYTHON)" ]; then echo 'almanac: Python was not found. Install Python 3.11 or newer.' >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "almanac: Python %d.%d is too old. Install Python 3.11 or newer, or name one: make up PYTHON=/path/to/python3." % sys.version_info[:2])'
