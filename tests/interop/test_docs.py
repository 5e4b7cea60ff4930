"""The page on ECG-FM does what it says, with weights of another size under the published name."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from anylead import datasets
from interop import synthetic_peer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ecg_fm.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the published file name and a recording."""
    head = {"proj.weight": torch.randn(17, 32), "proj.bias": torch.zeros(17)}
    synthetic_peer.write(tmp_path / "mimic_iv_ecg_finetuned.pt", "classification", **head)
    synthetic_peer.write(tmp_path / "checkpoint_best.pt", "classification")
    record = next(datasets.records("synthetic", num_patients=1))
    named = {"leads": np.array(record.leads), "sample_rate": 500.0, "unit": "mV"}
    np.savez(tmp_path / "record.npz", signal=record.signal, **named)
    monkeypatch.chdir(tmp_path)
    return record


def test_every_block_of_the_page_runs(desk, capsys):
    rows = [desk.leads.index(name) for name in ("I", "II", "V2")]
    np.save("signal.npy", desk.signal[rows])
    names: dict[str, object] = {}
    assert len(BLOCKS) == 3
    for block in BLOCKS:
        exec(block.replace("record.edf", "record.npz"), names)
    said = capsys.readouterr().out
    assert "'Atrial fibrillation': " in said
    assert "(32,)" in said


def test_the_first_block_is_five_lines():
    assert len(BLOCKS[0].strip().splitlines()) == 5


def test_the_page_links_the_preprocessing_where_it_is_and_says_what_becomes_of_the_tail():
    text = PAGE.read_text()
    place = "github.com/Jwoo5/fairseq-signals/blob/master/"
    linked = set(re.findall(rf"{re.escape(place)}([^)]*preprocess[^)]*)", text))
    assert linked == {"scripts/preprocess/ecg/preprocess.py"}
    assert "dropped as the authors do" in text and 'tail="overlap"' in text


def test_agreement_of_a_training_step_is_claimed_with_the_detached_length_only():
    claims = [PAGE.read_text(), (PAGE.parents[1] / "README.md").read_text()]
    for text in claims:
        flat = " ".join(text.split())
        for claim in re.findall(r"[^.]*(?:optimizer step|step of its Adam)[^.]*\.", flat):
            assert "detached length" in claim
