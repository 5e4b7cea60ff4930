"""Fine-tuning for waves: what is learned from, what stays, and what comes out."""

import math

import numpy as np
import pytest
import torch

import anylead
from anylead import datasets
from anylead.augment import compose
from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.commands import evaluate
from anylead.errors import CheckpointError, RecipeError
from anylead.inference.delineator import save_head
from anylead.leads import LEADS
from anylead.metrics.waves import by_lead, score_waves
from anylead.models import Encoder, EncoderConfig, describe_encoder
from anylead.objective import Batch
from anylead.records import UNMARKED, Mark
from anylead.store import Store
from anylead.store.marks import stored_marks
from anylead.tasks.wave_targets import WaveTargets, targets
from anylead.tasks.waves import WaveConfig, Waves
from corpora import LAYOUTS
from heart_records import make, marked_store
from synthetic_store import store_folder

SMALL = EncoderConfig(
    ((8, 7, 2), (8, 5, 2), (8, 5, 2)),
    *(16, 1, 2, 32, 8, 2),
    stem="residual",
    norm_first=True,
    feature_grad_scale=1.0,
)
DECODER = WaveConfig(dims=(8, 8, 8, 8), kernel=5)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A folder with an encoder of random weights, as if it had been pre-trained."""
    torch.manual_seed(0)
    made = Encoder(SMALL)
    folder = tmp_path_factory.mktemp("encoder")
    tensors = {f"encoder.{name}": tensor for name, tensor in made.state_dict().items()}
    preprocess = vars(anylead.signals.PreprocessConfig(sample_rate=100.0))
    save_checkpoint(folder, tensors, {"encoder": describe_encoder(made), "preprocess": preprocess})
    return folder


@pytest.fixture(scope="module")
def store():
    return str(marked_store())


@pytest.fixture(scope="module")
def run(encoder, store, tmp_path_factory):
    return anylead.finetune(
        store,
        task="waves",
        model={"checkpoint": str(encoder), "train": "linear_probe"},
        waves=DECODER,
        data={"segment_seconds": 10.0, "scheme": "all"},
        augment=[{"name": "random_lead_mask", "mode": "lead_sets", "prob": 1.0,
                  "sets": ["I", "II", "V1", "V5", "12"]}],
        optimizer={"learning_rate": 1e-2},
        train={"steps": 40, "batch_size": 8, "precision": "fp32", "is_quiet": True},
        keep="last",
        validate_every=1000,
        out=str(tmp_path_factory.mktemp("run") / "waves"),
    )  # fmt: skip


@pytest.mark.parametrize("use_leads", ["II", "12"])
def test_finds_the_waves_of_a_heart_that_it_never_saw(run, use_leads):
    record, _ = make(250.0, seed=99)
    found = run.delineate(record, use_leads=use_leads)
    tallies = score_waves(by_lead(record.marks, found.waves, found.leads), beyond_ends=True)
    assert {key: tally.f1 > 0.9 for key, tally in tallies.items()} == dict.fromkeys(tallies, True)


@pytest.fixture(scope="module")
def evaluated(run, store, tmp_path_factory):
    out = tmp_path_factory.mktemp("scores")
    scores = evaluate.run(
        evaluate.Recipe(
            str(run.source), str(out), store, "all", "12 II", num_resamples=50, device="cpu"
        )
    )
    return {score.lead_set: score for score in scores}, out


@pytest.mark.parametrize("leads", ["12", "II"])
def test_evaluation_gives_the_scores_of_all_waves_together(evaluated, run, store, leads):
    """The same by hand: every recording through the model, one tally over all."""
    opened, pairs = Store.open(store), []
    for marks, seed in zip(stored_marks(opened), range(8), strict=True):
        found = run.delineate(make(500.0, seed=seed)[0], use_leads=leads)
        pairs += by_lead(marks, found.waves, found.leads)
    for key, tally in score_waves(pairs).items():
        got = evaluated[0][leads].by_class[" ".join(key)]
        want = tally.as_dict()
        for name in ("se", "ppv", "f1"):
            # The store rounds samples, and a boundary at the very end may change sides.
            assert got[name].value == pytest.approx(want[name], abs=2e-3)
            assert got[name].low <= got[name].value <= got[name].high
        assert got["mean_ms"].value == pytest.approx(want["mean_ms"], abs=0.3)
        assert got["sd_ms"].value == pytest.approx(want["sd_ms"], abs=0.3)
    ends = score_waves(pairs, beyond_ends=True)
    f1 = np.mean([tally.f1 for tally in ends.values()])
    assert evaluated[0][leads].macro["f1_with_ends"].value == pytest.approx(f1, abs=1e-6)


def test_evaluation_writes_its_report(evaluated):
    page = (evaluated[1] / "report.html").read_text()
    assert "Waves by lead set" in page and "QRS offset" in page


def test_a_frozen_encoder_stays_as_it_was_its_statistics_too(run, encoder):
    before = load_checkpoint(encoder).part("encoder")
    after = run.encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_decoder_lies_beside_the_encoder_it_was_made_for_and_no_other(run, encoder, tmp_path):
    saved = run.save(tmp_path / "run")
    save_head(load_checkpoint(saved), encoder)
    beside = anylead.load(encoder, device="cpu")
    record, _ = make(seed=5)
    assert beside.delineate(record).waves == run.delineate(record).waves

    whole = load_checkpoint(encoder)
    changed = {name: tensor + 0.5 if name.endswith("mask_vector") else tensor
               for name, tensor in whole.tensors.items()}  # fmt: skip
    save_checkpoint(encoder, changed, whole.description)
    with pytest.raises(CheckpointError, match="other weights of the encoder"):
        anylead.load(encoder, device="cpu").delineate(record)
    with pytest.raises(CheckpointError, match="another encoder"):
        save_head(load_checkpoint(saved), encoder)
    save_checkpoint(encoder, whole.tensors, whole.description)


def test_a_model_without_a_decoder_says_so(tmp_path):
    record, _ = make()
    with pytest.raises(CheckpointError, match="no decoder of waves"):
        anylead.load("synthetic-tiny", device="cpu").delineate(record)


def batch(num=2, length=200):
    signal = torch.randn(num, 1, 12, length)
    return Batch(
        signal=signal,
        has_lead=torch.ones(num, 1, 12, dtype=torch.bool),
        num_samples=None,
        patient=torch.arange(num),
        record=torch.arange(num),
        seed=torch.arange(num),
        step=torch.tensor(0),
        start=torch.zeros(num, 1, dtype=torch.int64),
    )


def test_the_loss_is_a_cross_entropy_over_known_samples_of_leads_that_are_seen():
    torch.manual_seed(0)
    marks = [(Mark("II", "QRS", 0.5, 0.603), Mark("V1", "T", 0.3, 0.8)), (Mark("II", "P", 1, 1.1),)]
    module = Waves(Encoder(SMALL), DECODER, compose([]), WaveTargets(marks, 100.0)).eval()
    given = batch()
    step = module(given)
    log = torch.log(module.probabilities(given))[:, 0]  # (batch, lead, time, 4)
    loss, terms = 0.0, 0
    for row, of_row in enumerate(marks):
        share, is_known = targets(of_row, 0, 200, 100.0)
        for lead in range(12):
            for t in np.flatnonzero(is_known[lead]):
                terms += 1
                loss -= sum(share[lead, k, t] * log[row, lead, t, k].item() for k in range(4))
    assert step.terms.item() == terms
    assert step.loss.item() == pytest.approx(loss, rel=1e-4)
    assert math.isclose(share[LEADS.index("II"), 1].sum(), 10, abs_tol=1e-3)


def test_where_nobody_looked_is_not_known_and_its_edges_are():
    marks = (Mark("", "QRS", 0.3, 0.4), Mark("II", UNMARKED, 0.5, 1.0), Mark("", "T", 1.0, 1.2))
    share, is_known = targets(marks, 20, 120, 100.0)
    seconds = (20 + np.arange(120)) / 100
    hidden = (seconds >= 0.5) & (seconds < 1.0)
    certain = (seconds >= 0.27) & (seconds <= 1.23)
    np.testing.assert_array_equal(is_known[LEADS.index("II")], certain & ~hidden)
    np.testing.assert_array_equal(is_known[LEADS.index("V1")], certain)
    assert share[LEADS.index("II"), 3, 85] == 1  # T at 1.05 s


def test_what_nobody_looked_at_goes_through_a_store(tmp_path):
    root = tmp_path / "qtdb"
    LAYOUTS["qtdb"](root)
    made = anylead.prepare("qtdb", root, out=tmp_path / "store", preprocess={"sample_rate": 100.0})
    stored = stored_marks(made)
    want = {
        record.record_id: record.marks for record in datasets.records("qtdb", tmp_path / "qtdb")
    }
    assert dict(zip(made.record_id.tolist(), stored, strict=True)) == want
    start = torch.zeros(len(stored), 1, dtype=torch.int64)
    _, is_known = WaveTargets(stored, 100.0).of(torch.arange(len(stored)), start, 1000)
    # T of these beats has an onset that nobody marked: .03 s behind the QRS up to its peak.
    second = is_known[made.record_id.tolist().index("sel100/00000"), LEADS.index("II")]
    assert second[425:431].all() and not second[432:448].any() and second[448:456].all()


def test_recordings_without_marks_and_encoders_without_halvings_are_refused(tmp_path):
    options = {"task": "waves", "out": str(tmp_path / "run"), "train": {"steps": 1}}
    with pytest.raises(RecipeError, match="no marks of waves"):
        anylead.finetune(
            store_folder(),
            model={"encoder": {"size": "tiny", "overrides": {"stem": "residual",
                   "conv_layers": [[8, 7, 2]]}}},
            **options,
        )  # fmt: skip
    with pytest.raises(RecipeError, match="residual stem"):
        Waves(Encoder(EncoderConfig(((8, 2, 2),) * 4, 16, 1, 2, 32, 8, 2)), DECODER, compose([]))
