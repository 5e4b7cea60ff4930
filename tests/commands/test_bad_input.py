"""Mistakes of a user: one line on stderr, exit status 2, nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.commands.cli import main
from anylead.errors import RecipeError
from anylead.evaluation import Settings
from anylead.evaluation.scores import choose_split
from anylead.store import Store
from synthetic_store import store_folder

STORE = "--data.store=STORE"  # filled in when a test runs: making it takes a second
SMALL = ["--encoder.size=tiny", "--train.steps=1", "--train.batch_size=4", "--train.is_quiet=true"]
TUNED = ["--model.encoder.size=tiny", *SMALL[1:]]


def run(*arguments):
    return main([part.replace("STORE", str(store_folder())) for part in arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["what"], ["no command 'what'", "pretrain"]),
        (["pretrain", "--metod", "cmsc"], ["metod"]),
        (["pretrain", STORE, "--method", "byol"], ["byol", "wav2vec2_cmsc"]),
        (["pretrain", "--train.epochs", "many"], ["epochs", "many"]),
        (["pretrain", "--data.store", "nowhere"], ["nowhere", "anylead prepare"]),
        (["pretrain", STORE, "--encoder.size", "huge"], ["huge", "base"]),
        (["pretrain", STORE, "--encoder.overrides", '{"layers": 3}'], ["layers", "num_layers"]),
        (["pretrain", STORE, "--augment", '[{"name": "blur"}]'], ["blur", "random_lead_mask"]),
        (
            ["pretrain", STORE, "--augment", '[{"name": "random_lead_mask", "p": 1}]'],
            ["random_lead_mask", "'p'"],
        ),
        (["finetune", STORE, "--labels.task", "colour"], ["colour", "rhythm"]),
        (["finetune", STORE, "--labels.fraction", "0"], ["fraction", "0"]),
        (["finetune", STORE, "--leads", "I,V9"], ["V9"]),
        (
            ["finetune", STORE, "--model.checkpoint", "gone"],
            ["gone", "no such file, folder or model"],
        ),
        (["pretrain", STORE, *SMALL, "--train.seed", "-1"], ["train.seed is -1", "2**63"]),
        (["pretrain", STORE, *SMALL, "--train.seed", str(2**63)], ["want 0 or more, below 2**63"]),
        (
            [
                "finetune",
                STORE,
                *SMALL[1:],
                "--data.segment_seconds",
                "1e9",
                "--model.encoder.size",
                "tiny",
            ],
            ["segments of 1e+09 s, but the longest recording has"],
        ),
        (
            ["finetune", STORE, *TUNED, "--data.segment_seconds", "0.001"],
            ["data.segment_seconds 0.001: want 0.32 s or more"],
        ),
        (
            ["pretrain", STORE, *SMALL, "--data.segment_seconds", "0.05"],
            ["segments of 0.05 s", "take longer segments"],
        ),
        (["finetune", STORE, *TUNED, "--optimizer.learning_rate", "nan"], ["learning_rate", "nan"]),
        (["finetune", STORE, *TUNED, "--train.device", "cuda"], ["finds no CUDA device", "cpu"]),
        (
            ["finetune", STORE, "--schedule.kind=tri_stage", "--schedule.final_ratio=0"],
            ["schedule.final_ratio is 0; a tri_stage wants more"],
        ),
        (["pretrain", STORE, "--augment", '[{"nam": "x"}]'], ["without a name in {'nam': 'x'}"]),
        (["prepare", "synthetic", "mine", "-o", "s"], ["synthetic: generates", "leave out mine"]),
        (["prepare", "synthetic", "-o", "s", "--num_workers=-1"], ["num_workers -1: want 0 or"]),
        (
            ["pretrain", STORE, *SMALL, "--data.exclude", '[{"store": "STORE", "onli": "pairs"}]'],
            ["exclude: 'onli'; known are store, splits, scheme, only; did you mean only?"],
        ),
        (
            ["pretrain", STORE, *SMALL, "--data.exclude", '[{"store": "STORE", "splits": "tset"}]'],
            ["exclude: no split tset; known are"],
        ),
        (["pretrain", STORE, *SMALL, "--data.exclude", '[{"only": "pairs"}]'], ["no store in"]),
        (
            ["pretrain", STORE, *SMALL, "--data.exclude", "STORE"],
            ["check split, labels, leads, ex"],
        ),
        (
            ["finetune", STORE, *TUNED, "--task=multiclass", "--labels.task=age"],
            ["labels.task 'age': numbers, learned by --task regression; classes are words"],
        ),
        (
            ["pretrain", STORE, *["--schedule.kind", "tri_stage", "--schedule.warmup", "0.9"]],
            ["schedule.warmup 0.9 and schedule.hold 0.2: more than all steps"],
        ),
        (["finetune", STORE, "--validate_every", "0"], ["validate_every is 0; want at least 1"]),
        (["evaluate", "runs/x", "--lead_sets", ""], ["lead_sets: names none; want sets such as"]),
        (
            ["pretrain", STORE, "--augment", "[{name: random_lead_mask, prob: null}]"],
            ["augment: random_lead_mask.prob: found None, want a number"],
        ),
        (
            ["pretrain", STORE, "--augment", '[{name: emg_noise, max_amplitude: "0.5"}]'],
            ["augment: emg_noise.max_amplitude: found the text '0.5', want a number"],
        ),
        (["evaluate", "runs/none-*"], ["runs/none-*"]),
        (["pretrain", "missing.yaml"], ["missing.yaml"]),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert list(tmp_path.rglob("*.safetensors")) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("finetune --loss.balanced true --task identification", "loss.balanced: means nothing to"),
        ("finetune --labels.task rhythm --task identification", "labels.task: means nothing to"),
        ("finetune --identity.scale 3", "means nothing to task classification; leave it out"),
        ("finetune --loss.row_weight age --task survival", "means nothing to task survival"),
        ("finetune --average.decay 0.9 --task waves", "means nothing to task waves"),
        ("finetune --leads I,II --lead_sets V1", "lead_sets: V1, but the model is trained on I,II"),
        ("finetune --leads I --threshold_sets 2", "threshold_sets: 2, but the model is trained"),
        ("finetune --loss.gamma 3", "loss.gamma: of loss.name focal; name it, or leave it out"),
        ("finetune --loss.margin 0.1 --loss.name focal", "loss.margin: of loss.name asymmetric"),
        ("finetune --teacher.share 0.5", "want teacher.models, too"),
        ("pretrain --method simclr --local.span 3", "local.span: means nothing to method simclr"),
        ("pretrain --method wav2vec2 --temperature 0.2", "temperature: means nothing to method"),
        ("pretrain --method signal --latent.span 3", "latent.span: means nothing to method signal"),
        (
            'pretrain --method cmsc --local_augment [{"name":"random_lead_mask"}]',
            "means nothing to",
        ),
        ("pretrain --global_weight 0 --contrast nt_xent", "contrast: means nothing to method"),
        ("pretrain --schedule.hold 0.5", "schedule.hold: means nothing to schedule.kind constant"),
        ("pretrain --schedule.final_ratio 0.5", "schedule.final_ratio: means nothing to"),
        ("finetune --schedule.kind cosine --schedule.hold 0.5", "hold: means nothing to"),
        ("finetune --schedule.initial_ratio 0.5", "constant with warmup 0; leave it out"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words, told, capsys):
    assert run(*words.split(), STORE) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [({"num_resamples": 0}, "num_resamples 0; want 1 or more"), ({"batch_size": 0}, "batch_size"),
     ({"num_draws": -1}, "num_draws -1")],
)  # fmt: skip
def test_how_runs_are_scored_is_looked_at_before_they_are(given, told):
    with pytest.raises(RecipeError, match=told):
        Settings(**given)


def test_a_folder_given_as_a_dataset_is_told_what_was_meant(tmp_path, capsys):
    assert run("prepare", str(tmp_path), "-o", str(tmp_path / "s")) == 2
    assert f"no dataset; want anylead prepare folder {tmp_path}" in capsys.readouterr().err


def test_a_misspelt_split_is_told_with_those_there_are():
    with pytest.raises(RecipeError, match=r"split 'tset' holds no .* did you mean test"):
        choose_split(Store.open(store_folder()), None, "auto", "tset")


def test_four_recordings_are_trained_on_or_told_in_one_line(tmp_path, capsys):
    few = f"--data.store={store_folder(num_patients=2)}"
    assert run("pretrain", few, f"--out={tmp_path / 'pre'}", *SMALL) == 0
    assert capsys.readouterr().err == ""
    assert run("finetune", few, f"--out={tmp_path / 'fine'}", *TUNED) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and "no recording in the validation split has labels" in told[0]


def test_a_misspelt_key_in_a_recipe_is_named(tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("optimizer:\n  learning_rat: 0.1\n")
    assert run("pretrain", str(recipe)) == 2
    assert "learning_rat" in capsys.readouterr().err


def test_a_checkpoint_of_another_architecture_names_the_tensors(tmp_path, capsys):
    out = tmp_path / "pre"
    assert run("pretrain", STORE, f"--out={out}", *SMALL) == 0
    loaded = load_checkpoint(out)
    described = {**loaded.description}
    described["encoder"] = {**described["encoder"], "dim": 32, "num_heads": 2}
    save_checkpoint(out, loaded.tensors, described)
    again = ["finetune", STORE, f"--out={tmp_path / 'f'}", f"--model.checkpoint={out}", *SMALL[1:]]
    assert run(*again) == 2
    error = capsys.readouterr().err
    assert f"{out}: 29 tensors do not fit" in error
    assert "is (64,), want (32,)" in error


def test_a_pretrained_model_has_nothing_to_score(tmp_path, capsys):
    out = tmp_path / "pre"
    assert run("pretrain", STORE, f"--out={out}", *SMALL) == 0
    assert run("evaluate", str(out)) == 2
    assert "fine-tune" in capsys.readouterr().err


def test_a_run_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("pretrain", STORE, f"--out={tmp_path / 'file' / 'run'}", *SMALL) == 2
    assert "file" in capsys.readouterr().err


def started(*arguments, script="", **how):
    """A command in a process of its own, as a shell begins it."""
    code = script + "\nimport sys\nfrom anylead.cli import main\nsys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], text=True, timeout=60, **how)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        ran = started("models", stdout=full, stderr=subprocess.PIPE)
    assert ran.returncode == 2
    assert ran.stderr == "anylead models: this machine: No space left on device\n"


def test_closed_streams_are_no_fault():
    # Python sets a stream to None that the caller has closed.
    ran = started("models", "--json", "true", script="import sys; sys.stderr = None",
                  stdout=subprocess.PIPE)  # fmt: skip
    assert (ran.returncode, bool(json.loads(ran.stdout))) == (0, True)
    ran = started("nothing", script="import sys; sys.stdout = None", stderr=subprocess.PIPE)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder of a process")
def test_a_deleted_folder_is_told_before_anything_is_loaded(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    ran = started("models", script=f"import os; os.chdir({str(folder)!r}); os.rmdir('../gone')",
                  stderr=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "anylead: the current folder has been deleted; change to another\n"


@pytest.mark.parametrize("words", ["--num_draws=7", "--sessions=halves"])
def test_options_of_identification_are_refused_for_a_model_of_classes(words, capsys, tmp_path):
    assert run("evaluate", "synthetic-tiny", words, f"--out={tmp_path}") == 2
    assert "means nothing to a classification model; leave it out" in capsys.readouterr().err
