"""Every verb takes the same lead sets, and files with other leads than the twelve."""

from dataclasses import fields, replace
from importlib import import_module

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

import anylead
from anylead import datasets, formats
from anylead.commands import (
    cli,
    convert_ecg,
    embed,
    enroll,
    explain,
    export,
    identify,
    plot,
    prepare,
    pretrain,
)
from anylead.commands.parts import DataConfig, EncoderChoice, split_rows
from anylead.errors import AnyleadError, LeadError
from anylead.inference.inputs import restrict
from anylead.leads import DOWER, EINTHOVEN, FRANK_LEADS, LEADS, lead_mask
from anylead.records import Record
from anylead.signals import PreprocessConfig, Quality, preprocess
from anylead.signals.preprocess import add_from_frank
from anylead.store import Store
from augment.ecg_batches import ecg_batch
from interop import small_models

QUIET = Console(quiet=True)
RIGHT_AND_BACK = ("V3R", "V4R", "V8")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(small_models.folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def record():
    return next(datasets.records("synthetic", num_patients=1, seconds=5.0, seed=4))


def write(record, path):
    named = {"leads": np.array(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, signal=record.signal, **named)
    return path


def with_leads(record, names, factor=3.0):
    """The recording with three more rows that are unlike all others, in another order."""
    signal = np.concatenate([-factor * record.signal[6:9], record.signal])
    return replace(record, signal=signal, leads=(*names, *record.leads), resolution=None)


def stored(folder, out, **settings):
    recipe = prepare.Recipe("folder", out, folder, num_workers=1, **settings)
    prepare.run(recipe, QUIET)
    store = Store.open(str(out))
    length = int(store.num_samples[0])
    signal = store.read(np.array([0]), np.array([0]), length)[0] * store.scale[0][:, None]
    return store, signal


@pytest.mark.parametrize("names", [RIGHT_AND_BACK, FRANK_LEADS])
def test_fifteen_leads_pass_and_the_three_others_are_not_taken_for_chest_leads(
    names, record, model, tmp_path
):
    file = write(with_leads(record, names), tmp_path / "ecgs" / "one.npz")
    assert len(formats.read(file).leads) == 15
    store, signal = stored(file.parent, tmp_path / "store")
    assert store.has_lead[0].all()
    np.testing.assert_allclose(signal, record.signal, atol=1e-3)
    out = tmp_path / "vectors.parquet"
    embed.run(embed.Recipe(str(file.parent), model, out, num_workers=1), QUIET)
    expected = anylead.load(model).embed(record)
    found = np.array(pq.read_table(out).column("vector").to_pylist(), np.float32)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    picture = plot.run(plot.Recipe(str(file), tmp_path / "page.svg"))
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize("count", range(1, 13))
def test_files_with_any_number_of_leads_can_be_prepared_and_embedded(
    count, record, model, tmp_path
):
    names = tuple(np.random.default_rng(count).permutation(LEADS)[:count].tolist())
    few = Record(record.signal[[LEADS.index(n) for n in names]], names, record.sample_rate)
    store, _ = stored(write(few, tmp_path / "ecgs" / "one.npz").parent, tmp_path / "store")
    assert store.has_lead[0].tolist() == lead_mask(names).tolist()
    assert np.isfinite(anylead.load(model).embed(few)).all()


@pytest.mark.parametrize("leads", ["3", "I,V5"])
def test_prepare_keeps_the_leads_it_is_told_to(leads, record, tmp_path):
    file = write(record, tmp_path / "ecgs" / "one.npz")
    store, signal = stored(file.parent, tmp_path / "store", leads=leads)
    assert store.has_lead[0].tolist() == lead_mask(leads).tolist()
    np.testing.assert_allclose(signal, record.signal * lead_mask(leads)[:, None], atol=1e-3)
    with pytest.raises(LeadError, match="unknown lead"):
        stored(file.parent, tmp_path / "other", leads="V17")
    few = Record(record.signal[:1], ("I",), record.sample_rate)
    folder = write(few, tmp_path / "few" / "one.npz").parent
    with pytest.raises(AnyleadError):  # nothing is left of the only recording
        stored(folder, tmp_path / "third", leads="V1")


def test_leads_that_are_left_out_are_not_used_to_compute_others(record, tmp_path):
    file = write(record, tmp_path / "ecgs" / "one.npz")
    config = PreprocessConfig(complete_limb_leads=True)
    store, _ = stored(file.parent, tmp_path / "a", leads="I,V2", preprocess=config)
    assert store.has_lead[0].tolist() == lead_mask("I,V2").tolist()
    store, signal = stored(file.parent, tmp_path / "b", leads="I,III", preprocess=config)
    assert store.has_lead[0].tolist() == lead_mask("6").tolist()
    np.testing.assert_allclose(signal[1], record.signal[1], atol=2e-3)


def test_embed_enroll_and_identify_see_the_leads_they_are_told_to(record, model, tmp_path):
    file = write(replace(record, patient_id=None), tmp_path / "anna" / "one.npz")
    expected = anylead.load(model).embed(record, use_leads="2")
    out = tmp_path / "vectors.parquet"
    embed.run(embed.Recipe(str(file.parent), model, out, leads="2", num_workers=1), QUIET)
    found = np.array(pq.read_table(out).column("vector").to_pylist(), np.float32)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    folder = str(tmp_path / "gallery")
    gallery = enroll.run(enroll.Recipe(str(file), folder, model, leads="2", device="cpu"))
    assert gallery.entries[0].leads == ("I", "II")
    answer = identify.run(
        identify.Recipe(str(file), folder, leads="2", threshold=0.5, device="cpu")
    )[0]
    assert answer.person == "anna" and answer.candidates[0].cosine == pytest.approx(1, abs=1e-5)
    other = identify.run(
        identify.Recipe(str(file), folder, leads="V1,V6", threshold=0.5, device="cpu")
    )[0]
    assert other.candidates[0].cosine < 0.9999


def test_explain_sees_the_leads_it_is_told_to(record, model, tmp_path, capsys):
    file = write(record, tmp_path / "one.npz")
    out = tmp_path / "page.svg"
    explain.run(explain.Recipe(file, model, out, method="occlusion", leads="2", device="cpu"))
    told = {line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]}
    assert told == {"I", "II"}


def test_an_exported_model_looks_at_its_leads_alone(record, model, tmp_path):
    import torch

    out = tmp_path / "model.pt2"
    export.run(export.Recipe(model, out, format="torch", leads="2"), QUIET)
    module = torch.export.load(out).module()
    loaded = anylead.load(model, device="cpu")
    windows = loaded.windows([record])[0]
    inputs = (torch.from_numpy(np.array(windows.signal)),)
    if export.needs_has_lead(loaded):
        inputs += (torch.ones(len(windows.signal), 12, dtype=torch.bool),)
    expected = loaded.embed(record, use_leads="2")
    np.testing.assert_allclose(module(*inputs)[0].mean(dim=0).numpy(), expected, atol=1e-4)
    everything = loaded.embed(record)
    assert np.abs(everything - expected).max() > 1e-3


def frank(record):
    """What Frank's leads would be, had the twelve been made of them."""
    vector = np.linalg.pinv(DOWER) @ record.signal
    twelve = Record((DOWER @ vector).astype(np.float32), LEADS, record.sample_rate)
    return Record(vector.astype(np.float32), FRANK_LEADS, record.sample_rate), twelve


def test_frank_leads_become_the_twelve_only_when_asked(record):
    three, twelve = frank(record)
    with pytest.raises(LeadError, match="none of the 12"):
        preprocess(three, PreprocessConfig())
    made = preprocess(three, PreprocessConfig(from_frank=True))
    np.testing.assert_allclose(made.signal, twelve.signal, atol=1e-5)
    assert made.has_lead.all() and (made.quality & Quality.DERIVED).all()


def test_leads_from_frank_leads_obey_the_law_of_the_limb_leads(record):
    signal, leads = add_from_frank(*(frank(record)[0].signal, FRANK_LEADS))
    assert leads == (*FRANK_LEADS, *LEADS)
    limbs = signal[3:9]
    np.testing.assert_allclose(limbs, EINTHOVEN @ limbs[:2], atol=1e-5)


def test_recorded_leads_stay_as_they_are_beside_leads_from_frank(record):
    three, twelve = frank(record)
    some = replace(
        three,
        signal=np.concatenate([three.signal, 2 * twelve.signal[[0, 7]]]),
        leads=(*FRANK_LEADS, "I", "V2"),
    )
    made = preprocess(some, PreprocessConfig(from_frank=True))
    np.testing.assert_allclose(made.signal[[0, 7]], 2 * twelve.signal[[0, 7]], atol=1e-5)
    assert ((made.quality & Quality.DERIVED) == 0).tolist() == lead_mask("I,V2").tolist()
    unchanged = preprocess(some, PreprocessConfig())
    assert unchanged.has_lead.tolist() == lead_mask("I,V2").tolist()


def test_a_file_of_frank_leads_passes_prepare_and_embed_when_asked(record, model, tmp_path):
    three, twelve = frank(record)
    folder = write(three, tmp_path / "ecgs" / "one.npz").parent
    config = PreprocessConfig(from_frank=True)
    store, signal = stored(folder, tmp_path / "store", preprocess=config, leads="3")
    assert store.has_lead[0].tolist() == lead_mask("3").tolist()
    np.testing.assert_allclose(signal, twelve.signal * lead_mask("3")[:, None], atol=1e-3)
    assert store.quality[0].astype(bool).tolist() == lead_mask("3").tolist()
    loaded = anylead.load(model)
    with pytest.raises(LeadError, match="none of the 12"):
        loaded.embed(three)
    loaded.preprocess_config = replace(loaded.preprocess_config, from_frank=True)
    for leads in (None, "2"):
        expected = loaded.embed(twelve, use_leads=leads)
        np.testing.assert_allclose(loaded.embed(three, use_leads=leads), expected, atol=1e-4)


def test_leads_can_be_taken_away_without_losing_what_is_known(record):
    known = replace(record, resolution=tuple(np.arange(12) + 1.0))
    few = restrict(known, "V1,II")
    assert few.leads == ("II", "V1") and few.resolution == (2.0, 7.0)
    assert few.labels == record.labels and few.patient_id == record.patient_id


# They look at no recording, or at whole folders before anything is chosen.
WITHOUT_LEADS = {
    *("download", "inspect", "convert", "demo", "doctor", "completion", "models", "verify"),
}


@pytest.mark.parametrize("verb", sorted(cli.VERBS.keys() - WITHOUT_LEADS))
def test_every_verb_takes_leads(verb):
    module = import_module(f"anylead.commands.{cli.VERBS[verb].module}")
    names = {item.name for item in fields(module.Recipe)}
    assert names & {"leads", "lead_sets"}


@pytest.mark.parametrize("method", ["wav2vec2_cmsc", "wav2vec2+simclr"])
def test_pretraining_on_few_leads_never_shows_the_others(method):
    made = pretrain.build(
        pretrain.Recipe(method=method, leads="V2,II", encoder=EncoderChoice(size="tiny"))
    )
    batch, seen = ecg_batch(rows=4), []
    features = made.encoder.features
    made.encoder.features = lambda *given: (seen.append(given), features(*given))[1]
    made(batch)
    assert len(seen) == (1 if method == "wav2vec2_cmsc" else 2)
    for signal, _, has_lead in seen:
        is_asked = torch.from_numpy(lead_mask("II,V2"))
        assert not signal[:, ~is_asked].any() and not has_lead[:, ~is_asked].any()
        assert signal[:, is_asked].any() and has_lead[:, is_asked].any()


def test_pretraining_leaves_out_recordings_without_the_leads(record, tmp_path):
    write(record, tmp_path / "ecgs" / "a.npz")
    write(restrict(record, "I"), tmp_path / "ecgs" / "b.npz")
    store, _ = stored(tmp_path / "ecgs", tmp_path / "store")
    data = DataConfig(store=str(tmp_path / "store"))
    split = next(name for name, rows in store.split_rows(None, "auto").items() if len(rows))
    everything, some = (split_rows(store, data, split, leads) for leads in ("12", "V1"))
    assert len(everything) == len(store.split_rows(None, "auto")[split])
    assert set(some) == {row for row in everything if store.has_lead[row, LEADS.index("V1")]}


def test_a_file_can_be_converted_with_few_of_its_leads(record, tmp_path):
    source = write(record, tmp_path / "a.npz")
    convert_ecg.run(convert_ecg.Recipe(source, tmp_path / "few.csv", leads="V2,I"))
    few = formats.read(tmp_path / "few.csv")
    assert set(few.leads) == {"I", "V2"}
    np.testing.assert_allclose(
        few.signal[few.leads.index("V2")], record.signal[record.leads.index("V2")], atol=1e-4
    )
    with pytest.raises(LeadError, match="V6: none of them is there"):
        convert_ecg.run(convert_ecg.Recipe(tmp_path / "few.csv", tmp_path / "b.csv", leads="V6"))
