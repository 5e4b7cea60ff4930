"""What is particular to each corpus."""

import csv

import numpy as np
import pytest

from anylead import datasets
from anylead.datasets import code15, holter, mimic_iv_ecg, mitdb, physionet2021, qtdb
from anylead.datasets.scp import CLASSES
from anylead.errors import DatasetError, FormatError
from anylead.leads import EINTHOVEN, LEADS
from anylead.records import UNMARKED, Mark
from corpora import LAYOUTS, RECORDS, WAVES, write_csv, write_wfdb


@pytest.fixture
def made(tmp_path, request):
    name = request.param
    LAYOUTS[name](tmp_path)
    corpus = datasets.corpus(name, tmp_path)
    return tmp_path, corpus


def by_id(corpus):
    return {item[0]: corpus.read(item) for item in corpus.items if item[0] != "georgia/E00002"}


@pytest.mark.parametrize("made", ["physionet2021"], indirect=True)
def test_physionet2021_reads_all_sources_codes_and_merges(made):
    root, corpus = made
    records = by_id(corpus)
    assert {name.split("/")[0] for name in records} == set(physionet2021.SOURCES)
    labels = {name: r.labels["cinc2021"] for name, r in records.items()}
    assert labels["cpsc_2018/A0001"] == ("CRBBB|RBBB", "NSR")
    assert labels["cpsc_2018_extra/Q0001"] == ("PAC|SVPB",)  # both codes, one class
    assert labels["st_petersburg_incart/I0001"] == ("PVC|VPB",)
    assert labels["ptb/S0001"] == ("CLBBB|LBBB",)
    assert labels["chapman_shaoxing/JS00001"] == ("TAb",)
    assert records["ptb/S0001"].labels["snomed"] == ("164909002", "733534002", "999999")
    assert len(corpus.label_names["cinc2021"]) == 26
    lonely = next(item for item in corpus.items if item[0] == "georgia/E00002")
    with pytest.raises(FormatError, match=r"header E00002\.hea is missing"):
        corpus.read(lonely)
    part = datasets.corpus("physionet2021", root / "training" / "georgia", sources=["georgia"])
    assert [item[0] for item in part.items] == ["georgia/E00001", "georgia/E00002"]
    with pytest.raises(DatasetError, match="no source mit; known are cpsc_2018"):
        datasets.corpus("physionet2021", root, sources=["mit"])


@pytest.mark.parametrize("made", ["physionet2021"], indirect=True)
def test_physionet2021_tells_sources_by_name_where_folders_do_not(made):
    root, corpus = made
    flat = root / "flat"
    flat.mkdir()
    for path in (root / "training").rglob("*.*"):
        (flat / path.name).write_bytes(path.read_bytes())
    again = datasets.corpus("physionet2021", flat)
    assert sorted(i[0] for i in again.items) == sorted(i[0] for i in corpus.items)
    with pytest.raises(DatasetError, match="more than once"):
        datasets.corpus("physionet2021", root)


def test_physionet2021_agrees_with_the_label_table_of_the_real_records(shared_data):
    corpus = datasets.corpus("physionet2021", shared_data / "challenge2021")
    records = {record.record_id: record for record in corpus.records()}
    with (shared_data / "challenge2021" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(records) == 132
    scored = 0
    for row in rows:
        record = records[row["record"]]
        assert sorted(record.labels["snomed"]) == sorted(set(row["dx"].split(";")))
        assert record.signal.shape[1] == int(row["samples"])
        flat = {LEADS[i] for i in np.flatnonzero(np.ptp(record.signal, axis=1) == 0)}
        assert flat == set(row["flat_leads"].replace(";", " ").split())
        scored += bool(record.labels["cinc2021"])
    assert scored == 112


@pytest.mark.parametrize("made", ["ptbxl"], indirect=True)
def test_ptbxl_reads_folds_tasks_and_people(made):
    root, corpus = made
    records = by_id(corpus)
    assert records["1"].labels == {
        "all": ("AMI", "STD_"), "diagnostic": ("AMI",), "subdiagnostic": ("AMI",),
        "superdiagnostic": ("MI",), "form": ("STD_",),
    }  # fmt: skip
    assert records["2"].labels["rhythm"] == ("SR",)
    assert [r.fold for r in records.values()] == [3, 5, 5, 7, 7, 9, 9, 10]
    assert [r.split for r in records.values()] == ["train"] * 5 + ["valid", "valid", "test"]
    assert records["2"].patient_id == records["3"].patient_id == "101"
    assert records["3"].age == 90.0
    assert (records["1"].sex, records["2"].sex) == ("female", "male")
    assert records["1"].diagnosis == "sinusrhythmus"
    assert records["1"].leads == LEADS
    slow = datasets.corpus("ptbxl", root, rate=100)
    assert slow.read(slow.items[0]).sample_rate == 100
    assert {task: len(names) for task, names in corpus.label_names.items()} == {
        "all": 71, "diagnostic": 44, "subdiagnostic": 23, "superdiagnostic": 5, "form": 19,
        "rhythm": 12,
    }  # fmt: skip
    with pytest.raises(DatasetError, match="rate 250"):
        datasets.corpus("ptbxl", root, rate=250)


@pytest.mark.parametrize("made", ["ptbxl"], indirect=True)
def test_ptbxl_with_a_broken_table_names_the_record(made):
    root, _ = made
    path = root / "ptbxl_database.csv"
    text = path.read_text()
    path.write_text(text.replace("{'NORM': 100.0, 'SR': 0.0}", "{'NORM': "))
    with pytest.raises(DatasetError, match="record 2: scp_codes"):
        datasets.corpus("ptbxl", root)
    path.write_text(text.replace("strat_fold", "fold"))
    with pytest.raises(DatasetError, match="no column strat_fold; it has ecg_id"):
        datasets.corpus("ptbxl", root)
    path.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(DatasetError, match="lists no record"):
        datasets.corpus("ptbxl", root)


def test_ptbxl_reads_reduced_label_tables(shared_data):
    corpus = datasets.corpus("ptbxl", shared_data / "ptbxl_p250")
    assert len(corpus.items) == 1625
    counts = dict.fromkeys(CLASSES["superdiagnostic"], 0)
    for _, row in corpus.items:
        for name in row.labels.get("superdiagnostic", ()):
            counts[name] += 1
    assert counts == {"NORM": 877, "MI": 228, "STTC": 461, "CD": 406, "HYP": 174}
    known = {task: set(names) for task, names in CLASSES.items()}
    for _, row in corpus.items:
        assert all(set(labels) <= known[task] for task, labels in row.labels.items())
    record = corpus.read(corpus.items[0])
    assert (record.unit, record.patient_id, record.split) == ("NU", "6998", "train")
    raw = datasets.corpus("ptbxl", shared_data / "ptbxl_raw500")
    assert raw.read(raw.items[0]).unit == "mV"


def test_ptbxl_brings_back_the_ratios_between_limb_leads(shared_data):
    root = shared_data / "ptbxl_p250"
    corpus = datasets.corpus("ptbxl", root, limb_ratios=True)
    plain = datasets.corpus("ptbxl", root)
    for item in corpus.items[::60]:
        record, before = corpus.read(item), plain.read(item)
        limbs = record.signal[:6].astype(np.float64)
        residual = limbs[2:] - EINTHOVEN[2:] @ limbs[:2]
        r2 = 1 - np.square(residual).sum(axis=1) / np.square(limbs[2:]).sum(axis=1)
        assert r2.min() > 0.999, item[0]
        np.testing.assert_array_equal(record.signal[6:], before.signal[6:])
        steps = record.signal / np.array(record.resolution)[:, None]
        np.testing.assert_allclose(steps, np.rint(steps), atol=0.02)


@pytest.mark.parametrize("made", ["mimic_iv_ecg"], indirect=True)
def test_mimic_reads_its_lead_order_and_the_report_of_the_device(made):
    root, corpus = made
    record = by_id(corpus)["40689230"]
    assert record.leads[4:6] == ("aVF", "aVL")
    np.testing.assert_allclose(record.canonical()[0][5], RECORDS[0].signal[4], atol=1e-6)
    assert record.patient_id == "10000030"
    assert record.labels == {"machine": ("NORM", "SR")}
    assert by_id(corpus)["40689231"].labels == {"machine": ("AFIB",)}
    assert record.start_time == "2180-05-06T21:30:00"
    (root / "machine_measurements.csv").unlink()
    assert by_id(datasets.corpus("mimic_iv_ecg", root))["40689230"].labels == {}
    assert mimic_iv_ecg.machine_labels("Otherwise normal ECG\nRBBB") == ("RBBB",)


@pytest.mark.parametrize("made", ["code15"], indirect=True)
def test_code15_cuts_off_the_zeros_and_finds_exams_by_their_id(made):
    root, corpus = made
    records = by_id(corpus)
    assert list(records) == ["0", "1", "10", "11"]
    np.testing.assert_array_equal(records["10"].signal, RECORDS[3].signal)
    assert records["0"].labels == {"code15": ("RBBB", "SB")}
    assert records["1"].labels == {"code15": ("RBBB",)}
    assert (records["0"].sex, records["1"].sex) == ("male", "female")
    assert "1 exams of exams.csv are in parts that are not here" in corpus.note
    assert "states no unit" in corpus.note
    tenth = datasets.corpus("code15", root, millivolts=0.1)
    np.testing.assert_allclose(tenth.read(tenth.items[0]).signal * 10, RECORDS[0].signal, 1e-5)
    code15._tracings.cache_clear()  # an open file would be seen as it was
    (root / "exams_part0.hdf5").write_bytes(b"cut short")
    with pytest.raises(DatasetError, match=r"exams_part0\.hdf5: cannot be read"):
        datasets.corpus("code15", root)


@pytest.mark.parametrize("made", ["sph"], indirect=True)
def test_sph_reads_primary_statements(made):
    root, corpus = made
    record = by_id(corpus)["A00002"]
    assert record.labels == {"aha": ("22", "23")}
    assert (record.patient_id, record.sex, record.start_time) == ("S1", "female", "2020-03-04")
    (root / "records" / "A00003.h5").unlink()
    with pytest.raises(FormatError, match=r"A00003\.h5: cannot be read"):
        corpus.read(corpus.items[2])


@pytest.mark.parametrize("made", ["ludb"], indirect=True)
def test_ludb_reads_rhythm_and_diagnoses_out_of_comments(made):
    _, corpus = made
    records = by_id(corpus)
    assert list(records) == ["1", "2", "10"]
    assert records["2"].labels["rhythm"] == ("Sinus bradycardia",)
    assert "Electric axis of the heart: normal" in records["2"].labels["diagnosis"]
    assert (records["1"].age, records["1"].sex) == (51.0, "female")


@pytest.mark.parametrize("made", ["ludb"], indirect=True)
def test_ludb_reads_the_waves_that_were_marked_in_each_lead(made):
    records = by_id(made[1])
    assert records["1"].marks == tuple(Mark(lead, *each) for lead in LEADS for each in WAVES)
    assert records["10"].marks is None
    assert [record.fold for record in records.values()] == [1, 2, 3]


@pytest.mark.parametrize("made", ["ptb"], indirect=True)
def test_ptb_keeps_frank_leads_aside_and_patients_together(made):
    _, corpus = made
    records = list(by_id(corpus).values())
    assert records[0].leads == (*LEADS, "X", "Y", "Z")
    assert records[0].canonical()[0].shape[0] == 12
    assert [r.patient_id for r in records] == ["patient001"] * 2 + ["patient002"] * 2
    assert records[0].labels == {"diagnosis": ("Myocardial infarction",)}
    assert records[0].sample_rate == 1000


@pytest.mark.parametrize("made", ["ecgid"], indirect=True)
def test_ecgid_takes_the_raw_lead_and_the_date(made):
    _, corpus = made
    record = by_id(corpus)["Person_01/rec_2"]
    assert record.leads == ("I",)
    assert (record.patient_id, record.start_time) == ("Person_01", "2004-12-05")


def test_ecgid_reads_all_real_records(shared_data):
    corpus = datasets.corpus("ecgid", shared_data / "ecgid")
    patients = [record.patient_id for record in corpus.records()]
    assert len(patients) == 179
    assert len(set(patients)) == 90


def table_for(root, rows, name="about.csv"):
    write_csv(root / name, rows)
    return str(root / name)


@pytest.mark.parametrize("made", ["folder"], indirect=True)
def test_a_folder_without_a_table_takes_what_the_files_tell(made):
    _, corpus = made
    assert [item[0] for item in corpus.items] == ["a/x0", "a/x1", "a/x2"]
    assert corpus.note == "1 files of other kinds were not looked at."


@pytest.mark.parametrize("made", ["folder"], indirect=True)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_takes_labels_and_patients_from_a_table_and_says_which_columns(made, kind):
    root, _ = made
    rows = [
        {"File": "a/x0.hea", "Patient": "p1", "Age": "63", "Sex": "F", "rhythm": "SR;PVC",
         "MI": "1", "HYP": "0", "comment": "x", "split": "training"},
        {"File": "x1", "Patient": "p1", "Age": "", "Sex": "", "rhythm": "", "MI": "0",
         "HYP": "0", "comment": "y", "split": "test"},
    ]  # fmt: skip
    table = table_for(root, rows)
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = str(root / "about.parquet")
        pq.write_table(pa.Table.from_pylist(rows), table)
        (root / "about.csv").unlink()
    corpus = datasets.corpus("folder", root, labels=table)
    first, second, third = corpus.records()
    assert first.labels == {"rhythm": ("SR", "PVC"), "labels": ("MI",)}
    assert second.labels == {"labels": ()}
    assert corpus.shared_patients.endswith("of its split (p1 in test and train)")
    assert third.labels == {}
    assert (first.patient_id, second.patient_id, third.patient_id) == ("p1", "p1", None)
    assert (first.age, first.sex, first.split, second.split) == (63, "female", "train", "test")
    for told in ("record = File", "patient = Patient", "1 of 3 files have no row"):
        assert told in corpus.note, corpus.note
    assert corpus.summary.splitlines()[1:] == [
        "2 of 2 rows fit a file; 1 patients",
        "task rhythm = PVC, SR: 1 labelled",
        "  PVC: 1 positive, 0 negative, 1 unknown",
        "  SR: 1 positive, 0 negative, 1 unknown",
        "warning: task rhythm: classes without a negative: PVC, SR",
        "task labels = MI, HYP: 2 labelled",
        "  MI: 1 positive, 1 negative, 0 unknown",
        "  HYP: 0 positive, 2 negative, 0 unknown",
        "warning: task labels: classes in fewer than 5 recordings: MI",
        "warning: task labels: classes without a positive: HYP",
        "Columns that are no labels: comment (words; name it in label_columns).",
    ]


@pytest.mark.parametrize("made", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"label_columns": ["diagnose"]}, "no column 'diagnose'; it has who, dx, what"),
        ({"patient_column": "pat"}, "no column 'pat'; it has who, dx, what"),
        ({}, "no column that names the files; name one of who, dx, what with record_column"),
        ({"record_column": "what"}, "no row fits a file; column what holds 'y0'"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_told_with_its_columns(made, options, told):
    root, _ = made
    rows = [{"who": f"x{n}", "dx": "SR", "what": f"y{n}"} for n in range(3)]
    with pytest.raises(DatasetError, match=told):
        datasets.corpus("folder", root, labels=table_for(root, rows), **options)
    named = datasets.corpus("folder", root, labels=str(root / "about.csv"), record_column="who")
    assert [r.labels for r in named.records()] == [{"dx": ("SR",)}] * 3


@pytest.mark.parametrize("made", ["folder"], indirect=True)
def test_one_label_column_needs_no_list(made):
    root, _ = made
    table = table_for(root, [{"record": "x0", "dx": "SR", "MI": "1"}])
    corpus = datasets.corpus("folder", root, labels=table, label_columns="dx")
    assert next(iter(corpus.records())).labels == {"dx": ("SR",)}


@pytest.mark.parametrize("made", ["folder"], indirect=True)
def test_broken_tables_are_told(made):
    root, _ = made
    with pytest.raises(DatasetError, match=r"gone\.csv: cannot be read"):
        datasets.corpus("folder", root, labels=str(root / "gone.csv"))
    rows = [{"record": "x0", "dx": "SR"}, {"record": "x0", "dx": "AF"}]
    with pytest.raises(DatasetError, match="'x0' stands in two rows"):
        datasets.corpus("folder", root, labels=table_for(root, rows))
    (root / "about.csv").write_text("record,dx\nx0,SR,more\n")
    with pytest.raises(DatasetError, match="line 2 has 3 cells, the first line 2"):
        datasets.corpus("folder", root, labels=str(root / "about.csv"))
    (root / "about.csv").write_text("Our study\nrecord,dx\nx0,SR\n")
    with pytest.raises(DatasetError, match="remove 'Our study' above the names of the columns"):
        datasets.corpus("folder", root, labels=str(root / "about.csv"))
    (root / "about.csv").write_text("who dx\nx0 SR\n")
    with pytest.raises(DatasetError, match="only one column was found: divide cells by commas"):
        datasets.corpus("folder", root, labels=str(root / "about.csv"))
    (root / "about.csv").write_text("record,dx\n")
    with pytest.raises(DatasetError, match="no rows"):
        datasets.corpus("folder", root, labels=str(root / "about.csv"))


def test_segments_of_a_record_are_no_records_of_their_own(tmp_path):
    write_wfdb(tmp_path / "s1", RECORDS[0])
    write_wfdb(tmp_path / "s2", RECORDS[1])
    (tmp_path / "whole.hea").write_text("whole/2 12 500 2000\ns1 1000\ns2 1000\n")
    corpus = datasets.corpus("folder", tmp_path)
    assert [item[0] for item in corpus.items] == ["whole"]
    assert corpus.read(corpus.items[0]).signal.shape == (12, 2000)


@pytest.mark.parametrize("made", ["code15"], indirect=True)
def test_code15_understands_what_spreadsheets_make_of_its_table(made):
    root, corpus = made
    wanted = {name: (r.labels, r.sex) for name, r in by_id(corpus).items()}
    path = root / "exams.csv"
    text = path.read_text()
    for true, false in (("TRUE", "FALSE"), ("1", "0"), ("1.0", "0.0")):
        path.write_text(text.replace("True", true).replace("False", false))
        again = datasets.corpus("code15", root)
        assert {name: (r.labels, r.sex) for name, r in by_id(again).items()} == wanted
    path.write_text(text.replace("True", "WAHR"))
    with pytest.raises(DatasetError, match="RBBB is 'WAHR'; want True or False"):
        datasets.corpus("code15", root)


@pytest.mark.parametrize("made", ["code15"], indirect=True)
def test_code15_of_an_empty_cell_is_unknown(made):
    root, _ = made
    rows = list(csv.DictReader((root / "exams.csv").read_text().splitlines()))
    rows[0]["AF"] = ""
    write_csv(root / "exams.csv", rows)
    records = by_id(datasets.corpus("code15", root))
    assert records["0"].labels == {"code15": ("RBBB", "SB")}
    assert records["0"].unknown == {"code15": ("AF",)}
    assert records["1"].labels == {"code15": ("RBBB",)} and not records["1"].unknown


@pytest.mark.parametrize("made", ["physionet2017"], indirect=True)
def test_physionet2017_takes_the_final_labels_and_lead_one(made):
    root, corpus = made
    records = by_id(corpus)
    assert {name: r.labels["cinc2017"] for name, r in records.items()} == {
        "A00001": ("N",), "A00002": ("A",), "A00003": ("O",), "A00004": ("~",),
    }  # fmt: skip
    assert {r.leads for r in records.values()} == {("I",)}
    assert "1 records without a label are left out" in corpus.note
    (root / "REFERENCE-v3.csv").unlink()
    assert [name for name, _ in datasets.corpus("physionet2017", root).items] == ["A00001"]
    (root / "training2017" / "REFERENCE.csv").write_text("A00001,Normal\n")
    with pytest.raises(DatasetError, match=r"line 'A00001,Normal'; want NAME,LABEL"):
        datasets.corpus("physionet2017", root)


@pytest.mark.parametrize("made", ["mitdb"], indirect=True)
def test_mitdb_windows_know_their_beats_their_rhythm_and_the_usual_split(made):
    _, corpus = made
    assert [name for name, _ in corpus.items][:4] == ["100/00000", "100/00010", "100/00020",
                                                      "101/00000"]  # fmt: skip
    records = by_id(corpus)
    assert {r.signal.shape for r in records.values()} == {(2, 3600)}
    assert records["100/00000"].leads == ("II", "V1")
    # Marks at 1, 6.6, 12.2, 17.8, 23.4 and 29 s: (N N | V (AFIB | L A.
    labels = [records[f"100/{start}"].labels for start in ("00000", "00010", "00020")]
    assert labels == [
        {"beats": ("N",), "rhythm": ("N",)},
        {"beats": ("V",), "rhythm": ("N", "AFIB")},
        {"beats": ("N", "S"), "rhythm": ("AFIB",)},
    ]
    facts = {name[:3]: (r.patient_id, r.split) for name, r in records.items()}
    assert facts == {
        "100": ("100", "test"), "101": ("101", "train"), "102": ("102", None),
        "201": ("201", "train"), "202": ("201", "train"),
    }  # fmt: skip
    np.testing.assert_array_equal(
        np.concatenate([records[f"100/{start}"].signal for start in ("00000", "00010")], axis=1),
        np.tile(RECORDS[0].signal[:2], (1, 30))[:, :7200].round(3).astype(np.float32),
    )


@pytest.mark.parametrize("made", ["mitdb"], indirect=True)
def test_windows_longer_than_a_record_and_lost_annotations_are_told(made):
    root, corpus = made
    with pytest.raises(DatasetError, match=r"100\.hea: no window of 60 s in 10800 samples"):
        datasets.corpus("mitdb", root, seconds=60.0)
    (root / "101.atr").unlink()
    with pytest.raises(FormatError, match=r"101\.atr: cannot be read"):
        corpus.read(corpus.items[3])


@pytest.mark.parametrize("made", ["incart"], indirect=True)
def test_incart_takes_the_patient_from_the_header(made):
    root, corpus = made
    records = by_id(corpus)
    assert {(r.patient_id, r.age, r.sex) for r in records.values()} == {("1", 65.0, "female")}
    assert records["I01/00000"].labels == {"beats": ("N", "V")}
    header = root / "I02.hea"
    header.write_text(header.read_text().replace("#patient 1", ""))
    with pytest.raises(DatasetError, match=r"I02\.hea: names no patient"):
        datasets.corpus("incart", root)


@pytest.mark.parametrize("made", ["mitdb"], indirect=True)
def test_mitdb_as_published_tests_with_record_202(made):
    listed = datasets.corpus("mitdb", made[0], as_published=True)
    split = {name[:3]: window.split for name, window in listed.items}
    assert split == {"100": "test", "101": "train", "102": None, "201": "train", "202": "test"}
    assert "202 tests" in listed.note


def test_the_split_of_mitdb_is_that_of_de_chazal_and_without_paced_records():
    train, test = (
        {name for name, side in mitdb._SPLITS.items() if side == wanted}
        for wanted in ("train", "test")
    )
    assert len(train) == len(test) == 22
    assert not (train | test) & {"102", "104", "107", "217"}


def test_aami_classes_are_those_of_de_chazal():
    by_class = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
    for name, symbols in by_class.items():
        assert {holter.AAMI[symbol] for symbol in symbols} == {name}
    assert not set('[]!+~|"x') & set(holter.AAMI)


def test_ventricular_flutter_is_where_nobody_looked(tmp_path):
    import wfdb

    at = np.array([360, 3000, 3300, 4500, 5400, 6000, 7000])
    wfdb.wrann("207", "atr", at, symbol=list("N[!!]VN"), write_dir=str(tmp_path))
    first, second = (
        holter.beats_between(tmp_path / "207.hea", n, n + 3600, 360.0) for n in (0, 3600)
    )
    assert first == (Mark("", "N", 1.0, 1.0), Mark("", UNMARKED, 3000 / 360, 10.0))
    assert [(mark.name, mark.onset, mark.offset) for mark in second] == [
        ("V", 2400 / 360, 2400 / 360), ("N", 3400 / 360, 3400 / 360), (UNMARKED, 0.0, 5.0),
    ]  # fmt: skip


@pytest.mark.parametrize("made", ["qtdb"], indirect=True)
def test_qtdb_windows_have_marked_beats_and_say_where_nobody_looked(made):
    _, corpus = made
    # Beats at 0.4 + n * 1.92 s; marked from 4.24 to 13.84 s and from 19.6 to 23.44 s.
    records = by_id(corpus)
    assert list(records) == ["sel100/00000", "sel100/00010", "sel100/00020"]
    assert "1 records have no lead of the twelve" in corpus.note
    first = records["sel100/00000"]
    assert (first.leads, first.patient_id, first.sample_rate) == (("II",), "sel100", 250.0)
    assert first.signal.shape == (1, 2500)
    names = [mark.name for mark in first.marks]
    # Of the fourth beat the window has the P and the begin of the QRS.
    assert names == [*["P", "QRS", UNMARKED, "T"] * 3, "P"]
    assert {mark.lead for mark in first.marks} == {""}
    _, qrs, gap, wave = first.marks[:4]
    np.testing.assert_allclose([*qrs[2:], *gap[2:], *wave[2:]],
                               [4.2, 4.288, 4.318, 4.48, 4.48, 4.56])  # fmt: skip
    second = records["sel100/00020"]
    assert [mark.name for mark in second.marks].count("QRS") == 2


@pytest.mark.parametrize("made", ["qtdb"], indirect=True)
def test_qtdb_beats_between_marked_ones_are_unmarked_not_absent(made):
    root, _ = made
    (_, record), *others = (
        (name, record)
        for name, record in by_id(datasets.corpus("qtdb", root, seconds=30.0)).items()
    )
    assert not others
    gaps = [mark for mark in record.marks if mark.name == UNMARKED and mark.offset - mark.onset > 1]
    # From behind the T of the 8th beat to before the P of the 11th.
    np.testing.assert_allclose(gaps[0][2:], [13.84 + 0.32 + 0.03, 19.6 - 0.16 - 0.03])
    assert len(gaps) == 1
    for name in ("sel100.atr", "sel100.pu0"):
        (root / name).unlink()
    holter.annotations.cache_clear()
    again = qtdb.marks(root / "sel100.hea", "q1c")
    assert [mark for mark in again if mark.offset - mark.onset > 1] == gaps


@pytest.mark.parametrize("made", ["qtdb"], indirect=True)
def test_qtdb_takes_a_lead_of_unknown_place_for_the_one_that_is_stated(made):
    root, _ = made
    records = by_id(datasets.corpus("qtdb", root, unplaced="v5"))
    assert records["sele0104/00000"].leads == ("V5",)
    assert records["sele0104/00000"].marks == records["sel100/00000"].marks
    assert records["sel100/00000"].leads == ("II",)
    of_signal = by_id(datasets.corpus("qtdb", root, unplaced="V5", annotator="pu0"))
    assert {m.lead for m in of_signal["sel100/00000"].marks} == {"II"}
    assert {m.lead for m in of_signal["sele0104/00000"].marks} == {"V5"}
    with pytest.raises(DatasetError, match="annotator 'q3c'; want one of q1c"):
        datasets.corpus("qtdb", root, annotator="q3c")
    with pytest.raises(DatasetError, match="no window of 10 s with marks of q2c"):
        datasets.corpus("qtdb", root, annotator="q2c")


@pytest.mark.parametrize("made", ["qtdb"], indirect=True)
def test_qtdb_broken_marks_are_told_when_their_record_is_read(made):
    root, _ = made
    (root / "sel100.q1c").write_bytes(b"\xff" * 7)
    listed = datasets.corpus("qtdb", root)
    with pytest.raises(FormatError, match=r"sel100\.q1c: cannot be read"):
        listed.read(listed.items[0])


@pytest.mark.parametrize("made", ["cinc2011"], indirect=True)
def test_cinc2011_reads_the_lists_of_the_acceptable(made):
    root, corpus = made
    found = {name: r.labels.get("quality") for name, r in by_id(corpus).items()}
    assert found == {
        "1000001": ("acceptable",), "1000002": ("unacceptable",), "1000003": ("acceptable",),
        "1000004": None,
    }  # fmt: skip
    (root / "set-a" / "RECORDS-acceptable").unlink()
    with pytest.raises(DatasetError, match="RECORDS-acceptable is missing"):
        datasets.corpus("cinc2011", root)
