"""Waves and intervals by the model in the box: rhythms, rates, few leads, damage, files."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import wfdb
from rich.console import Console

import anylead
from anylead.commands.cli import main
from anylead.commands.delineate import show
from anylead.errors import CheckpointError
from anylead.formats import wfdb as ecg_wfdb
from anylead.formats import wfdb_write
from anylead.inference.delineation import from_dict
from anylead.inference.delineator import delineator_of, whole
from anylead.leads import LEADS
from anylead.metrics.waves import by_lead, score_waves
from anylead.records import Record
from anylead.signals.intervals import GLOBAL, MEASURES, beats_of, global_beats, measure
from heart_records import make


@pytest.fixture(scope="module")
def model():
    return anylead.load("ptbxl-small", device="cpu")


def names_of(found, lead):
    return [mark.name for mark in found.waves if mark.lead == lead]


@pytest.mark.parametrize("rate", [100.0, 128.0, 257.0, 360.0, 1000.0])
def test_finds_the_beats_at_any_sample_rate(model, rate):
    record, times = make(rate, seed=1)
    found = model.delineate(record)
    assert abs(names_of(found, GLOBAL).count("QRS") - len(times)) <= 1
    assert found.intervals["ECG_Rate"] == pytest.approx(60 / 0.85, rel=0.03)
    usual = model.delineate(make(500.0, seed=1)[0]).intervals
    for name, widest in (("QRS_ms", 15), ("PR_ms", 20), ("QT_ms", 30)):
        assert found.intervals[name] == pytest.approx(usual[name], abs=widest)
    assert 90 < usual["QRS_ms"] < 150 and 120 < usual["PR_ms"] < 220


@pytest.mark.parametrize("leads", [("I",), ("II",), ("V5",), ("I", "II", "V2")])
def test_few_leads_find_the_complexes_of_all(model, leads):
    record, _ = make(seed=2, leads=leads)
    found = model.delineate(record)
    assert found.leads == leads
    tallies = score_waves(by_lead(record.marks, found.waves, leads), beyond_ends=True)
    assert tallies["QRS", "onset"].f1 > 0.95 and tallies["T", "offset"].f1 > 0.9
    only = model.delineate(make(seed=2)[0], use_leads=list(leads))
    assert names_of(only, leads[0]) == names_of(found, leads[0])


def test_what_is_scored_is_what_is_told(model):
    records = [make(seed=seed)[0] for seed in (1, 2)]
    windows = model.windows(records)
    found = delineator_of(model).marks([whole(w) for w in windows], [w.has_lead for w in windows])
    for marks, told in zip(found, model.delineate(records), strict=True):
        assert [mark for mark in told.waves if mark.lead != GLOBAL] == marks
        assert all(round(time, 4) == time for mark in marks for time in mark[2:])
        beats = {lead: beats_of(m for m in marks if m.lead == lead) for lead in told.leads}
        again = measure(global_beats(beats))["QT_ms"].value
        assert told.intervals["QT_ms"] == round(again, 1)


def test_recordings_of_any_length_and_leads_together_are_those_one_by_one(model):
    shapes = [(10.0, LEADS), (25.0, ("II",)), (25.0, ("I", "V2")), (4.0, LEADS)]
    records = [
        make(100.0, seconds=seconds, leads=leads, seed=seed)[0]
        for seed, (seconds, leads) in enumerate(shapes)
    ]
    for record, together in zip(records, model.delineate(records), strict=True):
        alone = model.delineate(record)
        assert [mark[:2] for mark in alone.waves] == [mark[:2] for mark in together.waves]
        np.testing.assert_allclose([mark[2:] for mark in alone.waves],
                                   [mark[2:] for mark in together.waves], atol=2e-4)  # fmt: skip


def test_without_p_waves_pr_is_not_measurable(model):
    record, times = make(rhythm="fibrillation", seed=4)
    found = model.delineate(record)
    assert found.intervals["PR_ms"] is None
    assert found.measures[GLOBAL]["PR_ms"].quality == "not measurable"
    assert abs(names_of(found, GLOBAL).count("QRS") - len(times)) <= 1


def test_a_paced_heart_has_wide_complexes_one_for_each_spike(model):
    record, times = make(rhythm="paced", seed=3)
    found = model.delineate(record)
    assert abs(names_of(found, GLOBAL).count("QRS") - len(times)) <= 1
    assert found.intervals["QRS_ms"] > 110


def test_nothing_is_found_in_a_flat_stretch_and_all_else_beside_it(model):
    record, _ = make(seed=1)
    signal = record.signal.copy()
    signal[:, 2000:3500] = signal[:, 2000:2001]
    found = model.delineate(Record(signal, LEADS, 500.0))
    inside = [m for m in found.waves if m.onset > 4.1 and m.offset < 6.9]
    assert inside == []
    assert sum(m.name == "QRS" and m.lead == "II" for m in found.waves) >= 6


def test_leads_without_anything_are_left_out(model):
    record, _ = make(seed=1)
    signal = record.signal.copy()
    signal[3] = 0.0
    assert "aVR" not in model.delineate(Record(signal, LEADS, 500.0)).leads


@pytest.mark.parametrize("what", ["noise", "one lead of noise", "raw integers as mV"])
def test_nothing_is_measured_in_what_no_model_answers_for(what, model, capsys):
    signal = np.random.default_rng(0).normal(0, 0.5, (12, 5000)).astype(np.float32)
    if what == "raw integers as mV":
        signal = np.round(200 * make(seed=1)[0].signal)
    leads = ("II",) if what == "one lead of noise" else LEADS
    found = model.delineate(Record(signal[: len(leads)], leads, 500.0))
    each = [each for measured in found.measures.values() for each in measured.values()]
    assert {(one.value, one.quality) for one in each} == {(None, "not measurable")}
    assert found.waves == ()
    assert found.refusal == found.as_dict()["refusal"] == from_dict(found.as_dict()).refusal
    show(found, Console())
    told = " ".join(capsys.readouterr().out.split())
    assert found.refusal in told


def test_a_beat_that_a_strip_cuts_is_not_measured(model):
    record, times = make(seed=1)
    for cut in np.arange(0.02, 0.5, 0.04):
        end = round(500 * (times[2] + cut))
        found = model.delineate(Record(record.signal[:, :end], LEADS, 500.0))
        for _, wave, onset, offset in found.waves:
            assert onset >= 0.015
            assert offset <= end / 500 - (0.065 if wave == "QRS" else 0.015)


def test_a_long_recording_is_its_pieces(model):
    record, times = make(100.0, seconds=40.0, leads=("II",), seed=6)
    found = model.delineate(record)
    assert names_of(found, "II").count("QRS") == pytest.approx(len(times), abs=1)
    begin = model.delineate(Record(record.signal[:, :1000], ("II",), 100.0))
    early = [m for m in found.waves if m.lead == "II" and m.offset < 7]
    same = [m for m in begin.waves if m.lead == "II" and m.offset < 7]
    assert [m.name for m in early] == [m.name for m in same]
    np.testing.assert_allclose([m[2:] for m in early], [m[2:] for m in same], atol=0.03)


def test_results_go_through_json_and_have_the_names_of_others(model):
    record, _ = make(seed=1)
    found = model.delineate([record, record])[0]
    again = json.loads(json.dumps(found.as_dict()))
    assert again["intervals"][GLOBAL]["PR_ms"]["value"] == found.intervals["PR_ms"]
    assert list(found.intervals) == list(MEASURES)
    onsets = found.neurokit(500)["ECG_R_Onsets"]
    assert len(onsets) == names_of(found, GLOBAL).count("QRS")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ecgs")
    for n in (1, 2):
        wfdb_write.write(make(250.0, seed=n)[0], path / f"r{n}.hea")
    return path


def test_the_command_writes_rows_of_waves_of_intervals_and_annotations(folder, tmp_path, model):
    out = tmp_path / "waves.csv"
    marks = tmp_path / "marks"
    assert main(["delineate", str(folder), "-o", str(out), "--annotations", str(marks),
                 "--num_workers", "1", "--leads", "II,V2"]) == 0  # fmt: skip
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["record", "lead", "wave", "onset", "offset"]
    assert {row["record"] for row in rows} == {"r1", "r2"}
    expected = model.delineate(ecg_wfdb.read(folder / "r1.hea"), use_leads="II,V2")
    second = [row for row in rows if row["record"] == "r1"]
    assert [float(row["onset"]) for row in second] == [mark.onset for mark in expected.waves]
    assert max(len(row["onset"].partition(".")[2]) for row in rows) <= 4
    found = wfdb.rdann(str(marks / "r1"), "v2")
    assert found.fs == 1000 and found.symbol.count("N") == names_of(expected, "V2").count("QRS")

    table = tmp_path / "intervals.parquet"
    assert main(["delineate", str(folder), "-o", str(table), "--rows", "intervals",
                 "--num_workers", "1", "--alone", "true"]) == 0  # fmt: skip
    read = pq.read_table(table).to_pylist()
    assert len(read) == 2 * 13 and read[0]["lead"] == "I" and read[12]["lead"] == GLOBAL
    assert read[12]["PR_ms"] == round(read[12]["PR_ms"], 1)
    assert read[0]["Axis_deg"] is None and read[0]["Axis_deg_quality"] == "not measurable"


def test_the_command_shows_intervals_on_the_screen(folder, capsys):
    assert main(["delineate", str(folder / "r1.hea"), "--num_workers", "1"]) == 0
    told = capsys.readouterr()
    assert "QTc Fridericia ms" in told.out and "good" in told.out
    version = anylead.load("ptbxl-small", device="cpu").about.version
    assert told.err.splitlines().count(f"model: ptbxl-small {version} (in the box)") == 1
    assert main(["delineate", str(folder / "r1.hea"), "ptbxl-small", "--num_workers", "1"]) == 0
    assert "in the box" not in capsys.readouterr().err


def test_json_on_the_screen_has_waves_and_intervals(folder, model, capsys):
    assert main(["delineate", str(folder / "r1.hea"), "--json", "--num_workers", "1"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    expected = model.delineate(ecg_wfdb.read(folder / "r1.hea"))
    assert [wave["onset"] for wave in found["waves"]] == [wave.onset for wave in expected.waves]
    assert (
        found["intervals"][GLOBAL]["PR_ms"]["quality"] == expected.measures[GLOBAL]["PR_ms"].quality
    )
    assert main(["delineate", str(folder / "r1.hea"), "--json", "-o", "a.json"]) == 2
    assert "json: prints the waves" in capsys.readouterr().err


def test_a_model_without_a_decoder_is_told_in_one_line(folder, capsys):
    assert main(["delineate", str(folder), "synthetic-tiny", "--num_workers", "1"]) == 2
    assert "no decoder of waves" in capsys.readouterr().err
    with pytest.raises(CheckpointError):
        anylead.load("synthetic-tiny", device="cpu").delineate(make()[0])


@pytest.mark.parametrize("lost", [np.nan, 0.0])
def test_the_rate_does_not_count_seconds_without_signal(lost, model):
    record, _ = make(500.0, seed=1)
    signal = record.signal.copy()
    signal[:, 1500:3500] = lost
    found = model.delineate(Record(signal, LEADS, 500.0))
    assert found.intervals["ECG_Rate"] == pytest.approx(60 / 0.85, rel=0.03)
    assert found.measures["II"]["RR_ms"].value == pytest.approx(850, rel=0.03)
