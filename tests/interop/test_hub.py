import json

import huggingface_hub
import numpy as np
import pytest
import yaml
from huggingface_hub.errors import LocalEntryNotFoundError

import anylead
from anylead.errors import CheckpointError
from anylead.interop import hub
from anylead.interop.model_card import model_card
from interop import small_models, synthetic_peer


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A hub that is a folder: what is pushed can be pulled."""
    root = tmp_path / "hub"

    class Api:
        def create_repo(self, repo_id, private, exist_ok):
            (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
            (root / repo_id / ".private").write_text(str(private))
            return f"address of {repo_id}"

        def upload_folder(self, repo_id, folder_path, commit_message):
            for path in type(root)(folder_path).iterdir():
                (root / repo_id / path.name).write_bytes(path.read_bytes())

    def snapshot_download(repo_id, revision, allow_patterns):
        if not (root / repo_id).is_dir():
            raise LocalEntryNotFoundError("offline")
        return str(root / repo_id)

    def hf_hub_download(repo_id, filename, revision):
        return str(root / repo_id / filename)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    return root


def test_what_is_pushed_is_what_is_pulled(served, tmp_path):
    model = anylead.load(small_models.folder(tmp_path / "m"), device="cpu")
    assert model.push_to_hub("lab/ecg") == "address of lab/ecg"
    assert sorted(p.name for p in (served / "lab/ecg").iterdir()) == [
        ".private",
        "README.md",
        "model.json",
        "model.safetensors",
    ]
    assert (served / "lab/ecg/.private").read_text() == "True"
    again = anylead.load("hf://lab/ecg", device="cpu")
    signal = np.random.default_rng(0).standard_normal((12, 700))
    for options in ({}, {"use_leads": "I"}):
        found = again.embed(signal, sample_rate=250, leads="12", **options)
        assert np.array_equal(found, model.embed(signal, sample_rate=250, leads="12", **options))
    assert 'anylead.load("hf://lab/ecg")' in (served / "lab/ecg/README.md").read_text()


def test_a_single_foreign_file_can_be_pulled(served):
    (served / "lab/peer").mkdir(parents=True)
    synthetic_peer.write(served / "lab/peer/weights.pt")
    model = anylead.load("hf://lab/peer/weights.pt", device="cpu")
    assert model.dim == 32


def test_without_network_and_cache_the_error_says_so(served):
    with pytest.raises(CheckpointError, match="not in the local cache, and the hub cannot be"):
        anylead.load("hf://lab/nothing")


@pytest.mark.parametrize("address", ["hf://", "hf://lab", "hf://lab/", "hf:///x/y"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(CheckpointError, match="want hf://owner/name"):
        hub.pull(address)


def test_a_folder_is_shared_by_copying_it(tmp_path):
    source = small_models.folder(tmp_path / "m")
    target = hub.copy_model(source, tmp_path / "shared" / "m")
    first, second = anylead.load(source, device="cpu"), anylead.load(target, device="cpu")
    assert first.fingerprint() == second.fingerprint()
    assert (target / "README.md").is_file()
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        hub.copy_model(tmp_path / "shared", tmp_path / "other")


def test_a_card_that_was_edited_is_kept(tmp_path):
    folder = small_models.folder(tmp_path / "m")
    (folder / "README.md").write_text("mine")
    hub.write_card(folder)
    assert (folder / "README.md").read_text() == "mine"


def test_the_card_states_what_the_description_states():
    description = {
        **small_models.checkpoint().description,
        "thresholds": {"12": dict(zip(("AF", "LBBB", "STE"), (0.25, 0.5, 0.75), strict=True))},
        "provenance": {"method": "wav2vec2_cmsc", "assumed": ["segments of 5 s"], "steps": 7},
    }
    card = model_card(json.loads(json.dumps(description)), "lab/ecg")
    head = yaml.safe_load(card.split("---")[1])
    assert head["library_name"] == "anylead"
    for text in (
        "| AF | 0.250 |",
        "| sample_rate | 250.0 |",
        "| segment | 2 s |",
        "| steps | 7 |",
        "segments of 5 s",
        "| num_layers | 2 |",
    ):
        assert text in card
