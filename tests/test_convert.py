import pytest
import torch
from rich.console import Console

import anylead
from anylead.commands import cli, convert
from anylead.errors import CheckpointError
from interop import synthetic_peer

QUIET = Console(quiet=True)


def test_there_and_back_on_the_command_line_keeps_every_bit(tmp_path, capsys):
    theirs = synthetic_peer.write(tmp_path / "a.pt", "classification")
    folder, back = tmp_path / "ours", tmp_path / "b.pt"
    labels = ["--label_names", '["AF","LBBB","STE"]']
    assert cli.main(["convert", str(theirs), "-o", str(folder), *labels]) == 0
    said = capsys.readouterr().err
    assert "classification" in said
    assert "assumed, the file does not say: 500 Hz" in said
    assert anylead.load(folder, device="cpu").label_names == ("AF", "LBBB", "STE")
    assert (folder / "README.md").is_file()
    arguments = ["convert", str(folder), "-o", str(back), "--to", "fairseq-signals"]
    assert cli.main(arguments) == 0
    first, second = (torch.load(path, weights_only=True)["model"] for path in (theirs, back))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_preset_of_ecg_fm_brings_preprocessing_labels_and_joining(tmp_path):
    head = {"proj.weight": torch.randn(17, 32), "proj.bias": torch.zeros(17)}
    path = synthetic_peer.write(tmp_path / "mimic_iv_ecg_finetuned.pt", "classification", **head)
    convert.run(convert.Recipe(str(path), tmp_path / "m", preset="ecg-fm"), QUIET)
    model = anylead.load(tmp_path / "m", device="cpu")
    assert model.preprocess_config.normalize == "lead"
    assert model.preprocess_config.sample_rate == 500.0
    assert model.segment_samples == 2500
    signal = torch.randn(12, 5000).cumsum(dim=1).numpy()
    found = model.predict(signal * 0.01, sample_rate=500, leads="12")
    assert found.keys() == set(model.label_names)
    same = model.predict(signal * 0.03, sample_rate=500, leads="12")
    assert found == pytest.approx(same, abs=1e-4)  # each lead has its own scale taken out


def test_label_names_can_come_from_a_file(tmp_path):
    path = synthetic_peer.write(tmp_path / "a.pt", "classification")
    (tmp_path / "names.txt").write_text("AF\nLBBB\n\nSTE\n")
    names = [str(tmp_path / "names.txt")]
    convert.run(convert.Recipe(str(path), tmp_path / "m", label_names=names), QUIET)
    assert anylead.load(tmp_path / "m", device="cpu").label_names == ("AF", "LBBB", "STE")


def test_mistakes_are_one_clear_line(tmp_path, capsys):
    path = synthetic_peer.write(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"name a \.pt file"):
        convert.run(convert.Recipe(str(path), tmp_path / "x", to="fairseq-signals"), QUIET)
    with pytest.raises(CheckpointError, match="no preset 'ecgfm'"):
        convert.run(convert.Recipe(str(path), tmp_path / "x", preset="ecgfm"), QUIET)
    assert cli.main(["convert", str(tmp_path / "none.pt"), "-o", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
