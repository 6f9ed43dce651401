# Every target sets up what it needs: a fresh machine wants only Python 3.11+, make and a network.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
STRIPE_CLI := .stripe-cli/node_modules/@stripe/cli/package.json

.PHONY: demo test lint bench stories stripe-cli clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)            ## a believable month on a simulated Stripe, the drift report, and the service
	$(VENV)/bin/reconciler demo $(ARGS)

test: $(STAMP) lint stripe-cli ## lint, types and every test
	$(VENV)/bin/python -m pytest

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(STAMP)           ## speed, as ratios against a reference in the same run
	$(VENV)/bin/python -m bench

stories: $(STAMP)         ## thousands of stories of commands, faults and crashes; ARGS="--help" tells more
	$(VENV)/bin/python -m tests.stories $(ARGS)

corpus: $(STAMP)          ## 1,000 planted differences, and what the reports say of them
	$(VENV)/bin/python -m tests.corpus --differences 1000 $(ARGS)

stripe-cli:               ## the official Stripe CLI for the tests, where npm is there to bring it
	@test -e $(STRIPE_CLI) || npm install --prefix .stripe-cli --ignore-scripts --no-audit \
	  --no-fund --loglevel=error @stripe/cli@1.52.0 || echo "without npm, tests do without the Stripe CLI"

clean:
	rm -rf $(VENV) .stripe-cli .pytest_cache .mypy_cache .ruff_cache
