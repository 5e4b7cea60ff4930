# Everything happens in .venv, which any target makes when it is missing.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test check format docs clean synthetic-tiny

demo: .venv/installed  ## the whole job on generated ECGs: prepare, pretrain, finetune, evaluate
	$(BIN)/anylead demo --out demo
	@echo "next: source .venv/bin/activate; anylead serve demo/w2v-cmsc-rlm"

test: .venv/installed-dev  ## every check and test
	$(MAKE) --no-print-directory check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed-dev  ## the pages made from docstrings, then the site in site/
	PYTHONPATH=src:tests $(BIN)/python -m reference_pages
	$(BIN)/zensical build --strict

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch first and exact: a range would bring the CUDA build, several GB, to machines without a GPU.
.venv/torch: constraints.txt
	@echo "installing into .venv: some minutes, about 2 GB"
	$(PYTHON) -m venv .venv
	$(PIP) install $$(grep '^torch==' constraints.txt)
	touch $@

.venv/installed: .venv/torch pyproject.toml
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/torch pyproject.toml
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@ .venv/installed

clean:
	rm -rf .venv demo runs store build dist site .cache

synthetic-tiny: .venv/installed  ## the generated-ECG model of the box, made again in runs/packed
	$(BIN)/anylead prepare synthetic --out store/synthetic-tiny --options '{num_patients: 800}' \
		--preprocess '{sample_rate: 125, highpass_hz: 0.5}'
	$(BIN)/anylead finetune recipes/finetune_synthetic_tiny.yaml
	$(BIN)/anylead pack recipes/pack_synthetic_tiny.yaml
