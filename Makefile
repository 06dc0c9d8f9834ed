# make demo   trains a small style network, serves it, paints a photograph
# make test   runs the tests
# make lint   ruff, ruff format --check, mypy
# make setup  only makes .venv with what is in requirements.txt
# make backends  runs the contract tests on JAX and on PyTorch
# make docs   builds the pages of docs/ and what they link to: build/docs/site
# make bazel  builds all and tests a little by Bazel; ARGS=//... tests all
# make peers  only makes .venv-peers, with the libraries to compare with
# Each makes or updates what it needs by itself.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

PEERS := .venv-peers
# These name libraries they need, one of them for CUDA alone.
WITHOUT_DEPS := lpips==0.1.4 piq==0.8.0 torchmetrics==1.9.0 torchvision==0.28.0

SITE := build/docs
# Laid out as here, so that a link that leads somewhere here does there, too.
LINKED := docs benchmarks/results percgen/pretrained serving/README.md

.PHONY: setup demo test lint format docs bazel backends peers

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "percgen needs Python 3.11 or later; try make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)
	$(VENV)/bin/python -m train.demo $(ARGS)

test: $(READY)
	$(VENV)/bin/python -m pytest --numprocesses=2 --max-worker-restart=0 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: $(READY)
	rm -rf $(SITE)
	mkdir -p $(SITE)/pages
	tar -chf - --exclude='*.npz' $(LINKED) | tar -xf - -C $(SITE)/pages
	mv $(SITE)/pages/docs/mkdocs.yml $(SITE)
	mv $(SITE)/pages/docs/front.html $(SITE)/pages/index.html
	$(VENV)/bin/zensical build --strict --config-file $(SITE)/mkdocs.yml
	@echo "Open $(SITE)/site/index.html; its search wants a server:"
	@echo "python -m http.server --bind 127.0.0.1 --directory $(SITE)/site 8080"

bazel: $(READY)
	tests/bazel/check $(VENV)/bin $(or $(ARGS),--test_size_filters=small //...)

peers: $(PEERS)/.ready

$(PEERS)/.ready: requirements.txt benchmarks/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r benchmarks/requirements.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(WITHOUT_DEPS)
	@touch $@

backends: $(PEERS)/.ready
	KERAS_BACKEND=jax $(PEERS)/bin/python -m pytest tests/test_contracts.py tests/test_comparator_contracts.py
	KERAS_BACKEND=torch $(PEERS)/bin/python -m pytest tests/test_contracts.py tests/test_comparator_contracts.py
