"""What a fine-tuned model teaches another: answers for every recording, labels where they are."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.commands import finetune
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.errors import LeadError, RecipeError, StoreError
from anylead.evaluation.heads import open_head
from anylead.evaluation.scores import Settings
from anylead.loading import Labels, evaluation_batches
from anylead.tasks import AverageConfig, LabelConfig, teaching
from anylead.tasks.linear_head import BCE
from anylead.tasks.teaching import TeacherConfig
from anylead.training.settings import TrainConfig, find_machine
from synthetic_store import open_store, store_folder

TINY = {"conv_layers": [[8, 4, 4], [8, 2, 2]], "dim": 8, "num_layers": 1, "ffn_dim": 8,
        "conv_pos_kernel": 8, "conv_pos_groups": 2}  # fmt: skip
FEW = 0.3


def recipe(out, teachers=(), **changes):
    made = finetune.Recipe(
        out=str(out),
        data=DataConfig(store=str(store_folder())),
        labels=LabelConfig(fraction=FEW),
        model=finetune.ModelConfig(encoder=EncoderChoice("tiny", TINY), train="full"),
        teacher=TeacherConfig([str(each) for each in teachers]),
        train=TrainConfig(steps=2, batch_size=8, device="cpu", precision="fp32", is_quiet=True),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A run of two steps on few labels."""
    folder = tmp_path_factory.mktemp("runs") / "teacher"
    finetune.run(recipe(folder))
    return folder


def targets(made):
    """Rows that are learned from, their targets, and the rows with labels."""
    store = open_store()
    labelled, setup = finetune.build(made, store)
    teachers = finetune.find_teachers(made, store, setup)
    rows, labels = finetune._taught(made, store, setup, teachers, find_machine(made.train))
    return rows, labels.of(rows), labelled, setup.labels.of(labelled)


def test_recordings_beyond_the_labels_get_what_the_teacher_says_with_all_leads(teacher, tmp_path):
    rows, target, labelled, _ = targets(recipe(tmp_path, [teacher]))
    store = open_store()
    assert set(labelled) < set(rows) and len(rows) == len(store.split_rows(None, "auto")["train"])
    settings = Settings(store=str(store_folder()), split="train", device="cpu")
    said = open_head(teacher, load_checkpoint(teacher), settings).predict("12")
    np.testing.assert_array_equal(said.row, rows)
    np.testing.assert_allclose(target, said.probability, atol=1e-6)


def test_where_there_is_a_label_the_share_mixes_it_with_the_answer(teacher, tmp_path):
    answers = dict(zip(*targets(recipe(tmp_path, [teacher]))[:2], strict=True))
    made = recipe(tmp_path, [teacher], teacher=TeacherConfig([str(teacher)], share=0.25))
    rows, target, labelled, label = targets(made)
    of_row = dict(zip(rows, target, strict=True))
    for row, own in zip(labelled, label, strict=True):
        np.testing.assert_allclose(of_row[row], 0.75 * own + 0.25 * answers[row], atol=1e-6)
    for row in set(rows) - set(labelled):
        np.testing.assert_array_equal(of_row[row], answers[row])


def test_several_teachers_answer_with_the_mean_of_their_logits(teacher, tmp_path):
    other = tmp_path / "other"
    finetune.run(recipe(other, train=replace(recipe(other).train, seed=5)))
    one, two, both = (
        targets(recipe(tmp_path, names))[1] for names in ([teacher], [other], [teacher, other])
    )

    def logit(p):
        return np.log(p) - np.log1p(-p)

    assert not np.allclose(one, two)
    np.testing.assert_allclose(logit(both), (logit(one) + logit(two)) / 2, atol=1e-4)


def test_taught_labels_are_not_taught_by_the_average_as_well(teacher, tmp_path):
    made = recipe(tmp_path, [teacher], average=AverageConfig(0.9, 0.3))
    store = open_store()
    _, setup = finetune.build(made, store)
    assert (setup.module.distillation == 0.3).all()
    finetune._taught(
        made, store, setup, finetune.find_teachers(made, store, setup), find_machine(made.train)
    )
    assert not setup.module.distillation.any()


def test_a_student_is_trained_and_goes_on_only_with_the_same_teacher(teacher, tmp_path):
    student = recipe(tmp_path / "student", [teacher])
    finetune.run(student)
    told = load_checkpoint(tmp_path / "student").description["provenance"]["recipe"]
    assert told["teacher"] == {
        "models": [str(teacher)],
        "by_leads": {},
        "share": 1.0,
        "tasks": None,
    }
    going_on = replace(student.train, steps=3, resume=True)
    finetune.run(replace(student, train=going_on))
    with pytest.raises(RecipeError, match=r"teacher\.models"):
        finetune.run(replace(student, train=going_on, teacher=TeacherConfig()))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"label_names": ["a", "b"]}, RecipeError),
        ({"kind": "multiclass"}, RecipeError),
        ({"data": {"scheme": "hash"}}, RecipeError),
        ({"preprocess": {"sample_rate": 250.0}}, StoreError),
    ],
)
def test_a_model_that_cannot_teach_this_is_refused(teacher, tmp_path, change, error):
    made = load_checkpoint(teacher)
    changed = {
        key: {**made.description[key], **value} if isinstance(value, dict) else value
        for key, value in change.items()
    }
    save_checkpoint(tmp_path / "bad", made.tensors, {**made.description, **changed})
    store = open_store()
    student = recipe(tmp_path / "student", [tmp_path / "bad"])
    _, setup = finetune.build(student, store)
    with pytest.raises(error, match="bad"):
        finetune.find_teachers(student, store, setup)


def test_where_just_these_leads_are_left_their_own_teacher_answers_from_them(teacher, tmp_path):
    """The loss of an untrained student is that of targets put together by hand."""
    other = tmp_path / "other"
    finetune.run(recipe(other, train=replace(recipe(other).train, seed=5), leads="II"))
    own = {"II": [str(other)], "V1,V2": [str(teacher), str(other)]}
    made = recipe(tmp_path, teacher=TeacherConfig([str(teacher)], own, 0.5))
    store = open_store()
    labelled, setup = finetune.build(made, store)
    machine = find_machine(made.train)
    teachers = finetune.find_teachers(made, store, setup)
    assert [each.name for each in teachers] == [str(teacher), str(other)]
    rows, labels = finetune._taught(made, store, setup, teachers, machine)
    settings = Settings(store=str(store_folder()), split="train", device="cpu")
    seen = {
        (name, leads): open_head(name, load_checkpoint(name), settings).predict(leads)
        for name, leads in ((other, "II"), (other, "V1,V2"), (teacher, "V1,V2"))
    }
    one = seen[other, "II"].probability
    two = expit((seen[other, "V1,V2"].logits + seen[teacher, "V1,V2"].logits) / 2)
    chosen = np.r_[labelled[:4], np.setdiff1d(rows, labelled)[:4]]
    batch = next(iter(evaluation_batches(store, np.sort(chosen), 5.0, 100, labels)))
    place = np.searchsorted(rows, batch.record.numpy())
    label = dict(zip(labelled, setup.labels.of(labelled), strict=True))
    for leads, said in (("12", None), ("II", one), ("V1,V2", two), ("I", None)):
        few = KeepLeads(leads)(batch.to("cpu"))
        expected = batch.label.numpy().copy()
        for i, row in enumerate(batch.record.tolist()):
            if said is not None:
                mean = said[place[i]]
                expected[i] = (label[row] + mean) / 2 if row in label else mean
        target = setup.module.by_leads(
            few, batch.label[:, None].expand(-1, few.signal.shape[1], -1)
        )
        np.testing.assert_allclose(
            target, np.repeat(expected[:, None], target.shape[1], 1), atol=1e-6
        )
    few = KeepLeads("II")(batch.to("cpu"))
    setup.module.train()
    setup.module.augment = lambda given: few
    taught = setup.module(batch.to("cpu")).loss
    setup.module.by_leads = None
    assert not torch.isclose(setup.module(batch.to("cpu")).loss, taught)


def test_teachers_of_lead_sets_want_one_for_all_others_and_known_leads():
    with pytest.raises(RecipeError, match=r"teacher\.models, too"):
        TeacherConfig(by_leads={"I": ["a"]})
    with pytest.raises(LeadError):
        TeacherConfig(["a"], {"I,IX": ["a"]})
    assert TeacherConfig(["a"], {2: ["b"]}).by_leads == {"2": ["b"]}


def test_numbers_and_persons_are_not_taught(teacher, tmp_path):
    student = recipe(tmp_path / "student", [teacher], task="identification")
    with pytest.raises(RecipeError, match="identification"):
        finetune.run(student)


def test_of_several_label_tasks_the_named_ones_are_taught(monkeypatch):
    """Rows 0 and 1 have labels, of which one is unknown; row 2 has none; row 3 is not learned."""
    logits = np.array([[2.0, -1.0, 0.5]] * 3, dtype=np.float32)
    monkeypatch.setattr(teaching, "_logits", lambda *_: logits)
    label = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [1, 1, 1]], dtype=np.uint8)
    known = np.ones_like(label, dtype=bool)
    known[1, 2] = known[1, 0] = False
    setup = SimpleNamespace(
        labels=Labels(label, ("a/x", "a/y", "b/z"), known),
        train_rows=np.arange(2),
        module=SimpleNamespace(criterion=BCE),
        describe=lambda: {"task": "a+b", "label_names": ["a/x", "a/y", "b/z"]},
    )
    store = SimpleNamespace(num_records=4)
    for tasks, is_taught in (("a", [1, 1, 0]), ("b", [0, 0, 1]), (None, [1, 1, 1])):
        config = TeacherConfig(["t"], share=0.5, tasks=tasks)
        made = teaching.taught_labels([None], config, setup, store, np.arange(3), None)
        said = np.where(is_taught, 1 / (1 + np.exp(-logits[0])), np.nan)
        whole = np.where(np.isnan(said), label[0], (label[0] + said) / 2)
        half = np.where(np.isnan(said), label[1], (label[1] + said) / 2)
        half[[0, 2]] = said[[0, 2]]
        none = np.full(3, np.nan)
        np.testing.assert_allclose(made.of(np.arange(4)), [whole, half, said, none], atol=1e-6)
    with pytest.raises(RecipeError, match="known are a, b"):
        teaching.taught_labels(
            [None], TeacherConfig(["t"], share=0.5, tasks="c"), setup, store, np.arange(3), None
        )
