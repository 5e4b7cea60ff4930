"""Public encoders by name: files of their layouts, and the ways in which loading goes wrong."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import anylead
from anylead import datasets
from anylead.commands import convert
from anylead.commands.finetune import ModelConfig
from anylead.commands.finetune import Recipe as Finetune
from anylead.commands.parts import DataConfig
from anylead.errors import CheckpointError, LeadError
from anylead.interop import ked, merl
from anylead.interop.published import PUBLISHED
from anylead.models.text_projection import PooledProjection
from interop.published_layouts import LAYOUTS, hubert_ecg, st_mem_full, tensors_in
from test_export import QUIET

every = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture(scope="module")
def record():
    return next(datasets.records("synthetic", num_patients=1, seconds=10.0, sample_rate=500.0))


def written(content, path):
    torch.save(content, path)
    return path


def test_every_public_encoder_has_a_layout_here():
    assert LAYOUTS.keys() == PUBLISHED.keys()


@every
def test_a_file_loads_by_name_by_preset_and_as_a_folder_of_ours(name, record, tmp_path, caplog):
    path = written(LAYOUTS[name](), tmp_path / "weights.pth")
    model = anylead.load(name, weights=path, device="cpu")
    said = f"weights of {PUBLISHED[name].title}: {PUBLISHED[name].licence}"
    assert caplog.messages == [said]
    vector = model.embed(record)
    assert vector.shape == (model.dim,) and np.isfinite(vector).all()
    assert np.array_equal(anylead.load(path, preset=name, device="cpu").embed(record), vector)
    assert model.preprocess_config == PUBLISHED[name].preprocess
    few = model.embed(record, use_leads="I,V2")
    assert np.isfinite(few).all()

    convert.run(convert.Recipe(str(path), tmp_path / "ours", preset=name), QUIET)
    caplog.clear()
    again = anylead.load(tmp_path / "ours", device="cpu")
    assert np.array_equal(again.embed(record), vector)
    assert caplog.messages == [said]
    assert PUBLISHED[name].licence in (tmp_path / "ours" / "README.md").read_text()


@every
@pytest.mark.parametrize("damage", ["missing", "extra", "shape"])
def test_a_tensor_that_is_missing_extra_or_of_another_shape_is_told(name, damage, tmp_path):
    content = LAYOUTS[name]()
    tensors = tensors_in(content)
    unused = ("bn", "final_proj", "label_embedding", "linear", "proj", "head_ssl", "first_bn")
    key = [
        k for k in tensors if k.endswith("weight") and not k.startswith(unused) and "ssl" not in k
    ][-1]
    key = next((k for k in tensors if k.endswith("convpath.0.2.0.weight")), key)
    if damage == "missing":
        del tensors[key]
    elif damage == "extra":
        tensors["some.other.weight"] = torch.zeros(3)
    else:
        tensors[key] = torch.zeros(7, *tensors[key].shape[1:])
    path = written(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        anylead.load(name, weights=path)


@every
def test_the_tensors_at_another_place_of_the_file_are_told(name, tmp_path):
    content = {"something": tensors_in(LAYOUTS[name]())}
    path = written(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"no tensor|unknown tensors"):
        anylead.load(name, weights=path)


@every
def test_weights_of_another_public_encoder_are_told_with_its_name(name, tmp_path):
    path = written(LAYOUTS[name](), tmp_path / "weights.pth")
    of_one_reader = {each for each in PUBLISHED if PUBLISHED[each].read is PUBLISHED[name].read}
    of_one = f"({'|'.join(of_one_reader)})"
    for other in PUBLISHED.keys() - of_one_reader:
        with pytest.raises(CheckpointError, match=f"weights of {of_one}, not of {other}; name"):
            anylead.load(other, weights=path)


def test_a_name_without_weights_and_weights_without_a_name():
    with pytest.raises(CheckpointError, match=r"bring its weights.*PKUDigitalHealth"):
        anylead.load("ecgfounder")
    with pytest.raises(CheckpointError, match="no public encoder"):
        anylead.load("ecg_founder", weights="file.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        anylead.load("ecgfounder", weights="nowhere.pth")
    with pytest.raises(CheckpointError, match="are for fairseq-signals"):
        anylead.load("ecgfounder", weights="nowhere.pth", num_heads=3)


def test_a_file_on_the_hub_is_fetched(monkeypatch, tmp_path, record):
    path = written(LAYOUTS["ecgfounder"](), tmp_path / "12_lead_ECGFounder.pth")
    asked = []
    monkeypatch.setattr("anylead.interop.hub.pull", lambda address: asked.append(address) or path)
    anylead.load("ecgfounder", weights=PUBLISHED["ecgfounder"].weights, device="cpu")
    assert asked == ["hf://PKUDigitalHealth/ECGFounder/12_lead_ECGFounder.pth"]


def test_ecgfounder_answers_with_its_150_statements_and_hubert_with_its_164(record, tmp_path):
    founder = anylead.load(
        "ecgfounder", weights=written(LAYOUTS["ecgfounder"](), tmp_path / "a.pth"), device="cpu"
    )
    answers = founder.predict(record)
    assert len(answers) == 150 and list(answers)[:2] == ["ABNORMAL ECG", "NORMAL SINUS RHYTHM"]
    path = written(hubert_ecg(164), tmp_path / "b.pt")
    hubert = anylead.load("hubert_ecg", weights=path, device="cpu")
    assert len(hubert.predict(record)) == 164 and hubert.label_names[:2] == ("PAC|SVPB", "AVCR")
    other = written(hubert_ecg(3), tmp_path / "c.pt")
    assert anylead.load("hubert_ecg", weights=other).label_names == tuple(
        f"output {i}" for i in range(3)
    )
    named = anylead.load("hubert_ecg", weights=other, label_names=["a", "b", "c"])
    assert named.label_names == ("a", "b", "c")
    with pytest.raises(CheckpointError, match="3 outputs and 2 different label names"):
        anylead.load("hubert_ecg", weights=other, label_names=["a", "b"])


def test_ecgfounder_does_not_use_the_norms_of_its_file(record, tmp_path):
    content = LAYOUTS["ecgfounder"]()
    before = anylead.load("ecgfounder", weights=written(content, tmp_path / "a.pth"), device="cpu")
    for name, tensor in content["state_dict"].items():
        if "bn" in name:
            tensor += 5
    after = anylead.load("ecgfounder", weights=written(content, tmp_path / "b.pth"), device="cpu")
    assert np.array_equal(before.embed(record), after.embed(record))


def test_hubert_from_safetensors_in_both_spellings_of_its_weight_norm(record, tmp_path):
    tensors = tensors_in(hubert_ecg())
    save_file(tensors, tmp_path / "model.safetensors")
    model = anylead.load("hubert_ecg", weights=tmp_path, device="cpu")
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert old.keys() != tensors.keys()
    path = written({"model_state_dict": old}, tmp_path / "old.pt")
    again = anylead.load("hubert_ecg", weights=path, device="cpu")
    assert np.array_equal(model.embed(record), again.embed(record))


def test_the_full_file_of_st_mem_gives_its_encoder_and_must_hold_its_patch_embedding_twice(
    record, tmp_path
):
    content = st_mem_full()
    path = written(content, tmp_path / "full.pth")
    full = anylead.load("st_mem", weights=path, device="cpu")
    assert full.description["provenance"]["unused_tensors"] > 0
    content["model"]["to_patch_embedding.2.bias"] = torch.zeros(64)
    with pytest.raises(CheckpointError, match=r"to_patch_embedding.2.bias is not what encoder"):
        anylead.load("st_mem", weights=written(content, tmp_path / "other.pth"))


def test_merl_alone_and_in_its_training_container_is_one_encoder(record, tmp_path):
    alone = LAYOUTS["merl_resnet18"]()
    inside = {f"module.ecg_encoder.{name}": tensor for name, tensor in alone.items()}
    inside["module.linear1.weight"] = torch.zeros(256, 256)
    paths = [
        written(alone, tmp_path / "a.pth"),
        written({"model_state_dict": inside, "epoch": 1}, tmp_path / "b.pth"),
    ]
    vectors = [
        anylead.load("merl_resnet18", weights=path, device="cpu").embed(record) for path in paths
    ]
    assert np.array_equal(*vectors)
    with pytest.raises(CheckpointError, match="no projections"):
        merl.read_projections(alone, "file")
    vit = LAYOUTS["merl_vit_tiny"]()
    dims = {"0": (256, 64), "3": (256, 256)}
    for i, shape in dims.items():
        vit |= {f"proj_e.{i}.weight": torch.zeros(shape), f"proj_e.{i}.bias": torch.zeros(256)}
    for i in ("1", "4"):
        vit |= {
            f"proj_e.{i}.{n}": torch.ones(256)
            for n in ("weight", "bias", "running_mean", "running_var")
        }
        vit |= {f"proj_e.{i}.num_batches_tracked": torch.tensor(0)}
    vit |= {"proj_t.2.weight": torch.zeros(256, 256), "proj_t.2.bias": torch.zeros(256)}
    ecg, text = merl.read_projections(vit, "file")
    assert isinstance(ecg, PooledProjection)
    assert text(torch.ones(2, 768)).shape == (2, 256)


def test_ked_without_its_container_or_the_wrong_part_of_it_is_told():
    content = LAYOUTS["ked"]()
    with pytest.raises(CheckpointError, match="no tensors under 'ecg_model'"):
        ked.read(content["ecg_model"], "file")
    with pytest.raises(CheckpointError, match="tensors do not fit"):
        ked.read_label_queries(content, "file")


def test_a_lead_that_an_encoder_cannot_see_is_told(record, tmp_path):
    path = written(LAYOUTS["ecg_jepa"](), tmp_path / "a.pth")
    model = anylead.load("ecg_jepa", weights=path, device="cpu")
    with pytest.raises(LeadError, match="complete_limb_leads"):
        model.embed(record, use_leads="III,aVF")


def test_what_is_made_from_their_weights_goes_on_saying_so(tmp_path):
    """A store at their rate, fine-tuned one step: the licence is in the new checkpoint."""
    from anylead.commands import finetune, prepare
    from anylead.commands.finetune import TrainConfig
    from anylead.signals import PreprocessConfig

    path = written(LAYOUTS["ked"](), tmp_path / "ked.pt")
    convert.run(convert.Recipe(str(path), tmp_path / "ked", preset="ked"), QUIET)
    prepare.run(
        prepare.Recipe(
            dataset="synthetic",
            out=tmp_path / "store",
            options={"num_patients": 16},
            preprocess=PreprocessConfig(100.0, resampler="fourier"),
            num_workers=1,
        ),
        QUIET,
    )
    recipe = Finetune(
        out=str(tmp_path / "run"),
        data=DataConfig(store=str(tmp_path / "store")),
        model=ModelConfig(checkpoint=str(tmp_path / "ked"), train="linear_probe"),
        augment=[{"name": "random_lead_mask"}],
        train=TrainConfig(steps=1, batch_size=8, is_quiet=True),
    )
    finetune.run(recipe)
    made = anylead.load(tmp_path / "run", device="cpu")
    assert made.description["weights_from"]["title"] == "KED"


def test_a_misspelt_preset_is_told_with_the_near_name(tmp_path):
    path = written(LAYOUTS["ecgfounder"](), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"no preset 'ecgfoundr'.* did you mean ecgfounder"):
        anylead.load(path, preset="ecgfoundr")
    with pytest.raises(CheckpointError, match=r"no preset 'ecgfoundr'.* did you mean ecgfounder"):
        convert.run(convert.Recipe(str(path), tmp_path / "ours", preset="ecgfoundr"), QUIET)
    with pytest.raises(CheckpointError, match="the public encoder it is of as the preset"):
        anylead.load(path)
