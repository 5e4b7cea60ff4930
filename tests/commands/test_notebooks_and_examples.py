"""The notebooks run and are kept without outputs; the examples run."""

import runpy
import sys

import pytest

from anylead import datasets
from anylead.commands import finetune
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.formats import csv
from anylead.training.settings import TrainConfig
from commands import markdown
from synthetic_store import store_folder

NOTEBOOKS = sorted((markdown.ROOT / "notebooks").glob("*.ipynb"))
EXAMPLES = sorted((markdown.ROOT / "examples").glob("*.py"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@every_notebook
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("PYTHONPATH", str(markdown.ROOT / "src"))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=500, resources=resources).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")


@every_notebook
def test_a_notebook_is_kept_without_outputs(path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A classifier that was hardly trained."""
    recipe = finetune.Recipe(
        out=str(tmp_path_factory.mktemp("runs") / "diagnosis"),
        data=DataConfig(store=str(store_folder())),
        model=finetune.ModelConfig(encoder=EncoderChoice("tiny"), train="full"),
        train=TrainConfig(epochs=1, batch_size=32, is_quiet=True),
    )
    return str(finetune.run(recipe))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four recordings of two persons."""
    folder = tmp_path_factory.mktemp("recordings")
    for record in datasets.records("synthetic", num_patients=2):
        csv.write(record, folder / f"{record.record_id}.csv")
    return folder


def run_example(name, *arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(markdown.ROOT / "examples" / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def test_probabilities_by_lead_set_are_shown(model, folder, monkeypatch, capsys):
    told = run_example(
        *("leads_and_probabilities", model, folder / "p000000-0.csv"),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert len(told.splitlines()) == 10  # a heading and nine labels


def test_a_recording_is_nearest_to_itself(model, folder, monkeypatch, capsys):
    told = run_example(
        *("nearest_recordings", model, folder / "p000001-0.csv", folder, "--leads", "I,II"),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert told.splitlines()[0] == "1.000  p000001-0"


def test_a_model_of_an_own_loop_can_be_fine_tuned(tmp_path, monkeypatch, capsys):
    out = tmp_path / "own"
    arguments = (store_folder(), "--steps", 2, "--batch_size", 8, "--out", out)
    told = run_example("my_own_loop", *arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert "step 0: loss" in told
    recipe = finetune.Recipe(
        data=DataConfig(store=str(store_folder())), model=finetune.ModelConfig(str(out))
    )
    from anylead.store import Store

    assert finetune.build(recipe, Store.open(store_folder()))[1].module is not None


def test_every_example_is_under_test():
    assert {path.stem for path in EXAMPLES} == {
        "leads_and_probabilities",
        "my_own_loop",
        "nearest_recordings",
    }
