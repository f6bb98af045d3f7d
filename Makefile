# Counterpoise: every target does its own set-up on a machine that has Python 3.11, pip and make.
# Bytecode is written on purpose: importing TensorFlow without it takes more than twice as long.
unexport PYTHONDONTWRITEBYTECODE
export TF_CPP_MIN_LOG_LEVEL ?= 3
export KERAS_BACKEND ?= tensorflow
export NO_MKDOCS_2_WARNING := 1

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= demo-run

.DEFAULT_GOAL := help
.PHONY: help demo test test-floors test-processes soak lint docs package pictures bench bench-train bench-memory bench-data bench-decide bench-images bench-page bench-growth clean lock

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

# One stamp per requirement set; each installs the package itself, editable and without resolving again.
$(VENV)/.%: requirements/%.txt pyproject.toml $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements/$*.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements/build.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	-$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1
	touch $@

demo: $(VENV)/.demo                     ## the main job on real data: diagnosis, leaderboard, verdict, report, model
	$(BIN)/counterpoise demo --out $(OUT)

# Two processes, each with whole files, so that what a file trains once stays trained once.
test: $(VENV)/.test                     ## every test: unit tests, laws, doctests
	$(BIN)/python -m pytest -n 2 --dist loadfile

# A tenth of the suite, in an environment of its own.
FLOORS = tests/core tests/plans tests/data/test_values.py tests/data/test_columns.py tests/networks/test_network.py \
	tests/engines/test_start_bias.py tests/engines/test_dropout_masks.py tests/classifier/test_classifier.py \
	tests/cli/test_main.py

.venv-floors/.made: requirements/floors.txt
	$(PYTHON) -m venv --clear .venv-floors
	.venv-floors/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements/floors.txt
	touch $@

test-floors: .venv-floors/.made         ## a tenth of the tests on the oldest versions that pyproject.toml admits
	PYTHONPATH=. .venv-floors/bin/python -m pytest $(FLOORS)

# Named, so that only files with such tests are read.
PROCESSES = tests/test_killed.py tests/test_examples.py tests/core/test_fork_guard.py tests/core/test_files.py tests/scale \
	tests/classifier/test_classifier.py tests/cli/test_commands.py tests/export/test_export.py tests/losses/test_loss_training.py

test-processes: $(VENV)/.test           ## fresh processes; comparisons killed and resumed, a pool that loses a worker, Ray
	$(BIN)/python -m pytest -m processes $(PROCESSES)

soak: $(VENV)/.test                     ## kill comparisons at 20 random moments, and a Ray node; everything must come back
	$(BIN)/python tests/soak.py

lint: $(VENV)/.test $(VENV)/.lint       ## ruff, mypy, import layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

PAGES = tests/test_documents.py tests/test_examples.py tests/networks/test_keras_class_weight.py

docs: $(VENV)/.test $(VENV)/.lint       ## the manual, built without warnings; the code of README, pages and examples
	$(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest -n 2 --dist load -m pages $(PAGES)

package:                                ## build; install with each extra into an empty environment; put it to work
	PYTHON=$(PYTHON) sh requirements/package.sh

pictures: $(VENV)/.test $(VENV)/.demo   ## draw the pictures of the manual again (needs Chromium)
	$(BIN)/counterpoise demo --out build/demo
	$(BIN)/python docs/pictures/draw.py --report build/demo

bench: $(VENV)/.test                    ## every benchmark, side by side with the peers
	$(BIN)/python -m benchmarks

bench-train: $(VENV)/.test              ## the training program against loops of fit
	rm -f build/bench-train.json
	$(BIN)/python -m benchmarks.train

bench-memory: $(VENV)/.test             ## the memory of one process over 100 small comparisons
	$(BIN)/python -m benchmarks.memory

bench-data: $(VENV)/.test               ## feeds and resampling against copies and tf.data recipes
	$(BIN)/python -m benchmarks.data

bench-decide: $(VENV)/.test             ## what each step of the rule does to probabilities; how fast exports serve
	$(BIN)/python -m benchmarks.decide
	$(BIN)/python -m benchmarks.serving

bench-images: $(VENV)/.test             ## pixels of image files, memory and comparisons against image_dataset_from_directory
	$(BIN)/python -m benchmarks.images

bench-page: $(VENV)/.test               ## how soon the report of a large comparison is drawn (needs Chromium)
	$(BIN)/python -m benchmarks.page

bench-growth: $(VENV)/.test             ## how cost grows with rows, columns and classes
	$(BIN)/python -m benchmarks.growth

lock:                                   ## pin the requirement files again (needs uv)
	sh requirements/lock.sh

clean:                                  ## remove what the targets made
	rm -rf $(VENV) .venv-floors $(OUT) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
