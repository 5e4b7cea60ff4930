import copy

import numpy as np
import pytest
import torch

import fitted_model
from anylead.checkpoint import Checkpoint
from anylead.commands import explain as verb
from anylead.commands.cli import main
from anylead.errors import AnyleadError, RecipeError
from anylead.explanations import METHODS, Target, attention, deletion, explain, saliency_on
from anylead.explanations.attention import roll_out
from anylead.explanations.target import flat
from anylead.inference.model import Model
from anylead.leads import LEADS
from anylead.models import describe_encoder
from anylead.models.resnet1d import ResNet1d, ResNet1dConfig
from anylead.records import Record


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model():
    return fitted_model.model()


@pytest.fixture(scope="module")
def records():
    return fitted_model.recordings()


def few_leads(record, leads):
    rows = [record.leads.index(name) for name in leads]
    return Record(record.signal[rows], tuple(leads), record.sample_rate)


@pytest.mark.parametrize("method", METHODS)
def test_what_the_model_may_not_see_gets_nothing(model, records, method):
    explanation = explain(model, records[0], method, use_leads="I,V2")
    is_seen = np.isin(LEADS, ("I", "V2"))
    assert explanation.attribution.shape == (12, 500)
    assert np.isfinite(explanation.attribution).all()
    assert (explanation.attribution[~is_seen] == 0).all()
    assert (np.abs(explanation.attribution[is_seen]).sum(axis=1) > 0).all()
    assert set(explanation.by_lead) == {"I", "V2"}


def test_integrated_gradients_add_up_to_the_score(model, records):
    explanation = explain(model, records[1], "gradients")
    windows = model.windows([records[1]])[0]
    signal, has_lead = torch.from_numpy(windows.signal), torch.from_numpy(windows.has_lead)[None]
    target = Target(model, explanation.label)
    whole, nothing = (float(target.value(x, has_lead)) for x in (signal, flat(signal)))
    assert abs(whole - nothing) > 0.1
    assert explanation.attribution.sum() == pytest.approx(whole - nothing, rel=0.05, abs=0.05)


def test_occlusion_is_the_fall_of_the_score_without_a_piece(model, records):
    explanation = explain(model, records[2], "occlusion", label="LBBB")
    windows = model.windows([records[2]])[0]
    signal, has_lead = torch.from_numpy(windows.signal), torch.from_numpy(windows.has_lead)[None]
    without = signal.clone()
    without[0, 7, 100:120] = signal[0, 7].median()  # 0.2 s of V2
    target = Target(model, "LBBB")
    fall = float(target.value(signal, has_lead) - target.value(without, has_lead))
    assert explanation.attribution[7, 100:120].sum() == pytest.approx(fall, rel=1e-3, abs=1e-4)


def test_a_lead_counts_by_what_the_model_says_when_it_was_not_recorded(model, records):
    explanation = explain(model, records[3], "attention", label="RBBB")
    others = [name for name in LEADS if name != "V1"]
    whole, less = (
        model.predict(records[3], use_leads=leads, logits=True)["RBBB"] for leads in ("12", others)
    )
    assert explanation.by_lead["V1"] == pytest.approx(whole - less, abs=1e-4)
    alone = explain(model, few_leads(records[3], ["V1"]), "attention")
    assert alone.by_lead == {"V1": None}  # without it nothing is left


def test_roll_out_is_the_product_of_the_layers(model, records):
    windows = model.windows([records[4]])[0]
    signal, has_lead = torch.from_numpy(windows.signal), torch.from_numpy(windows.has_lead)[None]
    encoder = model.encoder
    with torch.no_grad():
        found = roll_out(encoder, signal, has_lead)[0]
        normed = encoder.feature_norm(encoder.features(signal, None, has_lead))
        outputs = encoder.layer_outputs(normed)
        product = torch.eye(found.shape[0])
        for layer, entering in zip(encoder.layers, outputs, strict=False):
            mixed = layer.attention_weights(entering)[0].mean(dim=0)
            product = (0.5 * mixed + 0.5 * torch.eye(len(mixed))) @ product
    torch.testing.assert_close(found, product.mean(dim=0), atol=1e-6, rtol=1e-4)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)


def test_randomised_weights_change_the_map(model, records):
    tensors = dict(fitted_model.checkpoint().tensors)
    generator = torch.Generator().manual_seed(9)
    for name, tensor in tensors.items():
        if tensor.ndim > 1:  # norms and biases keep their place, directions are lost
            noise = torch.randn(tensor.shape, generator=generator)
            tensors[name] = noise * tensor.std() + tensor.mean()
    other = Model(Checkpoint(tensors, model.description), "cpu")
    for method in ("gradients", "occlusion"):
        likeness = []
        for record in records[:2]:
            maps = [explain(each, record, method, "LBBB").attribution for each in (model, other)]
            again = explain(model, record, method, "LBBB").attribution
            assert np.array_equal(again, maps[0])
            likeness.append(np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1])
        assert np.mean(likeness) < 0.5, (method, likeness)


@pytest.mark.parametrize("method", ["gradients", "occlusion"])
def test_deleting_what_is_salient_takes_the_answer_away_faster_than_chance(model, records, method):
    guided, random = [], []
    for record in records[:4]:
        explanation = explain(model, record, method)
        guided.append(deletion(model, record, explanation, steps=10))
        random.append(deletion(model, record, explanation, steps=10, seed=1))
    assert [curve[0] for curve in guided] == pytest.approx([curve[0] for curve in random])
    assert [curve[-1] for curve in guided] == pytest.approx([curve[-1] for curve in random])
    assert np.mean(guided) < 0.6 * np.mean(random)


def test_the_map_lies_on_the_samples_of_the_file(model, records):
    record = records[5]
    fast = Record(np.repeat(record.signal[:, :400], 4, axis=1), LEADS, 400.0)  # 4 s at 400 Hz
    explanation = explain(model, fast, "occlusion")
    saliency = saliency_on(explanation, fast)
    assert saliency.shape == fast.signal.shape
    assert saliency.min() >= -1
    assert saliency.max() == 1
    lead, moment = np.unravel_index(np.abs(explanation.attribution).argmax(), (12, 400))
    assert saliency[lead, 4 * moment] > 0.9


def test_attention_that_is_spread_evenly_shades_nothing():
    even = np.full((12, 100), 1 / 128, dtype=np.float32)
    assert (attention.strength(even) == 0).all()
    peak = even.copy()
    peak[:, 50] *= 3
    shaded = attention.strength(peak)
    assert (shaded[:, 50] == 1).all()
    assert (np.delete(shaded, 50, axis=1) == 0).all()
    assert (attention.strength(np.zeros((12, 10), dtype=np.float32)) == 0).all()


def test_long_recordings_are_explained_from_end_to_end(model, records):
    joined = np.concatenate([records[6].signal, records[7].signal, records[8].signal[:, :130]], 1)
    explanation = explain(model, Record(joined, LEADS, 100.0), "gradients")
    assert explanation.attribution.shape == (12, 1130)
    assert (np.abs(explanation.attribution).sum(axis=0) > 0).mean() > 0.99


def test_a_model_without_labels_explains_its_vector(records):
    made = fitted_model.checkpoint()
    tensors = {name: t for name, t in made.tensors.items() if name.startswith("encoder.")}
    model = Model(Checkpoint(tensors, {**made.description, "kind": "pretraining"}), "cpu")
    explanation = explain(model, records[0], "gradients")
    assert explanation.label is None
    assert np.abs(explanation.attribution).sum() > 0
    with pytest.raises(RecipeError, match="needs a label"):
        deletion(model, records[0], explanation)


def test_a_network_without_attention_says_so_and_has_gradients(records):
    torch.manual_seed(0)
    encoder = ResNet1d(ResNet1dConfig(stem_dim=8, dims=(8, 8)))
    tensors = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    tensors |= {"head.weight": torch.randn(7, 8), "head.bias": torch.zeros(7)}
    description = {**fitted_model.checkpoint().description, "encoder": describe_encoder(encoder)}
    model = Model(Checkpoint(tensors, description), "cpu")
    with pytest.raises(RecipeError, match="has none; choose the method gradients"):
        explain(model, records[0], "attention")
    assert np.abs(explain(model, records[0], "gradients").attribution).sum() > 0


def test_the_scale_of_gradients_in_training_does_not_reach_the_map(model, records):
    slow = copy.copy(model)
    slow.encoder = copy.copy(model.encoder)
    object.__setattr__(slow.encoder, "config", copy.copy(model.encoder.config))
    object.__setattr__(slow.encoder.config, "feature_grad_scale", 0.0)
    expected = explain(model, records[0], "gradients").attribution
    np.testing.assert_allclose(explain(slow, records[0], "gradients").attribution, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "method 'guess'; known are gradients"),
        ({"label": "XYZ"}, "label 'XYZ'; the model has SR"),
    ],
)
def test_a_wrong_name_is_refused_with_those_that_exist(model, records, options, message):
    with pytest.raises(AnyleadError, match=message):
        explain(model, records[0], **options)


def test_the_command_draws_the_page_and_the_curve(tmp_path, capsys, records):
    record = records[9]
    file = tmp_path / "ecg.npz"
    facts = {"leads": np.array(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
    np.savez(file, signal=record.signal, **facts)
    page, curve = tmp_path / "page.svg", tmp_path / "curve.svg"
    arguments = [str(file), "--model", str(fitted_model.folder()), "-o", str(page)]
    assert main(["explain", *arguments, "--deletion", str(curve), "--label", "LBBB"]) == 0
    text = page.read_text()
    assert "LBBB" in text
    assert "integrated gradients" in text
    assert "saliency-V1" in text
    assert "most salient first" in curve.read_text()
    printed = capsys.readouterr().out
    assert all(f"  {name:<4} " in printed for name in LEADS)
    assert main(["explain", *arguments, "--method", "x"]) == 2
    assert "gradients or occlusion" in capsys.readouterr().err


def test_a_picture_of_unknown_kind_is_refused_before_any_work(tmp_path):
    with pytest.raises(RecipeError, match=r"saved as \.svg"):
        verb.run(verb.Recipe(tmp_path / "none.npz", "no-model", out=tmp_path / "page.gif"))


@pytest.mark.parametrize("kind", ["classification", "multiclass"])
def test_the_probability_without_a_lead_is_what_the_model_says_without_it(kind, records):
    made = fitted_model.checkpoint()
    model = Model(Checkpoint(made.tensors, {**made.description, "kind": kind}), "cpu")
    long = Record(np.tile(records[2].signal, 3), records[2].leads, records[2].sample_rate)
    for record in (records[2], long):
        explanation = explain(model, record, "gradients", "LBBB", use_leads="I,II,V1")
        assert explanation.probability == pytest.approx(
            model.predict(record, use_leads="I,II,V1")["LBBB"], abs=1e-5
        )
        for lead, kept in (("I", "II,V1"), ("II", "I,V1"), ("V1", "I,II")):
            said = model.predict(record, use_leads=kept)["LBBB"]
            assert explanation.without_lead[lead] == pytest.approx(said, abs=1e-4)
    curve = deletion(model, records[2], explain(model, records[2], "gradients", "LBBB"), steps=2)
    assert curve[0] == pytest.approx(model.predict(records[2])["LBBB"], abs=1e-5)
