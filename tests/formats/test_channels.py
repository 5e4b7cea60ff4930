"""Which channels of a file are the ECG."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylead.errors import FormatError, LeadError
from anylead.formats.channels import choose, parse_rename
from anylead.leads import LEADS, OTHER_LEADS

PATH = Path("ecg.xyz")
EEG = ["Fp1", "C3-A2", "Cz", "O2", "M1", "EOG left", "EMG chin", "T3", "EEG Fpz-Cz"]


def taken(*names, units=None, rename=None):
    rows = choose(PATH, names, units, rename).rows
    return {lead: names[row] for lead, row in rows.items()}


@pytest.mark.parametrize(
    ("names", "leads"),
    [
        (["II,", "V2 (mV)", "I-Raw"], ["II", "V2", "I"]),
        (["I_raw"], ["I"]),
        (["ECGI", "ECGII", "EKGV5"], ["I", "II", "V5"]),
        (["'MLII'", '"V5"'], ["II", "V5"]),
        (["ECG I", "Lead II", "ECG V2", "EKG_aVR"], ["I", "II", "V2", "aVR"]),
        (["DI", "DII", "DIII"], ["I", "II", "III"]),
        (["D1", "D2", "D3", "aVR", "aVL", "aVF", *(f"C{n}" for n in range(1, 7))], list(LEADS)),
        (["I", "II", "III", "C1", "C6"], ["I", "II", "III", "V1", "V6"]),
        (["C3", "C4", "O1", "A1", "EOG", "ECG", "EMG"], ["ECG"]),
        (["C3", "C4", "ECG"], ["ECG"]),
        (["C3-REF", "C4-AVG", "D1 (uV)", "ECG"], ["ECG"]),
        (["TP9", "AF7", "C3", "I", "II", "III"], ["I", "II", "III"]),
        (["I", "II", "lead C1", "C6-REF"], ["I", "II", "V1", "V6"]),
        (["Lead C3", "Lead D1", "EKG2"], ["ECG"]),
        (["D1", "D2", "D3", "EKG"], ["ECG"]),
        (["C3", "ECG II"], ["II"]),
        (["I", "x", "y", "z"], ["I"]),
        (["ECG", "X", "Y", "Z"], ["ECG"]),
        (["I", "II", "X", "Y", "Z"], ["I", "II"]),
        (["vx", "vy", "vz"], ["X", "Y", "Z"]),
        (["X", "Y", "Z"], ["X", "Y", "Z"]),
        ([*LEADS, "X", "Y", "Z"], [*LEADS, "X", "Y", "Z"]),
        (["II", "V", "MCL"], ["II"]),
        (["ECG1"], ["ECG"]),
        (["ECG", "ECG filtered"], ["ECG"]),
        (["ECG2", "RESP"], ["ECG"]),
        (["MLII", "ECG"], ["II"]),
    ],
)
def test_a_name_counts_where_its_company_lets_it(names, leads):
    assert list(taken(*names)) == leads


@pytest.mark.parametrize("names", [["x", "y", "z"], ["C3", "C4"], ["RESP"], ["1", "2", "3"], []])
def test_what_is_no_ecg_is_refused(names):
    with pytest.raises(FormatError, match=r"ecg\.xyz: no ECG lead"):
        choose(PATH, names)


@pytest.mark.parametrize("names", [["ECG 1", "ECG 2"], ["ECG", "ECG"], ["Lead 1", "Lead 2"]])
def test_several_of_unknown_place_are_refused_with_the_way_to_name_them(names):
    with pytest.raises(FormatError, match=rf'--rename "{names[0]}=I".*anylead\.json'):
        choose(PATH, names)
    assert list(taken(*names, rename={names[0].lower(): "v5"})) == ["V5"]


def test_a_unit_that_is_no_voltage_excludes_a_channel():
    names, units = ["I", "V2", "II"], ["mV", "mmHg", "µV"]
    assert list(taken(*names, units=units)) == ["I", "II"]
    assert choose(PATH, names, units).left_out == ("V2: unit 'mmHg' is no voltage",)


def test_the_user_goes_before_the_name_and_the_call_before_the_side_car(tmp_path):
    path = tmp_path / "ecg.edf"
    (tmp_path / "anylead.json").write_text('{"rename": {"ecg": "V1", "II": "I"}}')
    names = ["ECG", "II", "I"]
    assert choose(path, names).rows == {"V1": 0, "I": 1}
    assert choose(path, names, rename={"II": "III"}).rows == {"V1": 0, "III": 1, "I": 2}
    (tmp_path / "anylead.json").write_text('{"rename": ["ecg"]}')
    with pytest.raises(FormatError, match=r'want \{"ECG": "I"\}'):
        choose(path, names)
    with pytest.raises(LeadError, match=r"ecg\.edf: rename: unknown lead 'elbow'"):
        choose(PATH.with_name("ecg.edf"), names, rename={"ECG": "elbow"})


@given(st.permutations(EEG), st.integers(1, 9), st.permutations(["C1", "D2", "x", "ECG"]))
def test_beside_an_eeg_only_what_says_ecg_is_one(eeg, number, others):
    assert list(taken(*eeg[:number], *others)) == ["ECG"]


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_give_known_leads_or_a_row_or_a_reason_each(names):
    try:
        rows, left_out = choose(PATH, names)
    except FormatError:
        return
    assert set(rows) <= {*LEADS, *OTHER_LEADS}
    assert len(rows) + len(left_out) == len(names)


def test_renaming_is_read_from_text():
    assert parse_rename("ECG=I, ECG 2=v5,") == {"ECG": "I", "ECG 2": "V5"}
    for text in ("ECG", "=I", "ECG=elbow"):
        with pytest.raises(LeadError):
            parse_rename(text)


def test_the_next_file_of_the_same_names_is_looked_at_anew(tmp_path):
    names = ["ECG", "resp"]
    first = choose(tmp_path / "a.xyz", names, ["mV", "l"])
    first.rows.clear()  # as a reader may that takes leads out
    assert choose(tmp_path / "b.xyz", names, ["mV", "l"]).rows == {"ECG": 0}
    assert choose(tmp_path / "b.xyz", names, ["mV", "mV"]).left_out == ("resp: no ECG lead",)
    (tmp_path / "b.json").write_text('{"rename": {"ecg": "V1"}}')
    assert choose(tmp_path / "b.xyz", names, ["mV", "l"]).rows == {"V1": 0}
    assert choose(tmp_path / "a.xyz", names, ["mV", "l"]).rows == {"ECG": 0}
    for file in ("a.xyz", "b.xyz"):
        with pytest.raises(FormatError, match=f"{file}: no ECG lead"):
            choose(tmp_path / file, ["resp"], ["l"])


@pytest.mark.parametrize("count", [3, 1000])
@pytest.mark.parametrize("length", [1, 2000])
def test_names_that_are_not_kept_mean_the_same(count, length):
    names = ["I", "II", *("x" * length + str(number) for number in range(count))]
    chosen = choose(PATH, names)
    assert chosen.rows == {"I": 0, "II": 1}
    assert len(chosen.left_out) == count


def test_channels_without_a_name_are_called_by_their_place():
    names = ["", " ", None]
    assert choose(PATH, names, rename={"Channel 2": "V1"}).rows == {"V1": 1}
    with pytest.raises(FormatError, match=r'among channel 1, .*--rename "channel 1=I"'):
        choose(PATH, names)
