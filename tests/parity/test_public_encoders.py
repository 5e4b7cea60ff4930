"""From microvolts to the vectors of public encoders, with the numbers in the repository."""

import json

import numpy as np
import pytest
import torch

from anylead.checkpoint import Checkpoint
from anylead.inference.model import Model
from anylead.interop import merl
from anylead.interop.published import read_published
from anylead.leads import LEADS
from anylead.models.ecg_jepa import position_table
from anylead.records import Record
from conftest import SMALL_GOLDEN
from parity.stand_in import assert_golden, state


@pytest.fixture(scope="module")
def golden():
    layouts = json.loads((SMALL_GOLDEN / "public_encoders.json").read_text())
    arrays = np.load(SMALL_GOLDEN / "public_encoders.npz")
    signal = (arrays["raw_uv"] / 1000).astype(np.float32)
    return layouts, arrays, Record(signal, LEADS, 500.0, "HR00001")


def loaded(name, layouts, path, key=None, fixed=None):
    theirs = {**state(layouts[name]["shapes"], layouts[name]["gains"]), **(fixed or {})}
    content = theirs if key is None else {key: theirs}
    torch.save(content, path / "weights.pth")
    checkpoint = read_published(name, path / "weights.pth")
    assert isinstance(checkpoint, Checkpoint)
    return Model(checkpoint, "cpu"), content


def test_ecgfounder_from_microvolts_to_logits(golden, tmp_path):
    layouts, z, record = golden
    model, _ = loaded("ecgfounder", layouts, tmp_path, "state_dict")
    assert_golden(torch.from_numpy(model.embed(record)), z["ecgfounder/features12"])
    answers = torch.tensor(list(model.predict(record, logits=True).values()))
    assert_golden(answers, z["ecgfounder/logits12"])


def test_ecg_jepa_from_microvolts_to_the_vector_of_all_leads_and_of_three(golden, tmp_path):
    layouts, z, record = golden
    table = {"pos_embed": position_table(50, 768)}
    model, _ = loaded("ecg_jepa", layouts, tmp_path, "encoder", table)
    assert_golden(torch.from_numpy(model.embed(record)), z["ecg_jepa/representation"])
    few = torch.from_numpy(model.embed(record, use_leads="I,II,V2"))
    assert_golden(few, z["ecg_jepa/representation_leads_I_II_V2"])


@pytest.mark.parametrize("name", ["merl_resnet18", "merl_vit_tiny"])
def test_merl_from_microvolts_to_the_space_of_texts(golden, tmp_path, name):
    layouts, z, record = golden
    model, content = loaded(name, layouts, tmp_path)
    key = "encoder_mean" if name == "merl_resnet18" else "encoder"
    vector = torch.from_numpy(model.embed(record))
    assert_golden(vector, z[f"{name}/{key}"])
    ecg, _ = merl.read_projections(content, "file")
    frames = torch.from_numpy(model.embed(record, pool=None))[None]
    with torch.no_grad():
        projected = ecg(frames)[0] if name == "merl_resnet18" else ecg(vector[None])
    assert_golden(projected[0], z[f"{name}/proj"])
