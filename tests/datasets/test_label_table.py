"""Tables as people write them, and what must become of each."""

import gzip
import itertools
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylead.datasets import layout
from anylead.datasets.cells import cell, flag, number, split_labels
from anylead.datasets.label_table import LabelTable, Tasks
from anylead.datasets.matching import rows_of_files
from anylead.errors import DatasetError

MISSING = ("", " ", "NaN", "nan", "NA", "N/A", "#N/A", "None", "NULL", "<NA>", "NaT", "?")


def read(path, text, label_columns=None, encoding="utf-8", **columns):
    path.write_bytes(text.encode(encoding))
    return LabelTable(path, {"record": None, "patient": None, **columns}, label_columns)


def everything(table):
    """What a table says about every row."""
    return [table.about(row) for row in range(len(table.rows))]


@pytest.mark.parametrize("word", MISSING)
def test_a_missing_word_is_no_class_no_patient_and_no_flag(word, tmp_path):
    text = f"record,Patient ID,diagnosis,AF\nr1,{word},{word},{word}\nr2,p2,MI,1\n"
    first, second = everything(read(tmp_path / "t.csv", text))
    assert (first.patient_id, first.labels, first.unknown) == (None, {}, {})
    assert (second.patient_id, second.labels) == ("p2", {"diagnosis": ("MI",), "labels": ("AF",)})


@pytest.mark.parametrize("yes", ["1", "1.0", "TRUE", "True", "yes", "Y", "t"])
@pytest.mark.parametrize("no", ["0", "0.0", "FALSE", "False", "no", "N", "f"])
def test_flags_in_any_spelling(yes, no, tmp_path):
    text = f"record,AF,MI\nr1,{yes},{no}\nr2,{no},\nr3,,{yes}\n"
    told = everything(read(tmp_path / "t.csv", text))
    assert [each.labels for each in told] == [
        {"labels": ("AF",)}, {"labels": ()}, {"labels": ("MI",)},
    ]  # fmt: skip
    assert [each.unknown for each in told] == [{}, {"labels": ("MI",)}, {"labels": ("AF",)}]


@pytest.mark.parametrize(
    "text", ["AFIB;PVC", "AFIB | PVC", "['AFIB', 'PVC']", '["AFIB", "PVC"]', "['AFIB' 'PVC']",
             "[AFIB, PVC]", "('AFIB', 'PVC')", "{'AFIB', 'PVC'}", "{'AFIB': 100.0, 'PVC': 0}"]
)  # fmt: skip
def test_several_labels_in_a_cell(text, tmp_path):
    assert split_labels(text, ";|") == ("AFIB", "PVC")
    quoted = text.replace('"', '""')
    table = read(tmp_path / "t.csv", f'record,dx\nr1,"{quoted}"\n')
    assert table.about(0).labels == {"dx": ("AFIB", "PVC")}


@pytest.mark.parametrize(
    ("text", "labels"),
    [("AFIB,PVC", ("AFIB", "PVC")), ("AFIB, PVC", ("AFIB", "PVC")), ("AFIB\nPVC", ("AFIB", "PVC")),
     ("164889003,59118001", ("164889003", "59118001")), ("[164889003.0, 59118001.0]",
     ("164889003", "59118001")), ("frozenset({'AFIB'})", ("AFIB",)), ("set()", ()),
     ("array(['AFIB'],\n dtype='<U4')", ("AFIB",)), ("{'AFIB': True, 'PVC': False}", ("AFIB",)),
     ("{'AFIB': 1, 'PVC': 0}", ("AFIB",)), ("{'AFIB': 0.0, 'PVC': 1.0}", ("PVC",)),
     ("{'AFIB': 0, 'PVC': 0}", ()), ("{'SR': 0.0}", ("SR",)), ("{'AFIB': 100, 'SR': 0}",
     ("AFIB", "SR")), ("{'AFIB': None, 'PVC': 1}", ("PVC",)),
     ("AFIB\u200b", ("AFIB",)), ("E\u0301L", ("ÉL",)),
     ("block, incomplete right", ("block, incomplete right",))]
)  # fmt: skip
def test_what_looks_like_one_or_several_labels_is(text, labels, tmp_path):
    table = read(tmp_path / "t.csv", f'record,dx\nr1,"{text}"\nr2,NORM\n')
    assert table.about(0).labels == {"dx": labels}


def test_a_long_list_is_read_in_no_time():
    names = [f"A{i}" for i in range(5000)]
    assert split_labels(str(names)) == tuple(names) == split_labels(f"[{', '.join(names)}]")
    split_labels("[" + "\\'" * 50_000 + "]")  # minutes, if the time grew as the square


@pytest.mark.parametrize("codes", ["164889003.0 426783006.0", "164889003 426783006.0 NA"])
def test_codes_that_became_floats_are_codes(codes, tmp_path):
    rows = "".join(f"r{i},{text}\n" for i, text in enumerate(codes.split()))
    first, second = everything(read(tmp_path / "t.csv", f"record,dx\n{rows}"))[:2]
    assert (first.labels, second.labels) == ({"dx": ("164889003",)}, {"dx": ("426783006",)})


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "id", "gender", "subset"])
def test_an_index_and_a_second_column_about_the_recording_are_no_labels(name, tmp_path):
    table = read(tmp_path / "t.csv", f"record,sex,split,{name},AF\nr1,F,train,0,1\nr2,M,test,1,0\n")
    assert table.tasks == Tasks((), ("AF",))


@pytest.mark.parametrize("other", ["-1", "unknown", "U", "maybe"])
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("positive", "Negative")])
def test_a_third_answer_beside_yes_and_no_is_told(yes, no, other, tmp_path):
    text = f"record,AF,MI\nr1,{yes},1\nr2,{no},0\nr3,{other},0\n"
    table = read(tmp_path / "t.csv", text)
    assert table.tasks == Tasks((), ("MI",))
    assert f"AF (0 and 1 beside '{other}'; empty the cells" in table.summary(everything(table))
    if (yes, other) == ("1", "-1"):  # named, it may be meant as a number
        assert read(tmp_path / "t.csv", text, ["AF"]).tasks == Tasks((), (), ("AF",))
        return
    with pytest.raises(DatasetError, match=f"'AF' cannot be a label: 0 and 1 beside '{other}'"):
        read(tmp_path / "t.csv", text, ["AF"])


@pytest.mark.parametrize(
    ("cells", "values"), [("1,200 900", None), ("2,000", None), ("1,200 0,900", (1.2, 0.9)),
                          ("63,5 61", (63.5, 61)), ("55% 60%", (55, 60)), ("0,125 1", (0.125, 1))]
)  # fmt: skip
def test_a_thousand_is_not_one(cells, values, tmp_path):
    rows = "".join(f'r{i},"{cell}"\n' for i, cell in enumerate(cells.split()))
    if values is None:
        with pytest.raises(DatasetError, match="one number or a thousand times it"):
            read(tmp_path / "t.csv", f"record,bnp\n{rows}", ["bnp"])
    else:
        told = everything(read(tmp_path / "t.csv", f"record,bnp\n{rows}", ["bnp"]))
        assert tuple(each.measurements["bnp"] for each in told) == values


@pytest.mark.parametrize("patient", ["1.23457E+11", "1E+12", "1.2345678901234568e+16"])
def test_patients_that_a_spreadsheet_rounded_are_refused(patient, tmp_path):
    with pytest.raises(DatasetError, match=r"patient '1.* was rounded"):
        read(tmp_path / "t.csv", f"record,mrn,AF\nr1,{patient},1\n")


def test_a_number_for_nobody_is_no_patient(tmp_path):
    rows = "r1,-1,1\nr2,-1.0,0\nr3,0,1\nr4,1,0\nr5,0,0\nr6,-99,0\n"
    told = everything(read(tmp_path / "t.csv", f"record,patient,AF\n{rows}"))
    assert [each.patient_id for each in told] == [None, None, "0", "1", "0", None]
    with pytest.raises(DatasetError, match="patient '0' has 3 recordings, nobody else as many"):
        read(tmp_path / "t.csv", f"record,patient,AF\n{rows}r7,000,1\n")


def test_ages_and_sexes_that_are_none_are_told(tmp_path):
    text = "record,age,sex,AF\nr1,-5,0,1\nr2,18 months,F,0\nr3,,unknown,0\nr4,999,1,0\nr5,>89,m,0\n"
    table = read(tmp_path / "t.csv", text)
    told = everything(table)
    assert [each.age for each in told] == [None, 1.5, None, None, 89]
    assert [each.sex for each in told] == [None, "female", None, None, "male"]
    assert "warning: age = age: no age in '-5', '999'" in table.summary(told)
    assert "warning: sex = sex: no sex in '0', '1'\n" in table.summary(told) + "\n"


def test_an_empty_list_says_that_nothing_was_found(tmp_path):
    table = read(tmp_path / "t.csv", "record,dx\nr1,[]\nr2,\nr3,MI\n")
    assert [each.labels for each in everything(table)] == [{"dx": ()}, {}, {"dx": ("MI",)}]


def test_parquet_has_lists_booleans_and_nulls(tmp_path):
    rows = {
        "record": ["r1", "r2", "r3"],
        "dx": [["AFIB", "PVC"], [], None],
        "AF": [True, False, None],
        "MI": [1.0, float("nan"), 0.0],
        "patient": [7, 7, None],
    }
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    told = everything(LabelTable(tmp_path / "t.parquet", {}, None))
    assert [each.labels for each in told] == [
        {"dx": ("AFIB", "PVC"), "labels": ("AF", "MI")},
        {"dx": (), "labels": ()},
        {"labels": ()},
    ]
    assert [each.unknown for each in told] == [{}, {"labels": ("MI",)}, {"labels": ("AF",)}]
    assert [each.patient_id for each in told] == ["7", "7", None]


def test_parquet_has_maps_and_records(tmp_path):
    path = tmp_path / "t.parquet"
    dx = pa.array([[("MI", 1.0)], [], None], type=pa.map_(pa.string(), pa.float64()))
    found = pa.array([{"A": True, "B": False}, {"A": None, "B": True}, None])
    pq.write_table(pa.table({"record": ["r1", "r2", "r3"], "dx": dx, "class": found}), path)
    told = everything(LabelTable(path, {}, None))
    assert [each.labels for each in told] == [
        {"dx": ("MI",), "class": ("A",)}, {"dx": (), "class": ("B",)}, {}
    ]  # fmt: skip
    pq.write_table(pa.table({"record": ["r1"], "dx": [[{"code": "MI", "p": 1}]]}), path)
    with pytest.raises(DatasetError, match="'dx' holds records in lists"):
        LabelTable(path, {}, None)


@pytest.mark.parametrize("twin", ["AF", "AF "])
def test_a_column_of_parquet_that_stands_twice_is_refused(twin, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([["r1"], [1], [0]], names=["record", "AF", twin]), path)
    with pytest.raises(DatasetError, match="the column 'AF' stands twice"):
        LabelTable(path, {}, None)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_separators_and_encodings(separator, encoding, tmp_path):
    rows = [("Record", "Patient ID", "dx", "Age"), ("r1", "p1", "Überleitung", "63")]
    text = "\r\n".join(separator.join(row) for row in rows) + "\r\n" + separator * 3 + "\r\n"
    about = read(tmp_path / "t.csv", text, encoding=encoding).about(0)
    assert (about.patient_id, about.labels, about.age) == ("p1", {"dx": ("Überleitung",)}, 63)


def test_a_spreadsheet_may_tell_its_separator(tmp_path):
    table = read(tmp_path / "t.csv", "sep=;\nrecord;dx\nr1;MI, old\nr2;not known, yet\n")
    assert table.about(0).labels == {"dx": ("MI, old",)}


@pytest.mark.parametrize("above", ["\n", "\r\n \r\n", ";;\n", "# of 2024; by me; and you\n#\n",
                                   "# a;b\n\n"])  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_blank_lines_and_comments_may_stand_above_the_names(above, encoding, tmp_path):
    table = read(tmp_path / "t.csv", f"{above}record;AF\nr1;1\n\nr2;0\n", encoding=encoding)
    assert (table.names, table.tasks.flags) == (["r1", "r2"], ("AF",))
    with pytest.raises(DatasetError, match=f"line {above.count(chr(10)) + 2} has 3 cells"):
        read(tmp_path / "t.csv", f"{above}record;AF\nr1;1;1\n", encoding=encoding)


def test_the_names_of_columns_may_stand_in_a_comment_as_numpy_writes_them(tmp_path):
    table = read(tmp_path / "t.csv", "# of 2024\n# record,AF\nr1,1\nr2,0\n")
    assert (table.names, table.tasks.flags) == (["r1", "r2"], ("AF",))


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_what_stands_in_the_names_of_columns_divides_no_cells(mark, tmp_path):
    names = ["record", "AF, or flutter", "MI, old, new, unclear"]
    table = read(tmp_path / "t.csv", f"{mark.join(names)}\nr1{mark}1{mark}0\n")
    assert table.header == names


@pytest.mark.parametrize("data", [b'[{"record": "a", "AF": 1}]', b'\n{"record": {"0": "a"}}',
                                  gzip.compress(b"record,AF", mtime=0), b"\x80\x04\x95\x01\x00",
                                  b"<table>", b"ARROW1\0\0\xff\xff\xff"])  # fmt: skip
def test_what_is_no_table_of_text_is_told_what_is(data, tmp_path):
    (tmp_path / "t.json").write_bytes(data)
    with pytest.raises(DatasetError, match="no table of text; save it as CSV or Parquet"):
        LabelTable(tmp_path / "t.json", {}, None)


def test_a_formula_that_keeps_zeros_is_what_it_shows(tmp_path):
    table = read(tmp_path / "t.csv", 'record,patient,AF\n="001","=""012""",="1"\n')
    assert (table.names, table.about(0).patient_id, table.tasks.flags) == (["001"], "012", ("AF",))


def test_a_workbook_is_no_table(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(DatasetError, match="save it as CSV"):
        LabelTable(tmp_path / "t.csv", {}, None)


@pytest.mark.parametrize("values", ["55.5 61.2 38", "1 2 3", "0 1 -2", "5 5 5", "60 NA 61",
                                    "['1','2'] ['3'] ['1']"])  # fmt: skip
def test_numbers_are_never_classes(values, tmp_path):
    cells = values.split(" ")
    text = "record,label,dx\n" + "".join(f'r{n},"{c}",MI\n' for n, c in enumerate(cells))
    named = read(tmp_path / "t.csv", text, ["label"])
    assert named.tasks == Tasks((), (), ("label",))
    guessed = read(tmp_path / "t.csv", text)
    assert guessed.tasks == Tasks(("dx",), ())
    assert "label (numbers; name it" in guessed.summary(everything(guessed))


@pytest.mark.parametrize("cells", [("60", "55 mmHg"), ("0", "unclear"), ("<5", "7"), ("inf", "7")])
def test_a_number_beside_words_is_no_class(cells, tmp_path):
    text = "record,label,dx\n" + "".join(f"r{n},{c},INF\n" for n, c in enumerate(cells))
    assert read(tmp_path / "t.csv", text).tasks == Tasks(("dx",), ())
    with pytest.raises(DatasetError, match="want one number"):
        everything(read(tmp_path / "t.csv", text, ["label"]))


def test_a_column_named_twice_is_one(tmp_path):
    table = read(tmp_path / "t.csv", "record,AF\nr1,1\n", ["AF", "af"])
    assert table.tasks == Tasks((), ("AF",))


def test_a_named_column_of_numbers_is_a_measurement(tmp_path):
    text = 'record,LVEF,dx,age\nr1,55.5,MI,60\nr2,NA,SR,61\nr3,"61,5",SR,62\n'
    table = read(tmp_path / "t.csv", text, ["LVEF", "dx", "age"])
    told = everything(table)
    assert [each.measurements for each in told] == [{"LVEF": 55.5}, {}, {"LVEF": 61.5}]
    assert [each.age for each in told] == [60, 61, 62]
    assert "measurement LVEF: known of 2 recordings, 55.5 to 61.5, mean 58.5" in table.summary(told)


@pytest.mark.parametrize("cell", ["['1', '2']", "inf", "1e999"])
def test_a_measurement_is_one_number(cell, tmp_path):
    table = read(tmp_path / "t.csv", f'record,LVEF\nr1,3\nr2,4\nr3,"{cell}"\n', ["LVEF"])
    with pytest.raises(DatasetError, match="of r3; want one number"):
        everything(table)


def test_codes_of_snomed_are_words(tmp_path):
    table = read(
        tmp_path / "t.csv", "record,dx\nr1,426783006\nr2,164889003\nr3,59118001;426783006\n"
    )
    assert table.about(2).labels == {"dx": ("59118001", "426783006")}


def test_an_empty_column_is_told_or_refused(tmp_path):
    text = "record,label,dx\nr1,,MI\nr2,NaN,SR\n"
    table = read(tmp_path / "t.csv", text)
    assert "label (no value)" in table.summary(everything(table))
    with pytest.raises(DatasetError, match="'label' cannot be a label: no value"):
        read(tmp_path / "t.csv", text, ["label"])


def test_the_summary_counts_and_warns(tmp_path):
    rows = [f"r{n},p{n // 2},{n % 2},{int(n < 2)},0,{'' if n else 1}" for n in range(12)]
    table = read(tmp_path / "t.csv", "\n".join(["record,patient,A,B,C,D", *rows]))
    lines = table.summary(everything(table)).splitlines()
    assert lines[1] == "12 of 12 rows fit a file; 6 patients"
    for line in ("  A: 6 positive, 6 negative, 0 unknown",
                 "  D: 1 positive, 0 negative, 11 unknown",
                 "warning: task labels: classes without a positive: C",
                 "warning: task labels: classes without a negative: D",
                 "warning: task labels: classes in fewer than 5 recordings: B"):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize("word", ["Trainset", "7", "fold1", "holdout"])
def test_an_unknown_word_for_a_split_is_told_with_the_known_ones(word, tmp_path):
    table = read(tmp_path / "t.csv", f"record,split,dx\nr1,train,MI\nr2,{word},SR\n")
    with pytest.raises(DatasetError, match=f"split '{word}' of r2; known are train, training"):
        everything(table)


def test_the_summary_says_who_is_on_no_side_of_a_split(tmp_path):
    rows = "".join(f"r{n},{side},{n % 2}\n" for n, side in enumerate(["train", "test", "", ""]))
    table = read(tmp_path / "t.csv", f"record,split,AF\n{rows}")
    said = table.summary(everything(table))
    assert "warning: split: 2 recordings on no side are neither learned from nor scored" in said
    assert "on no side" not in table.summary(everything(table)[:2])


def test_a_fold_is_a_whole_number(tmp_path):
    table = read(tmp_path / "t.csv", "record,fold,dx\nr1,9.0,MI\nr2,a,SR\n")
    assert table.about(0).fold == 9
    with pytest.raises(DatasetError, match="fold 'a' of r2"):
        table.about(1)


def test_one_person_has_one_name_however_a_spreadsheet_wrote_it(tmp_path):
    text = "record,patient\n" + "".join(
        f"r{n},{who}\n" for n, who in enumerate(["007", "7", "7.0", "70", "A7", "unknown"])
    )
    told = [each.patient_id for each in everything(read(tmp_path / "t.csv", text))]
    assert told == ["007", "007", "007", "70", "A7", None]


@pytest.mark.parametrize("header", ["Patient ID", "patient_id", "PATIENT-ID", " PatientID "])
def test_headers_in_any_spelling_are_found_and_may_be_named_so(header, tmp_path):
    text = f"File Name,{header},dx\nr1.csv,p1,MI\n"
    assert read(tmp_path / "t.csv", text).about(0).patient_id == "p1"
    named = read(tmp_path / "t.csv", text, ["DX"], patient=header.upper())
    assert named.about(0).patient_id == "p1"


def test_a_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="'dx' stands twice"):
        read(tmp_path / "t.csv", "record,dx,dx\nr1,MI,SR\n")


FILES = ["a/r1.csv", "a/r2.csv", "b/r3.edf"]


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["r1", "r2", "r3"], [0, 1, 2]),
        (["r3.edf", "r2.csv", "r1.csv"], [2, 1, 0]),
        (["a/r1", "a/r2", "b/r3"], [0, 1, 2]),
        (["C:/study/a/r1.csv", "C:/study/a/r2.csv", "C:/study/b/r3.edf"], [0, 1, 2]),
        (["R1.CSV", "R2", "R3"], [0, 1, 2]),
        (["x/r1", "r2"], [None, 1, None]),  # the folder is another one
        (["r001", "r02", "r3"], [0, 1, 2]),
    ],
)
def test_rows_find_their_files(names, rows, tmp_path):
    assert rows_of_files(tmp_path, names, FILES) == rows


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_the_same_however_a_system_writes_them(forms, tmp_path):
    names, files = ([unicodedata.normalize(form, "Müller/r1.csv")] for form in forms)
    assert rows_of_files(tmp_path, names, files) == [0]


def test_leading_zeros_are_overlooked_only_where_nothing_fits_better(tmp_path):
    assert rows_of_files(tmp_path, ["1", "2"], ["00001.hea", "00002.hea"]) == [0, 1]
    assert rows_of_files(tmp_path, ["00001", "2"], ["1.hea", "2.hea"]) == [0, 1]
    assert rows_of_files(tmp_path, ["1", "01"], ["01.hea", "1.hea"]) == [1, 0]
    assert rows_of_files(tmp_path, ["10"], ["1.hea", "100.hea"]) == [None, None]


def test_what_cannot_be_told_apart_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="'r1' fits 2 files"):
        rows_of_files(tmp_path, ["r1"], ["a/r1.csv", "b/r1.csv"])
    with pytest.raises(DatasetError, match="fits 2 rows"):
        rows_of_files(tmp_path, ["D:/a/r1.csv", "D:/b/r1.csv"], ["r1.csv"])
    assert rows_of_files(tmp_path, ["r1"], ["a/r1.csv", "a/r1.edf"]) == [0, 0]


def spellings(file):
    """Ways in which a table may write the path of a file."""
    stem = file.rpartition(".")[0]
    return [file, stem, f"C:/data/{file}", f"/home/x/{stem}", file.rpartition("/")[2]]


@given(st.data())
def test_any_mixture_of_spellings_finds_every_file(data):
    files = [f"{folder}/{name}{n}.csv" for n, (folder, name) in enumerate(
        itertools.product(("a", "b/c"), ("x", "y")))]  # fmt: skip
    order = data.draw(st.permutations(range(len(files))))
    names = [data.draw(st.sampled_from(spellings(files[i]))) for i in order]
    found = rows_of_files("t.csv", names, files)
    assert [order[row] for row in found] == list(range(len(files)))


@given(st.text(max_size=30))
def test_no_cell_breaks_the_reading(text):
    cell(text), flag(text), number(text)
    assert all(name == cell(name) != "" for name in split_labels(text))


@pytest.mark.parametrize("yes", [1, 1.0, True])
def test_zeros_beside_ones_in_a_map_of_parquet_are_no_labels(tmp_path, yes):
    no = type(yes)(0)
    told = [{"AFIB": yes, "PVC": no}, {"AFIB": yes, "PVC": yes}]
    pq.write_table(pa.table({"file": ["a", "b"], "labels": told}), tmp_path / "t.parquet")
    cells = [row["labels"] for row in layout.table(tmp_path / "t.parquet")]
    assert cells == ["AFIB", "AFIB;PVC"]


def test_likelihoods_of_zero_in_a_map_of_parquet_are_labels_not_stated(tmp_path):
    told = [{"NORM": 100.0, "SR": 0.0}, {"NORM": None, "SR": 0.0}]
    pq.write_table(pa.table({"file": ["a", "b"], "labels": told}), tmp_path / "t.parquet")
    cells = [row["labels"] for row in layout.table(tmp_path / "t.parquet")]
    assert cells == ["NORM;SR", "SR"]
