# Everything a developer types. `make demo` and `make test` need nothing before them.
PYTHON ?= python3
BIN := .venv/bin
export PYTHON

.PHONY: setup build demo demo-stop test check bench fuzz chaos test-clickhouse test-chart test-kubernetes test-kernels manifests lock format clean

setup: ## .venv with the locked packages, the compiled decoder, what the system lacks
	@deploy/install.sh

build: ## compile the hot modules in place
	@$(BIN)/python -m deploy.compile

demo: setup ## the main job on real traffic
	@$(BIN)/python -m deploy.demo

demo-stop: ## end the stack that the demo left up
	@$(BIN)/sbiscope down

test: setup ## the whole suite, as CI runs it: files side by side, those that watch the kernel one after another
	@$(BIN)/python -m pytest -q --numprocesses=3 --no-loadscope-reorder

check: setup ## style, types, import rules, shell and C formatting, compiled hot paths
	@deploy/install.sh check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@deploy/check_foreign.sh
	@$(BIN)/python -m deploy.check_hot

format: ## rewrite Python and C in the house style
	@$(BIN)/ruff format .
	@clang-format -i bpf/*.c bpf/*.h collector/*.c

bench: ## JSON lines: value, unit, baseline and ratio of the same run
	@deploy/install.sh bench
	@for file in tests/bench/bench_*.py; do $(BIN)/python -m tests.bench.$$(basename $$file .py) || exit 1; done

fuzz: setup ## a million random cases; FUZZ_CASES=N for another number
	@$(BIN)/python -m tests.fuzz.fuzz_observer --cases $(or $(FUZZ_CASES),1000000)

chaos: setup ## kill workers, broker and engine at random; CHAOS_ROUNDS=N for another number
	@$(BIN)/python -m tests.chaos --rounds $(or $(CHAOS_ROUNDS),30)

test-clickhouse: setup ## all that touches ClickHouse, on URL=http://host:8123, in databases of its own; CLUSTER=name
	@CLUSTER=$(CLUSTER) $(BIN)/python -m tests.on_clickhouse $(or $(URL),$(error URL=http://host:8123 of a ClickHouse; CLICKHOUSE_USER, CLICKHOUSE_PASSWORD and CLICKHOUSE_CA in the environment))

test-chart: setup ## the Helm chart; builds Helm with Go if there is none (minutes)
	@HELM=$$(deploy/helm/install.sh) $(BIN)/python -m pytest -q tests/test_chart.py tests/test_chart_secrets.py

manifests: ## deploy/manifests/sbiscope.yaml anew, from the chart
	@HELM=$$(deploy/helm/install.sh) deploy/manifests/render.sh > deploy/manifests/sbiscope.yaml.new
	@mv deploy/manifests/sbiscope.yaml.new deploy/manifests/sbiscope.yaml

test-kubernetes: setup ## images, a whole Kubernetes, the release on it; root, Go, Java, Debian's containerd and others
	@deploy/install.sh kubernetes
	@SBISCOPE_KUBERNETES=1 $(BIN)/python -m pytest -q -x tests/kubernetes

test-kernels: setup ## the probes on Debian's stock kernel, emulated by QEMU; TESTS="FILE -k WORD", KERNEL=PACKAGE for others; 5 to 30 minutes
	@deploy/install.sh kernels
	@KERNEL=$(KERNEL) $(BIN)/python -m tests.other_kernel $(TESTS)

lock: ## pin every dependency with hashes after a change of pyproject.toml
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --all-extras --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -o deploy/requirements.lock pyproject.toml

clean: ## what was built; the stack's data stays (.sbiscope)
	@rm -rf build dist .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find collector streams schemas deploy -name '*.so' -delete
