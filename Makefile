# Two commands do everything on a machine with Rust, Python 3.9+ and a C compiler:
#
#   make demo   sets up and runs the bundled example
#   make test   sets up and runs every test
#
# Everything they need comes from the package registries and lands in .venv and
# in target/.

PYTHON ?= python3
VENV := .venv
TOOLS := target/tools
ZIG_OF_TOOLS = $(shell $(TOOLS)/bin/python -c "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))")
MAIN_PYTHON = $(shell $(PYTHON) -c "import json; d = json.load(open('target/test-environments/environments.json')); print(d['pythons'][d['main']])")
SOURCES := $(shell find host guest-tools python -type f -not -name '*.pyc' -not -path '*/__pycache__/*') \
	Cargo.toml Cargo.lock pyproject.toml
# The engine for plugins carries a compiler, which takes minutes to build: only when it changed.
PLUGINS_SOURCES := $(shell find host/plugins -type f) guest-tools/src/engine.rs guest-tools/wit/plugin.wit Cargo.toml Cargo.lock
# So do the network clients.
REMOTES_SOURCES := $(shell find host/remotes -type f) Cargo.toml Cargo.lock

# Formats that are fuzzed, and for how long each in seconds: a minute in all.
FORMATS := compiler entry files history manifest object plan plugin request settings source steps table
FUZZ_SECONDS ?= 6

.PHONY: demo test test-rust test-sanitizers test-fuzz test-zig test-python test-environments wheel clean

demo: $(VENV)/installed
	cd examples/geometry && ../../$(VENV)/bin/python demo.py

$(VENV)/installed: $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet '.[zig]'
	touch $@

test: test-rust test-fuzz test-zig test-python

$(TOOLS)/installed: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet 'maturin>=1.16,<2' ziglang==0.17.0
	touch $@

test-rust: export ZIGIMPORT_GUEST_ZIG = $(abspath $(ZIG_OF_TOOLS))
test-rust: $(TOOLS)/installed
	cargo fmt --check
	cargo clippy --quiet --release --package zigimport-host --package zigimport-fuzz --package zigimport-python \
		--all-targets -- --deny warnings
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --release --package zigimport-host --package zigimport-fuzz; \
	else \
		cargo test --release --package zigimport-host --package zigimport-fuzz; \
	fi

# What libFuzzer finds lies in target/fuzz; what is kept goes into host/fuzz/corpus.
test-fuzz: export ZIGIMPORT_GUEST_ZIG = $(abspath $(ZIG_OF_TOOLS))
test-fuzz: $(TOOLS)/installed
	if ! command -v $${CXX:-c++} >/dev/null; then \
		echo "fuzzing was left out: libFuzzer needs a C++ compiler"; \
	else \
		set -e; \
		RUSTC_WORKSPACE_WRAPPER=$(abspath host/fuzz/instrumented) \
			cargo build --quiet --release --package zigimport-fuzz --features libfuzzer; \
		for format in $(FORMATS); do \
			mkdir -p target/fuzz/$$format; \
			FORMAT=$$format target/release/fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=30 -artifact_prefix=target/fuzz/$$format- \
				target/fuzz/$$format host/fuzz/corpus/$$format >target/fuzz/$$format.log 2>&1 \
				|| { tail -n 60 target/fuzz/$$format.log; exit 1; }; \
			echo "fuzz $$format: $$(tail -n 1 target/fuzz/$$format.log)"; \
		done; \
	fi

wheel: export ZIGIMPORT_GUEST_ZIG = $(abspath $(ZIG_OF_TOOLS))
wheel: $(TOOLS)/installed
	rm -rf target/wheel
	$(TOOLS)/bin/maturin build --quiet --release --out target/wheel --interpreter $(TOOLS)/bin/python

target/plugins-wheel/built: $(PLUGINS_SOURCES) | $(TOOLS)/installed
	rm -rf target/plugins-wheel
	$(TOOLS)/bin/maturin build --quiet --profile plugins --manifest-path host/plugins/Cargo.toml \
		--out target/plugins-wheel --interpreter $(TOOLS)/bin/python
	touch $@

target/remotes-wheel/built: $(REMOTES_SOURCES) | $(TOOLS)/installed
	rm -rf target/remotes-wheel
	$(TOOLS)/bin/maturin build --quiet --profile remotes --manifest-path host/remotes/Cargo.toml \
		--out target/remotes-wheel --interpreter $(TOOLS)/bin/python
	touch $@

test-environments: wheel target/plugins-wheel/built target/remotes-wheel/built
	$(PYTHON) tests/environments.py --wheel target/wheel/*.whl --plugins-wheel target/plugins-wheel/*.whl \
		--remotes-wheel target/remotes-wheel/*.whl

# The same tests of the host with AddressSanitizer, which only a nightly Rust has.
test-sanitizers: export ZIGIMPORT_GUEST_ZIG = $(abspath $(ZIG_OF_TOOLS))
test-sanitizers: export RUSTFLAGS = -Zsanitizer=address
test-sanitizers: $(TOOLS)/installed
	cargo +nightly test --target $$(rustc -vV | sed -n 's/^host: //p') --target-dir target/sanitizers \
		--package zigimport-host --package zigimport-fuzz

# Each line of Zig compiles and tests every Zig file that we ship.
test-zig: test-environments
	$(PYTHON) tests/zig_tests.py

test-python: test-environments
	$(MAIN_PYTHON) -m pytest -p no:cacheprovider --numprocesses auto --dist loadfile tests

clean:
	rm -rf $(VENV) target
