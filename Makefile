# make demo | test | lint: each makes and uses .venv; a second run installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq -c constraints.txt
# Of some twenty thousand modules tests use a part: those are compiled when they are imported.
LAZY := --no-compile
BUILD := hatchling editables numba
DEPS := pyproject.toml constraints.txt
# A process a core; each takes test files whole, in the order of tests/support/balance.py.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# The viewer's tests need a display; where there is none, xvfb's, if it is installed.
DISPLAY_RUN = $(if $(DISPLAY),,$(if $(shell command -v xvfb-run),xvfb-run -a))
# Tests start some hundred processes: modules are compiled once, also where a container's environment
# has Python keep nothing.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help venv demo kernels test test-fast test-long test-napari lint format wheel clean
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# --- the environment: a stamp for each set of packages -----------------------------------------

$(VENV)/.venv-made:
	@bash tools/make_venv.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.base-installed: $(VENV)/.venv-made $(DEPS)
	@echo "installing lerf into $(VENV)"
	@$(PIP) -e .
	@touch $@

# torch goes first, under its constraint, so that nothing else chooses its build. What builds lerf
# is needed for tests as well: an environment of its own for it would be installed each time.
$(VENV)/.test-installed: $(VENV)/.venv-made $(DEPS)
	@echo "installing lerf with its test set into $(VENV)"
	@$(PIP) $(LAZY) torch $(BUILD)
	@$(PIP) $(LAZY) --no-build-isolation -e '.[test,train]'
	@touch $@ $(VENV)/.base-installed

$(VENV)/.lint-installed: $(VENV)/.venv-made $(DEPS)
	@echo "installing lerf with its linters into $(VENV)"
	@$(PIP) $(LAZY) $(BUILD)
	@$(PIP) $(LAZY) --no-build-isolation -e '.[lint]'
	@touch $@ $(VENV)/.base-installed

venv: $(VENV)/.test-installed $(VENV)/.lint-installed ## everything a developer needs

# --- what people run -----------------------------------------------------------------------------

demo: $(VENV)/.base-installed ## install lerf (without torch) and resample real photographs into demo/
	@bash examples/demo.sh "$(BIN)" demo

# After a change of kernels; else there is nothing to do.
kernels: $(VENV)/.test-installed ## compile the kernels for this processor
	@$(BIN)/python -m lerf_core.backends.numba.building.build

test: kernels ## run the tests; ARGS="-k name" picks some
	@$(DISPLAY_RUN) env $(PYTEST) $(PARALLEL) $(ARGS)

test-fast: kernels ## the tests that take no more than a moment
	@$(DISPLAY_RUN) env $(PYTEST) $(PARALLEL) -m "not slow and not long" $(ARGS)

# Some are runs of many minutes of their own. Where hypothesis draws, it draws more than in `make test`.
test-long: $(VENV)/.test-installed ## kernels of every level, and the combinations that test leaves out
	@$(BIN)/python -m lerf_core.backends.numba.building.build --all
	@$(DISPLAY_RUN) env $(PYTEST) -n auto --dist load -m long $(ARGS)
	@$(DISPLAY_RUN) env LERF_TEST_EXAMPLES=4 $(PYTEST) $(PARALLEL) -m "hypothesis and not long" $(ARGS)

# Of other versions of napari and of another Qt binding, each pair in an environment of its own; all
# tests, since most look at a window in test-long alone.
NAPARI ?= 0.9
QT ?= pyqt6
NAPARI_VENV = $(VENV)-napari-$(NAPARI)-$(QT)

test-napari: ## the plugin's tests in another napari: NAPARI=0.7 (0.7.1, ...) QT=pyqt6 or pyside6
	@bash tools/make_venv.sh "$(PYTHON)" "$(NAPARI_VENV)"
	@$(NAPARI_VENV)/bin/python -m pip --disable-pip-version-check install -qq $(BUILD)
	@$(NAPARI_VENV)/bin/python -m pip --disable-pip-version-check install -qq --no-build-isolation \
		-e '.[test-napari]' 'napari==$(NAPARI).*' $(BINDING_$(QT))
	@$(NAPARI_VENV)/bin/python -m lerf_core.backends.numba.building.build
	@$(DISPLAY_RUN) env QT_API=$(QT) $(NAPARI_VENV)/bin/python -m pytest tests/plugins/napari \
		-m "long or not long" $(ARGS)

BINDING_pyqt6 := PyQt6
# Of 6.12.0 Python before 3.12 dies.
BINDING_pyside6 := 'pyside6-essentials>=6.7,!=6.11.0,!=6.11.1,!=6.12.0'

lint: $(VENV)/.lint-installed ## format check, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.lint-installed ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

wheel: $(VENV)/.venv-made ## build dist/lerf-*.whl
	@$(BIN)/python -m pip --disable-pip-version-check wheel -qq --no-deps -w dist .
	@ls dist/lerf-*.whl

clean: ## remove the environment, caches and results
	rm -rf $(VENV) $(VENV)-napari-* demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find lerf_core lerf_cli lerf_plugins training tests -name __pycache__ -type d -prune -exec rm -rf {} +
