# `make` lists what there is. Each sets up by itself what it needs of .venv, once: BOOK is in LAB, and LAB is in TEST.

PORT ?= 8000
EPUB ?= _build/pixel-art-diffusion.epub
# One more than two processors: some tests wait, for a server or for a time limit.
JOBS ?= 3
# A file is run by one job; the longest come first, in the order of tests/conftest.py.
SHARED := --dist loadfile --no-loadscope-reorder
PROFILE ?= smoke
# The pins were resolved with Python 3.11, so it comes first; python3 is last and may have to explain itself.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import ensurepip' 2>/dev/null && echo $$p && exit; done; command -v python3)

# The tests start hundreds of processes: with this variable set, each of them would compile every module again.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
BOOK := .venv/.ready-book
LAB := .venv/.ready-lab
TEST := .venv/.ready-test

.DEFAULT_GOAL := help
.PHONY: help book html epub lab test check all-tests quick-tests test-gpu course course-in-colab tracking-server images \
	notebooks links release lint format pins clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

book: port-is-free html ## build the book and serve it on http://localhost:8000 (another port: PORT=8001)
	@$(BIN)/python tools/serve.py $(PORT) _build/html

html: $(BOOK) ## build the book into _build/html; SOLUTIONS=0 leaves the solutions out
ifeq ($(SOLUTIONS),0)
	rm -rf _build # pages of an earlier build must not stay
	mkdir _build
	sed '/caption: Solutions/,$$d' _toc.yml > _build/_toc.yml
	SOLUTIONS=0 $(BIN)/jupyter-book build . -W -n --keep-going --toc _build/_toc.yml
else
	$(BIN)/jupyter-book build . -W -n --keep-going
endif

epub: html ## bind the book into one file for e-readers, _build/pixel-art-diffusion.epub; another: EPUB=NAME
	$(BIN)/python tools/epub.py _build/html "$(EPUB)" $(if $(filter 0,$(SOLUTIONS)),--toc _build/_toc.yml)

lab: $(LAB) ## open the chapters and exercises in JupyterLab
	@$(BIN)/jupyter trust chapters/*.ipynb > /dev/null # else JupyterLab strips stored plots down to their words
	OMP_WAIT_POLICY=$${OMP_WAIT_POLICY-PASSIVE} $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/chapters $(if $(filter 0,$(shell id -u)),--allow-root)

# One thread for each of the jobs: threads of two jobs that wait for each other cost ten times what they gain.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(SHARED)
# The type checker keeps one processor busy for half a minute, beside which tests can start; -k: each says all it finds.
BOTH = @$(MAKE) --no-print-directory -k -j 2 lint

test: ## check the code's style, and run all tests, the notebooks included; JOBS=3 at a time
	$(BOTH) all-tests

check: ## a quick look while you work: style, and the tests that are neither slow nor in a browser
	$(BOTH) quick-tests

all-tests: $(TEST)
	@$(PYTEST) tests pixel_edu chapters --nbval-lax --nbval-current-env --cpu

quick-tests: JOBS = 2 # none of them waits, and each further job imports everything once more
quick-tests: $(TEST)
	@$(PYTEST) -m "not slow and not browser and not gpu" tests pixel_edu

test-gpu: $(TEST) ## run the tests that need a GPU
	$(BIN)/python -m pytest -m gpu tests

course: $(LAB) ## run every chapter and solution; PROFILE=smoke (quick), cpu or gpu
	$(BIN)/pixel-edu course run --profile $(PROFILE)

course-in-colab: ## the same, quickly, in Colab's image; needs docker
	docker run --rm -v "$(CURDIR):/course" -w /course --entrypoint bash \
		us-docker.pkg.dev/colab-images/public/cpu-runtime tools/in_colab.sh

tracking-server: $(TEST) ## run an MLflow server on PostgreSQL; another port: PORT=5001
	@$(BIN)/pixel-edu track server --port $(if $(filter command line environment,$(origin PORT)),$(PORT),5000)

images: $(LAB) ## build the container images and try them, with docker or podman
	$(BIN)/python docker/try.py

notebooks: $(LAB) ## execute the chapters again, in place
	$(BIN)/pixel-edu course notebooks

links: $(BOOK) ## see whether the links out of the book lead somewhere; needs the network
	$(BIN)/jupyter-book build . --builder linkcheck

release: $(BOOK) ## build the wheel and the notes of a release into dist/; TAG=v1.2.0
	$(BIN)/python tools/release.py "$(TAG)"

lint: $(TEST) ## check the code's style and types
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/basedpyright --level error
	@$(BIN)/deno fmt --quiet --check
	@$(BIN)/deno lint --quiet

format: $(TEST) ## fix the code's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/deno fmt --quiet

pins: $(BOOK) ## resolve constraints.txt anew (UPGRADE=1: to the newest versions)
	$(BIN)/python tools/pins.py $(if $(UPGRADE),--upgrade)

clean: ## remove the built book and the caches; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: port-is-free
port-is-free: python-is-there
	@$(PYTHON) tools/serve.py --probe $(PORT)

.PHONY: python-is-there
python-is-there:
	@test -n "$(PYTHON)" || { echo "error: no Python found: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) tools/check_python.py

$(BOOK) $(LAB) $(TEST): .venv/.ready-%: pyproject.toml constraints.txt tools/set_up.py | python-is-there
	@$(PYTHON) tools/set_up.py $*
