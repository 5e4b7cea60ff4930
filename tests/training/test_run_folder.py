"""One run in a folder: nothing of two runs is ever mixed."""

import stat
from dataclasses import asdict, replace

import pytest
from filelock import FileLock

from anylead.checkpoint import WEIGHTS
from anylead.commands import evaluate, finetune, pretrain
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.errors import RecipeError, StoreError
from anylead.training.optimizer import OptimizerConfig
from anylead.training.resume import state_facts, states
from anylead.training.run_folder import _FREE, RunFolder, deciding_fields
from anylead.training.settings import TrainConfig
from synthetic_store import store_folder

SMALL = {"dim": 16, "num_layers": 1, "ffn_dim": 16}


def recipe(out, **train):
    settings = {"steps": 3, "batch_size": 8, "device": "cpu", "precision": "fp32", "save_every": 1}
    return pretrain.Recipe(
        out=str(out),
        data=DataConfig(str(store_folder()), segment_seconds=2.5),
        encoder=EncoderChoice("tiny", SMALL),
        train=TrainConfig(**{**settings, "keep_last": 9, "is_quiet": True, **train}),
    )


@pytest.fixture
def run(tmp_path):
    return pretrain.run(recipe(tmp_path / "run"))


def names(folder):
    return [path.name for path in states(folder)]


def test_a_used_folder_is_refused_and_left_as_it_is(run):
    weights = (run / WEIGHTS).read_bytes()
    with pytest.raises(RecipeError, match=r"resume-00000003.*--train.resume true.*--train.over"):
        pretrain.run(recipe(run, steps=1))
    assert (run / WEIGHTS).read_bytes() == weights and len(names(run)) == 3


def test_overwriting_leaves_nothing_of_the_run_before(run):
    (run / "scores.json").write_text("of the run before")
    pretrain.run(recipe(run, steps=1, overwrite=True))
    assert names(run) == ["resume-00000001.safetensors"]
    assert not (run / "scores.json").exists()
    assert (run / "log.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"train": {"seed": 7}}, "train.seed 0, now 7"),
        ({"train": {"batch_size": 4}}, "train.batch_size 8, now 4"),
        ({"optimizer": OptimizerConfig(learning_rate=0.01)}, "optimizer.learning_rate"),
        ({"augment": [{"name": "random_lead_mask"}]}, "augment None"),
        ({"leads": "6"}, "leads '12', now '6'"),
        ({"data": {"segment_seconds": 2.0}}, "data.segment_seconds 2.5, now 2.0"),
        ({"data": {"store": "another"}}, "data '"),
    ],
)
def test_a_resume_from_something_else_is_refused_with_the_difference(run, change, named):
    wanted = recipe(run, steps=4, resume=True)
    train, data = change.pop("train", {}), change.pop("data", {})
    if data.get("store") == "another":
        data = {"store": str(store_folder(num_patients=21))}
    wanted = replace(
        wanted, train=replace(wanted.train, **train), data=replace(wanted.data, **data), **change
    )
    with pytest.raises(RecipeError) as told:
        pretrain.run(wanted)
    assert named in str(told.value) and len(names(run)) == 3


def test_a_resume_may_change_how_long_where_and_what_is_told(run):
    pretrain.run(recipe(run, steps=4, resume=True, log_every=1, save_every=2, accumulate=2))
    assert names(run)[-1] == "resume-00000004.safetensors"


def test_what_may_change_are_fields_of_the_recipes():
    decide = {*deciding_fields(asdict(pretrain.Recipe()))}
    fields = {f"train.{name}" for name in asdict(TrainConfig())}
    fields |= {"out", "data.store", "threshold_sets"}  # the last is of finetune
    assert fields >= _FREE and not decide & _FREE
    assert {
        "train.seed",
        "optimizer.learning_rate",
        "encoder.size",
        "data.segment_seconds",
    } <= decide


def test_two_runs_at_once_are_kept_apart(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(RecipeError, match="another run is at work"):
        pretrain.run(recipe(tmp_path, overwrite=True))


def test_a_folder_is_free_again_after_a_mistake(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), folder.held():
        raise ZeroDivisionError
    with folder.held():
        pass


def test_what_killed_writes_left_is_removed(run):
    (run / "resume-00000009.safetensors.host.123.unfinished").write_bytes(b"half")
    (run / f".{WEIGHTS}.123").write_bytes(b"half")  # as earlier versions called it
    (run / f"{WEIGHTS}.elsewhere.123.unfinished").write_bytes(b"half")
    pretrain.run(recipe(run, steps=4, resume=True))
    assert not [path.name for path in run.iterdir() if "123" in path.name]


def test_states_can_be_read_by_whom_the_other_files_can(run):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir() if path.suffix != ""}
    plain = run / "plain.txt"
    plain.touch()
    assert modes - {stat.S_IMODE((run / "tensorboard").stat().st_mode)} == {
        stat.S_IMODE(plain.stat().st_mode)
    }


def test_a_checkpoint_is_known_by_its_weights_not_by_its_place(run, tmp_path):
    moved = run.rename(tmp_path / "moved")
    first = tuning(tmp_path / "tuned", moved)
    finetune.run(first)
    elsewhere = moved.rename(tmp_path / "elsewhere")
    again = tuning(tmp_path / "tuned", elsewhere, steps=2, resume=True)
    finetune.run(again)
    assert state_facts(states(tmp_path / "tuned")[-1])["step"] == 2
    pretrain.run(recipe(elsewhere, steps=5, resume=True))
    with pytest.raises(RecipeError, match=r"model\.checkpoint"):
        finetune.run(tuning(tmp_path / "tuned", elsewhere, steps=3, resume=True))


def tuning(out, checkpoint, store=None, encoder=None, **train):
    settings = {"steps": 1, "batch_size": 8, "device": "cpu", "precision": "fp32"}
    return finetune.Recipe(
        out=str(out),
        data=DataConfig(str(store or store_folder()), segment_seconds=2.5),
        model=finetune.ModelConfig(str(checkpoint), encoder or EncoderChoice(), "full"),
        train=TrainConfig(**{**settings, "is_quiet": True, **train}),
    )


def test_a_store_of_another_rate_than_the_checkpoint_is_refused_with_the_remedy(run, tmp_path):
    other = store_folder(sample_rate=125.0)
    with pytest.raises(StoreError, match=r"125.*100.*--preprocess.sample_rate 100"):
        finetune.run(tuning(tmp_path / "tuned", run, other))
    assert not (tmp_path / "tuned").exists()


def test_a_run_is_scored_on_a_store_that_fits_and_finds_its_own_from_anywhere(
    run, tmp_path, monkeypatch
):
    (tmp_path / "store").symlink_to(store_folder())
    monkeypatch.chdir(tmp_path)
    finetune.run(tuning("tuned", run, "store"))
    scored = evaluate.Recipe(str(tmp_path / "tuned"), lead_sets="12", num_resamples=2, device="cpu")
    with pytest.raises(StoreError, match=r"125.*100.*--preprocess.sample_rate 100"):
        evaluate.run(replace(scored, store=str(store_folder(sample_rate=125.0))))
    monkeypatch.chdir(tmp_path.parent)
    assert len(evaluate.run(scored)) == 1
    (tmp_path / "store").unlink()
    with pytest.raises(StoreError, match=r"its store store is not here; name it with --store"):
        evaluate.run(scored)


def test_another_size_beside_a_checkpoint_is_refused_its_own_is_not(run, tmp_path):
    with pytest.raises(RecipeError, match="dim 16, not 256"):
        finetune.run(tuning(tmp_path / "tuned", run, encoder=EncoderChoice("small")))
    own = EncoderChoice("tiny", {**SMALL, "dropout": 0.0})
    assert finetune.run(tuning(tmp_path / "tuned", run, encoder=own)).is_dir()
