PY ?= python3
VENV ?= .venv
UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Any torch that the wheels or the package index at hand offer: make test TORCH=torch==2.6.0
TORCH ?= $(shell grep '^torch==' constraints.txt)

# uv and torch read these. One thread a process: two test processes with two threads each on two cores are many times slower.
export UV_FIND_LINKS
export OMP_WAIT_POLICY = PASSIVE
BIN = $(VENV)/bin

.PHONY: demo test check bench measured tables grid docs clean FORCE

demo: $(VENV)/.ok
	$(BIN)/python -m safelight.demo --out out/demo

test: check
	$(BIN)/pytest -q -n 2 -rs --ignore tests/house

check: $(VENV)/.ok
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/pytest -q tests/house

bench: $(VENV)/.ok
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# Every table of docs/measured.md: about three hours and a quarter; what out/measured.db holds is not made again.
# One thread, because two round differently.
GATE = gate guardt2i dilution repair
TASKS = body innocent explicit violence neutral
POLICIES = negative-prompt sld-weak sld-medium sld-strong sld-max general sega sega-negative-prompt sld-negative-prompt
ONE = OMP_NUM_THREADS=1 $(BIN)/safelight
measured: $(VENV)/.ok
	$(BIN)/safelight miniature card --out src/safelight/miniature/weights/CARD.md --doubtful docs/measured/doubtful.png
	@[ -z "$$SAFELIGHT_DATA" ] || $(BIN)/python benchmarks/prompts.py > docs/measured/prompts.md
	@for table in $(GATE); do \
	  OMP_NUM_THREADS=1 $(BIN)/python benchmarks/$$table.py > docs/measured/$$table.md || exit 1; done
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/policies.py --out out/policies
	@cp out/policies/policies.md out/policies/roc.svg docs/measured/
	@mkdir -p out && for task in $(TASKS); do \
	  $(ONE) bench $$task $(POLICIES:%=--policy %) --n 300 --dtype bfloat16 --out out/measured.db > docs/measured/$$task.md || exit 1; done

# The tables of docs/erased.md and docs/measured/grid.md, each by two processes of one thread; the one that ends last
# prints. What out/tables.db and out/tables.artifacts hold is not made again.
TABLES = sdd-table-nudity sdd-table-violence sdd-table-style sdd-table-character sdd-table-concepts
N =
BOTH = bench() { $(ONE) bench $$1 $(N:%=-n %) --dtype bfloat16 --out out/tables.db --shard $$2; }; \
  both() { bench $$1 1/2 & other=$$!; bench $$1 2/2; code=$$?; wait $$other && return $$code; }
tables: $(VENV)/.ok
	@mkdir -p out; $(BOTH); for table in $(TABLES); do both $$table > docs/measured/$$table.md || exit 1; done

grid: $(VENV)/.ok
	@mkdir -p out; $(BOTH); both grid

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir out/site

# The package in editable mode, in an environment of its own, with the versions of constraints.txt.
$(VENV)/.ok: pyproject.toml $(VENV)/constraints.txt
	$(PY) -m venv $(VENV) && $(BIN)/pip install -q uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c $(VENV)/constraints.txt -e '.[test,dev,postgres]'
	touch $@

$(VENV)/.docs: $(VENV)/.ok
	$(BIN)/uv pip install -q --python $(BIN)/python -c $(VENV)/constraints.txt -e '.[docs]'
	touch $@

# constraints.txt with the torch asked for; rewritten only where that changes, so that a new TORCH installs anew.
$(VENV)/constraints.txt: constraints.txt FORCE
	@mkdir -p $(VENV)
	@sed 's/^torch==.*/$(TORCH)/' constraints.txt | cmp -s - $@ || sed 's/^torch==.*/$(TORCH)/' constraints.txt > $@

clean:
	rm -rf $(VENV) out build dist
