import io

import pytest
from rich.console import Console

from anylead.commands import inspect as inspect_folder
from anylead.datasets.folder import list_files
from anylead.errors import DatasetError, FormatError
from corpora import RECORDS, write_csv, write_wfdb
from format_samples import SAMPLES
from synthetic_store import store_folder


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "ecgs"
    for n, record in enumerate(RECORDS[:6]):
        write_wfdb(root / f"x{n}", record)
    write_wfdb(root / "again", RECORDS[0])
    one = type(RECORDS[0])(RECORDS[1].signal[:1, :500], ("II",), 250.0)
    write_wfdb(root / "one", one, leads=("MLII",), rate=250)
    write_wfdb(root / "broken", RECORDS[2])
    (root / "broken.dat").write_bytes(b"short")
    return root


def inspect(**values):
    console = Console(file=io.StringIO(), width=200)
    summary = inspect_folder.run(inspect_folder.Recipe(**values), console)
    return summary, console.file.getvalue()


def test_counts_what_is_there_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    summary, text = inspect(root=folder)
    assert (summary.num_files, summary.num_read) == (9, 8)
    assert summary.formats == {"wfdb": 8}
    assert summary.leads == {"12 standard leads": 7, "II": 1}
    assert summary.rates == {500.0: 7, 250.0: 1}
    assert summary.seconds == {2: 8}
    assert summary.units == {"mV": 8}
    assert summary.duplicates == [["again", "x0"]]
    assert [name for name, _ in summary.problems] == ["broken"]
    assert "truncated" in summary.problems[0][1]
    for told in ("9 files", "8 readable", "1 with problems", "wfdb", "250 Hz", "again, x0",
                 "problem with broken", "no patients named"):  # fmt: skip
        assert told in text
    assert sorted(folder.rglob("*")) == before


def test_counts_labels_and_patients_of_a_table(folder, tmp_path):
    rows = [{"record": f"x{n}", "patient": f"p{n // 2}", "dx": ["SR", "AF;SR"][n % 2]}
            for n in range(6)]  # fmt: skip
    write_csv(tmp_path / "about.csv", rows)
    summary, text = inspect(root=folder, labels=tmp_path / "about.csv")
    assert summary.labels == {"dx": {"SR": 6, "AF": 3}}
    assert summary.patients == {"p0": 2, "p1": 2, "p2": 2}
    assert "3 patients, 3 with several recordings" in text
    assert "record = record" in text


def test_looks_into_a_part_when_asked(folder):
    summary, text = inspect(root=folder, max_files=3)
    assert summary.num_read + len(summary.problems) == 3
    assert "9 files, 3 looked into" in text


def test_a_folder_without_ecgs_is_told(tmp_path):
    with pytest.raises(DatasetError, match="no file of a known ECG format"):
        inspect(root=tmp_path)


def test_tells_which_channels_it_takes_and_why_others_are_left(folder, tmp_path):
    record = type(RECORDS[0])(RECORDS[1].signal[:3], ("I", "II", "III"), 500.0)
    write_wfdb(tmp_path / "monitor" / "m", record, leads=("MLII", "ECG 2", "RESP"))
    summary, text = inspect(root=tmp_path / "monitor")
    assert summary.taken == {"II from MLII (by name)": 1}
    why = {"ECG 2: an ECG, but its place is not stated": 1, "RESP: no ECG lead": 1}
    assert summary.left_out == why
    for told in ("II from MLII", *why):
        assert told in text
    summary, _ = inspect(root=tmp_path / "monitor", rename="ECG 2=V1")
    assert summary.leads == {"II, V1": 1}
    assert summary.taken == {"II from MLII (by name)": 1, "V1 from ECG 2 (renamed)": 1}


def test_one_file_is_looked_into_alone(folder):
    summary, text = inspect(root=folder / "one.hea")
    assert (summary.num_files, summary.leads) == (1, {"II": 1})
    assert "II from MLII" in text
    with pytest.raises(FormatError, match=r"broken\.dat: truncated"):
        inspect(root=folder / "broken.hea")


@pytest.mark.parametrize(
    ("name", "head", "told"),
    [
        ("labels.csv", "filename,dx", "labels.csv is a table about the files; give it as labels"),
        (
            "Tabelle.tsv",
            "Datei\tBefund",
            "Tabelle.tsv is a table about the files; give it as labels",
        ),
        ("REFERENCE.csv", None, "REFERENCE.csv is a table about the files without a line of names"),
    ],
)
def test_a_table_among_the_files_is_offered_and_no_broken_ecg(folder, name, head, told):
    rows = [f"x{n},{'AF' if n % 2 else 'SR'}" for n in range(6)]
    text = "\n".join([*([head] if head else []), *rows]) + "\n"
    if name == "Tabelle.tsv":  # as a spreadsheet writes it
        (folder / name).write_text(text.replace(",", "\t"), encoding="utf-16")
    else:
        (folder / name).write_text(text)
    summary, text = inspect(root=folder)
    assert summary.num_files == 9
    assert told in text
    assert [record for record, _ in summary.problems] == ["broken"]
    with pytest.raises(DatasetError, match=rf"{name} is a table .* --labels \S*{name}"):
        inspect(root=folder / name)


def test_each_file_tells_its_channels_and_why_on_the_screen_and_in_json(tmp_path):
    root = tmp_path / "mixed"
    eight = ("I", "II", "C1", "C2", "C3", "C4", "C5", "C6")
    chest = type(RECORDS[0])(RECORDS[1].signal[[0, 1, *range(6, 12)]], eight, 500.0)
    write_wfdb(root / "chest", chest, leads=eight)
    one = type(RECORDS[0])(RECORDS[2].signal[:2], ("I", "II"), 500.0)
    write_wfdb(root / "hand", one, leads=("ECG", "RESP"))
    summary, text = inspect(root=root, files=True)
    assert [record for record, _ in summary.problems] == ["hand"]
    assert 'state it with --rename "ECG=I"' in text
    by_name = {file["record"]: file for file in summary.files}
    assert by_name["hand"]["leads"] == {"ECG": ("ECG", "an ECG, its place is not stated")}
    assert by_name["hand"]["left_out"] == ["RESP: no ECG lead"]
    assert by_name["chest"]["leads"]["I"] == ("I", "by name")
    assert by_name["chest"]["leads"]["V3"] == ("C3", "by name, beside other leads")
    for told in ("V3 from C3: by name, beside other leads", "left out: RESP: no ECG lead"):
        assert told in text
        assert told not in inspect(root=root)[1]
        assert (told in inspect(root=root / "hand.hea")[1]) == told.startswith("left out")


def test_leads_that_a_reader_computed_are_told_as_such(tmp_path):
    path = SAMPLES["contec"]["ecg90a"](tmp_path).path
    summary, text = inspect(root=path)
    assert summary.files[0]["leads"]["aVR"] == ("", "computed from other leads")
    assert "aVR: computed from other leads" in text


@pytest.mark.parametrize(
    "line",
    [
        lambda n: f"0.00{n % 2},1.{n % 4}8,{n % 3}.5",  # 1.38 is no file 1
        lambda n: f"{n},{n % 7},{n % 5}",  # whole steps, the first column counts them
    ],
)
@pytest.mark.parametrize("head", ["time,I (uV),II (uV)\n", ",I (uV),II (uV)\n", ""])
def test_recordings_called_by_numbers_are_no_tables_about_each_other(tmp_path, head, line):
    lines = "\n".join(line(n) for n in range(600))
    if not head and lines.startswith("0,"):
        lines = "\n".join(text.partition(",")[2] for text in lines.splitlines())  # no counter
    for number in range(20):
        (tmp_path / f"{number}.csv").write_text(f"# sample_rate: 250\n{head}{lines}\n")
    assert len(list_files(tmp_path).ecgs) == 20
    labels = "\n".join(f"{number},{number % 2}" for number in range(20))
    for name in ("record,dx\n", ""):
        (tmp_path / "labels.csv").write_text(f"{name}{labels}\n")
        assert [path.name for path in list_files(tmp_path).tables] == ["labels.csv"]


def test_a_store_is_told_from_a_folder_of_files():
    with pytest.raises(DatasetError, match="a store, no folder of ECG files; anylead verify"):
        inspect_folder.run(inspect_folder.Recipe(root=store_folder()))
