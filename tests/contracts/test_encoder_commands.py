"""Every encoder of the table through the commands: probe, fine-tune, embed, evaluate, serve."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from starlette.testclient import TestClient

import anylead
from anylead import datasets
from anylead.checkpoint import load_checkpoint, save_checkpoint
from anylead.commands import embed, finetune
from anylead.commands.finetune import ModelConfig
from anylead.commands.parts import DataConfig
from anylead.errors import RecipeError
from anylead.evaluation import EVALUATIONS, Settings
from anylead.explanations.explaining import explain
from anylead.models import ENCODERS
from anylead.server import Limits, Service, create_app
from anylead.tasks import LabelConfig
from anylead.training.optimizer import OptimizerConfig
from anylead.training.settings import TrainConfig
from synthetic_store import store_folder
from test_export import QUIET
from tiny_encoders import pretrained

every = pytest.mark.parametrize("kind", ENCODERS)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A pre-trained folder of each kind, as small as there is."""
    folder = tmp_path_factory.mktemp("encoders")
    for kind in ENCODERS:
        tensors, description, _ = pretrained(kind)
        save_checkpoint(folder / kind, tensors, description)
    return folder


def tuned(checkpoint, out, train, **changes):
    recipe = finetune.Recipe(
        out=str(out),
        augment=[{"name": "random_lead_mask"}],
        data=DataConfig(store=str(store_folder())),
        labels=LabelConfig(task="rhythm"),
        model=ModelConfig(checkpoint=str(checkpoint), train=train),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        train=TrainConfig(steps=2, batch_size=8, is_quiet=True, device="cpu"),
        **changes,
    )
    return finetune.run(recipe)


def changed(checkpoint, run):
    """Tensors of the encoder that a run has moved."""
    before, after = load_checkpoint(checkpoint).tensors, load_checkpoint(run).tensors
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


@every
def test_a_linear_probe_leaves_the_encoder_as_it_is_down_to_its_statistics(
    kind, checkpoints, tmp_path
):
    run = tuned(checkpoints / kind, tmp_path / "run", "linear_probe")
    assert not changed(checkpoints / kind, run)


def test_full_fine_tuning_moves_weights_and_statistics(checkpoints, tmp_path):
    run = tuned(checkpoints / "merl_resnet18", tmp_path / "run", "full")
    moved = changed(checkpoints / "merl_resnet18", run)
    assert {"encoder.stem.weight", "encoder.stem_norm.running_var"} <= moved


@every
def test_a_probed_model_predicts_explains_embeds_is_scored_and_served(kind, checkpoints, tmp_path):
    run = tuned(checkpoints / kind, tmp_path / "run", "attentive_probe")
    assert not changed(checkpoints / kind, run)
    model = anylead.load(run, device="cpu")
    assert model.description["head"] == "attentive"
    ecg = next(datasets.records("synthetic", num_patients=1, seconds=8.0, sample_rate=100.0))
    answer = model.predict(ecg)
    assert set(answer) == set(model.label_names) and np.isfinite(list(answer.values())).all()
    explained = explain(model, ecg, method="gradients")
    assert np.isfinite(explained.attribution).all() and np.any(explained.attribution)

    settings = Settings(num_resamples=2, device="cpu")
    opened = EVALUATIONS["classification"].open(run, load_checkpoint(run), settings)
    assert np.isfinite(opened.evidence("2").arrays["probability"]).all()

    out = tmp_path / "vectors.parquet"
    recipe = embed.Recipe(str(store_folder()), str(run), out, layer=1, leads="I,V2", num_workers=1)
    embed.run(recipe, QUIET)
    vectors = np.array(pq.read_table(out).column("vector").to_pylist())
    assert vectors.shape == (40, model.encoder.layer_dims[1]) and np.isfinite(vectors).all()

    body = {
        "recordings": [
            {"signal": ecg.signal.tolist(), "leads": list(ecg.leads), "sample_rate": 100.0}
        ]
    }
    app = create_app(Service(model, Limits(), None))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        said = client.post("/predict", json=body).json()["recordings"][0]
        vector = client.post("/embed", json=body).json()["recordings"][0]
    assert said["probabilities"] == pytest.approx(answer, abs=1e-4)
    assert len(vector["vector"]) == model.dim


def test_an_attentive_probe_is_for_classification(checkpoints, tmp_path):
    with pytest.raises(RecipeError, match="attentive_probe: not for identification"):
        tuned(checkpoints / "resnet1d", tmp_path / "run", "attentive_probe", task="identification")
