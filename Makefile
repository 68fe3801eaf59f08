# Every target works on a bare machine with Python >= 3.11, gcc, make and git:
# the first one called builds .venv from pyproject.toml and the pinned versions in constraints.txt.

PYTHON ?= python3
PYTEST_ARGS ?= -n 2 --dist loadfile
ARGS ?=

RESULTS := benchmarks/results/bench
# A second exposure of an image, to score against as well: for now the one pair that matches exactly.
PAIR := nuclei_pair_low_yx_u16=$(INIF_DATA)/nuclei_pair_high_yx_u16.ome.tif
REFERENCES = $(if $(wildcard $(lastword $(subst =, ,$(PAIR)))),--reference $(PAIR))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

# INIF_DATA (a folder of real images) reaches tests and benchmarks through the environment:
#   INIF_DATA=/path/to/images make test

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-machines test-viewers test-oldest test-newest check format bench bench-full bench-report bench-fit bench-matrix \
        bench-legacy bench-optim bench-guidance pretrain docs fuzz sanitize wheel test-arm64 test-compilers clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## compress a bundled image, decode it, judge it; figure in demo-out/ (about a minute)
	$(BIN)/python examples/demo.py $(ARGS)

test: $(STAMP) ## run the tests (minutes)
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(ARGS)

test-slow: $(STAMP) ## what takes long (INIF_DATA: real images too), and more examples of properties
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "slow or hypothesis" --hypothesis-profile=thorough $(ARGS)

# In an environment of its own, which the script makes, with the system packages that it needs.
# Warnings of real viewers are not ours, so they are no errors.
test-viewers: ## real viewers: Neuroglancer, zarrita, napari, in a browser and on a virtual screen
	PYTHON=$(PYTHON) tests/viewers/setup.sh
	xvfb-run -a .venv-viewers/bin/python -m pytest tests/viewers -o filterwarnings=default --disable-warnings $(ARGS)

test-machines: $(STAMP) ## the tests of arithmetic as other processors would run them
	$(BIN)/python benchmarks/machines.py $(ARGS)

test-oldest: RESOLUTION := lowest-direct
test-oldest: ## make test with the lowest versions that pyproject.toml allows, in .venv-oldest

test-newest: RESOLUTION := highest
test-newest: ## make test with the newest versions there are, in .venv-newest

# uv resolves to the lowest direct versions, which pip cannot; it gets an environment of its own.
UV := .venv-uv/bin/uv
test-oldest test-newest: VERSIONS = .venv-$(@:test-%=%)
test-oldest test-newest: $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(VERSIONS)
	$(UV) pip compile --quiet --python $(VERSIONS) --resolution $(RESOLUTION) --extra all --group dev \
	  --output-file $(VERSIONS)/requirements.txt pyproject.toml
	$(UV) pip install --quiet --python $(VERSIONS) -r $(VERSIONS)/requirements.txt
	$(UV) pip install --quiet --python $(VERSIONS) --no-deps --editable .
	$(VERSIONS)/bin/python -m pytest $(PYTEST_ARGS) $(ARGS)

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv

check: $(STAMP) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## rewrite the sources to the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## every rival on the bundled image; tables and figures in bench-out/ (minutes)
	$(BIN)/inif-bench run --data examples --results bench-out/results --seconds 10 --again $(ARGS)
	$(BIN)/inif-bench report --results bench-out/results --docs bench-out

bench-full: $(STAMP) ## every rival on every image of INIF_DATA (hours; goes on where it stopped)
	@test -d "$$INIF_DATA" || { echo "error: set INIF_DATA to a folder of images" >&2; exit 2; }
	$(BIN)/inif-bench run --data "$$INIF_DATA" --results $(RESULTS) $(REFERENCES) $(ARGS)
	$(MAKE) bench-report

bench-report: $(STAMP) ## docs/benchmark.md and its figures from the JSON
	$(BIN)/inif-bench report --results $(RESULTS) --docs docs

bench-fit: $(STAMP) ## speed, access, memory, and the field against a SIREN as published (minutes)
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/field_vs_published.py $(ARGS)

bench-matrix: $(STAMP) ## every image of INIF_DATA at four ratios (an hour)
	$(BIN)/python benchmarks/matrix.py $(ARGS)

bench-legacy: $(STAMP) ## the authors' networks converted: make bench-legacy ARGS=folder
	$(BIN)/python benchmarks/legacy.py $(ARGS)

bench-optim: $(STAMP) ## every optimizer over a sweep of learning rates; docs/optimizers.md (an hour or two)
	$(BIN)/python benchmarks/optim.py $(ARGS)
	$(BIN)/python benchmarks/optim_page.py

bench-guidance: $(STAMP) ## guided, unguided and HEVC by other judges; docs/guidance.md (half an hour)
	$(BIN)/python benchmarks/guidance.py $(ARGS)
	$(BIN)/python benchmarks/guidance_page.py

pretrain: $(STAMP) ## the conditional field's networks: make pretrain ARGS="--cache DIR" (half an hour)
	cd benchmarks && ../$(BIN)/python -m pretrain $(ARGS)

docs: $(DOCS_STAMP) ## the documentation as a site in site/; broken links fail
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean $(ARGS)  # with --quiet, warnings pass
	@echo "open site/index.html"

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group docs
	@touch $@

fuzz: $(STAMP) ## 10 000 damaged files against the reader
	$(BIN)/python benchmarks/fuzz.py --save --corpus tests/golden $(ARGS)

# With GCC and CMake, in a folder of its own; -S keeps the environment's build of inif out.
SANITIZED := build/sanitize
SANITIZERS = LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so.6)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  PYTHONPATH=$(SANITIZED):$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

sanitize: $(STAMP) ## the core's tests and 100 000 damaged inputs under sanitizers (a quarter of an hour)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "nanobind>=3.1" cmake
	$(BIN)/cmake -S . -B $(SANITIZED)/cmake -DCMAKE_BUILD_TYPE=Release -DINIF_SANITIZE=ON \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python \
	  -Dnanobind_DIR="$$($(BIN)/python -m nanobind --cmake_dir)"
	$(BIN)/cmake --build $(SANITIZED)/cmake
	rm -rf $(SANITIZED)/inif && cp -r src/inif $(SANITIZED)/inif
	rm -f $(SANITIZED)/inif/latent/_core*.so && cp $(SANITIZED)/cmake/_core*.so $(SANITIZED)/inif/latent/
	$(SANITIZERS) $(BIN)/python -S -m pytest -p no:cacheprovider tests/unit/test_latent_core.py tests/unit/test_latent_repair.py
	$(SANITIZERS) $(BIN)/python -S benchmarks/latent/fuzz.py $(ARGS)

# In an environment of its own; what depends on arithmetic is tried in the wheel, not in the checkout.
TRIED := .venv-wheel
wheel: ## this machine's wheel in dist/, then tried without a compiler (minutes)
	rm -rf $(TRIED) dist/*.whl && $(PYTHON) -m venv $(TRIED)
	$(TRIED)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(TRIED)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl click hypothesis pytest
	$(TRIED)/bin/python tests/wheel.py
	$(TRIED)/bin/python -m pytest -p no:cacheprovider tests/unit/test_latent_core.py \
	  tests/unit/test_latent_transform.py tests/unit/test_latent_repair.py

test-arm64: ## the core built for arm64, emulated, gives the digests of this machine (a minute)
	$(PYTHON) tests/core/machines.py native no-avx2 arm64 $(ARGS)

test-compilers: ## the same with all compilers and processors that can be had (minutes)
	$(PYTHON) tests/core/machines.py --record benchmarks/results/latent_machines.json $(ARGS)

clean: ## remove what was made, except the environment
	rm -rf demo-out bench-out site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src bench tests benchmarks examples -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the environment as well
	rm -rf $(VENV) $(TRIED) .venv-uv .venv-oldest .venv-newest .venv-viewers

# The environment is rebuilt in place when its inputs change.
$(STAMP): pyproject.toml bench/pyproject.toml constraints.txt src/inif/_version.py CMakeLists.txt $(wildcard src/core/*)
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: '$(PYTHON)' was not found; install Python 3.11 or newer, or name yours: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: inif needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "error: no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "installing inif and its tools into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'  # knows dependency groups
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]' -e ./bench --group dev
	@touch $@
