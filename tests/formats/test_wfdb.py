import re

import numpy as np
import pytest
import wfdb as package
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead import formats
from anylead.errors import FormatError
from anylead.formats import wfdb
from anylead.leads import LEADS


def write(folder, name="rec", header=None, digital=None, comments=(), suffix=".dat", offset=0):
    """A format 16 record of three leads; `header` replaces its signal lines."""
    if digital is None:
        digital = np.random.default_rng(0).integers(-2000, 2000, (100, 3))
    data = np.asarray(digital, "<i2")
    (folder / f"{name}{suffix}").write_bytes(bytes(offset) + data.tobytes())
    kind = f"16+{offset}" if offset else "16"
    lines = header or [
        f"{name}{suffix} {kind} 1000.0(0)/mV 16 0 0 {int(column.sum()) % 65536} 0 {lead}"
        for column, lead in zip(data.T.astype(np.int64), ("I", "AVR", "v5"), strict=True)
    ]
    first = f"{name} {len(lines)} 500 {len(data)}"
    text = "\n".join([first, *lines, *comments]) + "\n"
    (folder / f"{name}.hea").write_text(text)
    return folder / f"{name}.hea"


def assert_equals_the_package(path, record):
    expected = package.rdrecord(str(path.with_suffix(""))).p_signal.T[: len(record.leads)]
    np.testing.assert_allclose(record.signal, expected, rtol=4e-7, atol=1e-7)


@pytest.mark.parametrize("folder", ["ptbxl_p250/00000", "ptbxl_raw500", "challenge2021", "ecgid"])
def test_real_records_equal_those_of_the_wfdb_package(shared_data, folder):
    paths = sorted((shared_data / folder).rglob("*.hea"))[::7]
    assert len(paths) > 5
    for path in paths:
        assert_equals_the_package(path, formats.read(path))


@pytest.mark.parametrize("kind", ["8", "80", "16", "24", "32", "61", "160", "212", "310", "311"])
@pytest.mark.parametrize("num_samples", [100, 101])
def test_every_sample_format_equals_the_wfdb_package(tmp_path, kind, num_samples):
    rng = np.random.default_rng(int(kind))
    steps = np.cumsum(rng.integers(-3, 4, (num_samples, 3)), axis=0)
    written = "16" if kind in ("8", "61", "160", "310", "311") else kind
    package.wrsamp(
        "rec", fs=360, units=["mV", "uV", "V"], sig_name=["MLII", "V1-REF", "avf"],
        d_signal=steps, fmt=[written] * 3, adc_gain=[200.0, 0.5, 1e5], baseline=[5, 0, -7],
        write_dir=str(tmp_path),
    )  # fmt: skip
    if written != kind:
        make_other_format(tmp_path, kind, steps)
    record = formats.read(tmp_path / "rec.hea")
    assert record.leads == ("II", "V1", "aVF")
    assert record.sample_rate == 360
    expected = (steps - [5, 0, -7]) / [200.0, 0.5, 1e5] * [1, 1e-3, 1e3]
    np.testing.assert_allclose(record.signal, expected.T, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(record.resolution, [1 / 200, 1 / 500, 1 / 100], rtol=1e-9)


def make_other_format(folder, kind, steps):
    """Rewrite rec.dat in a format that the package reads but does not write."""
    flat = steps.ravel()
    if kind == "8":  # differences
        data = np.diff(steps, axis=0, prepend=steps[:1]).astype(np.int8).tobytes()
    elif kind == "61":
        data = flat.astype(">i2").tobytes()
    elif kind == "160":
        data = (flat + 32768).astype("<u2").tobytes()
    else:
        padded = np.concatenate([flat, np.zeros(-len(flat) % 3, int)]).reshape(-1, 3) & 0x3FF
        a, b, c = padded.T
        if kind == "310":
            low = (a << 1) | ((c & 0x1F) << 11)
            high = (b << 1) | ((c >> 5) << 11)
            data = np.stack([low, high], axis=1).astype("<u2").tobytes()
        else:
            data = (a | b << 10 | c << 20).astype("<u4").tobytes()
    (folder / "rec.dat").write_bytes(data)
    text = (folder / "rec.hea").read_text().replace("rec.dat 16 ", f"rec.dat {kind} ")
    (folder / "rec.hea").write_text(text)


@settings(max_examples=40, deadline=None)
@given(samples=st.lists(st.integers(-2048, 2047), min_size=1, max_size=31))
def test_format_212_unpacks_any_two_samples(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("x")
    low = [s & 0xFFF for s in samples] + [0] * (len(samples) % 2)
    data = bytearray()
    for a, b in zip(low[::2], low[1::2], strict=True):
        data += bytes([a & 0xFF, (a >> 8) | (b >> 8) << 4, b & 0xFF])
    (folder / "rec.dat").write_bytes(data)
    line = f"rec.dat 212 1 12 0 {samples[0]} {sum(samples) % 65536} 0 I"
    (folder / "rec.hea").write_text(f"rec 1 250 {len(samples)}\n{line}\n")
    expected = [np.nan if s == -2048 else s for s in samples]
    np.testing.assert_array_equal(formats.read(folder / "rec.hea").signal[0], expected)


def test_header_fields_mean_what_the_manual_says(tmp_path):
    digital = np.array([[100, 200, 300], [-32768, 0, 50], [7, 8, 9]])
    path = write(
        tmp_path,
        digital=digital,
        header=[
            "rec.dat 16 0(0)/mV 16 0 0 0 0 I",  # gain 0: not calibrated, 200 per mV
            "rec.dat 16 100/uV 12 50 0 208 0 lead II",  # no baseline: the zero of the ADC
            "rec.dat 16",  # nothing but what must be there
        ],
        comments=["# comment without a colon", "#Age: 085Y", "#Sex: F"],
    )
    text = path.read_text().replace("rec.dat 16\n", "rec.dat 16 2.5e1 16 0 300 359 0 V9\n")
    text = text.replace(" 0 0 0 0 I", " 0 100 32875 0 I").replace(
        "rec 3 500 3", "rec 3 500/1(0) 3 10:04:05.25 3/12/2004"
    )
    path.write_text("# a comment before the record line\r\n\r\n" + text.replace("\n", "\r\n"))
    record = formats.read(path)
    np.testing.assert_allclose(record.signal[0], [0.5, np.nan, 0.035])
    np.testing.assert_allclose(record.signal[1], [1.5e-3, -0.5e-3, -0.42e-3], rtol=1e-6)
    np.testing.assert_allclose(record.signal[2], [12, 2, 0.36])
    assert record.leads == ("I", "II", "V9")
    assert (record.age, record.sex) == (85.0, "female")
    assert record.start_time == "2004-12-03T10:04:05.250000"


@pytest.mark.parametrize("comment", ["# Dx: {}", "#Dx: {}", "#  dx : {}", "#Dx:{}", "# DX: {}"])
def test_age_sex_and_diagnosis_in_any_spelling(tmp_path, comment):
    path = write(
        tmp_path,
        comments=["#Age: NaN", "# Sex: Male", comment.format("426177001,164934002,,426177001, ")],
    )
    record = formats.read(path)
    assert record.labels == {"dx": ("426177001", "164934002")}
    assert record.age is None
    assert record.sex == "male"
    assert formats.read(write(tmp_path, comments=["# Sex: Unknown", "#Dx: Unknown"])).sex is None


def test_a_challenge_record_in_a_mat_file_is_read_behind_its_offset(tmp_path):
    path = write(tmp_path, suffix=".mat", offset=24)
    for name in ("rec.hea", "rec.mat", "rec"):
        record = formats.read(tmp_path / name)
        assert record.leads == ("I", "aVR", "V5")
        assert_equals_the_package(path, record)


def test_several_files_of_samples_make_one_record(tmp_path):
    write(tmp_path)
    digital = np.arange(200).reshape(100, 2)
    (tmp_path / "rec.xyz").write_bytes(digital.astype("<i2").tobytes())
    path = tmp_path / "rec.hea"
    lines = path.read_text().replace("rec 3", "rec 5") + "rec.xyz 16 1000 16 0 0 9900 0 vx\n"
    path.write_text(lines + "rec.xyz 16 1000 16 0 1 10000 0 vz\n")
    record = formats.read(path)
    assert record.leads == ("I", "aVR", "V5", "X", "Z")
    np.testing.assert_allclose(record.signal[3:].T * 1000, digital, atol=1e-4)


def test_skewed_signals_and_signals_of_several_rates_equal_the_package(tmp_path):
    skewed = write(tmp_path, "skewed")
    skewed.write_text(skewed.read_text().replace("skewed.dat 16 ", "skewed.dat 16:2 ", 1))
    record = formats.read(skewed)
    assert np.isnan(record.signal[0, -2:]).all()
    assert_equals_the_package(skewed, record)
    digital = np.random.default_rng(1).integers(-500, 500, 400)
    (tmp_path / "fast.dat").write_bytes(digital.astype("<i2").tobytes())
    fast = tmp_path / "fast.hea"
    fast.write_text("fast 2 250 100\nfast.dat 16x3 200 16 0 0\nfast.dat 16 200 16 0 0\n")
    text = fast.read_text().splitlines()
    frames = digital.reshape(100, 4)
    text[1] = f"fast.dat 16x3 200 16 0 {frames[0, 0]} {frames[:, :3].sum() % 65536} 0 I"
    text[2] = f"fast.dat 16 200 16 0 {frames[0, 3]} {frames[:, 3].sum() % 65536} 0 II"
    fast.write_text("\n".join(text) + "\n")
    record = formats.read(fast)
    np.testing.assert_allclose(record.signal[0], frames[:, :3].mean(axis=1) / 200, atol=0.0051)
    assert_equals_the_package(fast, record)


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_segments_are_joined_as_the_package_joins_them(tmp_path, layout):
    write(tmp_path, "a")
    write(tmp_path, "b", digital=np.random.default_rng(2).integers(-9, 9, (40, 3)))
    if layout == "fixed":
        master = "m/2 3 500 140\na 100\nb 40\n"
    else:
        two = (tmp_path / "b.hea").read_text().splitlines()
        two = [two[0].replace("b 3", "b 2"), two[2].replace("AVR", "AVR"), two[1]]
        digital = np.random.default_rng(3).integers(-9, 9, (40, 2))
        sums = digital.sum(axis=0) % 65536
        (tmp_path / "b.dat").write_bytes(digital.astype("<i2").tobytes())
        rows = [f"b.dat 16 1000(0)/mV 16 0 {d[0]} {s} 0 {n}" for d, s, n in
                zip(digital.T, sums, ("AVR", "I"), strict=True)]  # fmt: skip
        (tmp_path / "b.hea").write_text("\n".join(["b 2 500 40", *rows]) + "\n")
        lay = [f"~ 0 1000(0)/mV 16 0 0 0 0 {name}" for name in ("I", "AVR", "v5")]
        (tmp_path / "lay.hea").write_text("\n".join(["lay 3 500 0", *lay]) + "\n")
        master = "m/4 3 500 170\nlay 0\na 100\n~ 30\nb 40\n"
    path = tmp_path / "m.hea"
    path.write_text(master)
    record = formats.read(path)
    assert record.leads == ("I", "aVR", "V5")
    expected = package.rdrecord(str(tmp_path / "m"), m2s=True)
    np.testing.assert_allclose(record.signal, expected.p_signal.T, rtol=4e-7, atol=1e-7)
    if layout == "variable":
        assert np.isnan(record.signal[2, 100:]).all()
        assert np.isnan(record.signal[:, 100:130]).all()


def test_steps_are_unknown_where_segments_differ_in_gain(tmp_path):
    write(tmp_path, "a")
    other = write(tmp_path, "b")
    other.write_text(other.read_text().replace("1000.0(0)/mV", "500(0)/mV", 1))
    (tmp_path / "m.hea").write_text("m/2 3 500 200\na 100\nb 100\n")
    resolution = formats.read(tmp_path / "m.hea").resolution
    assert np.isnan(resolution[0])
    assert resolution[1:] == (0.001, 0.001)


def test_of_a_lead_and_its_filtered_copy_the_lead_is_kept(tmp_path):
    path = write(tmp_path)
    text = path.read_text()
    path.write_text(text.replace(" I\n", " ECG I\n").replace("AVR", "ECG I filtered"))
    record = formats.read(path)
    assert record.leads == ("I", "V5")
    path.write_text(text.replace("AVR", "lead_i"))
    record = formats.read(path)
    assert record.leads == ("I", "V5")
    assert record.notes == ("lead_i: lead I is taken from I",)


def test_signals_without_voltage_are_marked(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("/mV", "/z"))
    assert formats.read(path).unit == "NU"
    path.write_text(path.read_text().replace("/z", "/mV", 1))
    with pytest.raises(FormatError, match="unit 'z'"):
        formats.read(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rec.dat", "../secret.dat", "only files in the folder of the header"),
        ("rec.dat", "/etc/passwd", "only files in the folder of the header"),
        ("rec.dat", "..\\\\x.dat", "only files in the folder of the header"),
        ("rec.dat", "other.dat", "No such file"),
        ("rec 3 500 100", "rec 3 500 1000", "truncated; 600 bytes of samples, rec.hea wants 6000"),
        ("rec 3 500 100", "rec 4 500 100", "4 signals announced, 3 described"),
        ("rec 3 500 100", "rec 0 500 100", "0 signals"),
        ("rec 3 500 100", "rec 3 0 100", "sample rate '0'"),
        ("rec 3 500 100", "rec 3 fast 100", "sample rate 'fast'"),
        ("rec 3 500 100", "rec three 500 100", "record line"),
        ("rec 3 500 100", "rec 3 500 999999999999", "truncated"),
        ("/mV", "/mmHg", "unit 'mmHg'"),
        ("1000.0(0)", "much(0)", "gain 'much"),
        ("1000.0(0)", "1e-300(0)", "gain '1e-300"),
        (" 16 1000", " 999 1000", "cannot be read"),
        (" 16 1000", " sixteen 1000", "want a file name and a sample format"),
        (" 16 0 0 ", " 16 zero 0 ", "a number is no number"),
    ],
)  # fmt: skip
def test_a_broken_header_is_one_clear_line(tmp_path, old, new, told):
    path = write(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(FormatError) as caught:
        formats.read(path) if "record line" not in told else wfdb.read(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_sample_that_was_changed_is_found_by_the_checksum(tmp_path):
    path = write(tmp_path)
    data = bytearray((tmp_path / "rec.dat").read_bytes())
    data[301] ^= 4
    (tmp_path / "rec.dat").write_bytes(data)
    with pytest.raises(FormatError, match=r"samples of \S+ were changed or damaged \(checksum"):
        formats.read(path)


def test_samples_cut_short_are_told_with_both_sizes(tmp_path):
    path = write(tmp_path)
    data = (tmp_path / "rec.dat").read_bytes()
    (tmp_path / "rec.dat").write_bytes(data[:-7])
    with pytest.raises(FormatError, match=r"rec\.dat: truncated; 593 bytes .* wants 600"):
        formats.read(path)
    (tmp_path / "rec.dat").write_bytes(b"")
    with pytest.raises(FormatError, match="truncated"):
        formats.read(path)


def test_samples_without_a_header_are_refused(tmp_path):
    for suffix in (".dat", ".mat"):
        path = tmp_path / f"rec{suffix}"
        path.write_bytes(bytes(500))
        with pytest.raises(FormatError, match=r"header rec\.hea"):
            wfdb.read(path)
    with pytest.raises(FormatError, match=r"need the header rec\.hea"):
        formats.read(tmp_path / "rec.dat")


def test_files_of_no_known_format_folders_and_missing_files_are_refused(tmp_path):
    (tmp_path / "notes.xyz").write_bytes(b"\x01\x02 nothing")
    with pytest.raises(FormatError, match=r"notes\.xyz: no known ECG format; readable are wfdb"):
        formats.read(tmp_path / "notes.xyz")
    with pytest.raises(FormatError, match="is a folder"):
        formats.read(tmp_path)
    with pytest.raises(FormatError, match="No such file"):
        formats.read(tmp_path / "gone.hea")


@pytest.mark.parametrize(
    ("master", "told"),
    [
        ("m/2 3 500 140\na 100\n../b 40\n", "only files in the folder"),
        ("m/2 3 500 140\na 100\nm 40\n", "has segments itself"),
        ("m/2 3 500 140\na 100\nb 41\n", "has 40 samples, want 41"),
        ("m/2 3 500 140\na 100\n", "2 segments announced, 1 listed"),
        ("m/2 3 500 140\na 100\ngone 40\n", "No such file"),
        ("m/2 3 250 140\na 100\nb 40\n", "250.0 Hz, segment a 500.0 Hz"),
        ("m/2 3 500 99999999999\na 100\n~ 99999999999\n", "would unpack"),
    ],
)
def test_broken_segments_are_one_clear_line(tmp_path, master, told):
    write(tmp_path, "a")
    write(tmp_path, "b", digital=np.zeros((40, 3)))
    (tmp_path / "m.hea").write_text(master)
    with pytest.raises(FormatError, match=re.escape(told)):
        formats.read(tmp_path / "m.hea")


@settings(max_examples=300, deadline=None)
@given(
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 7)), max_size=6),
)
def test_a_mutated_header_never_raises_anything_but_a_format_error(tmp_path_factory, cut, flips):
    folder = tmp_path_factory.mktemp("x")
    path = write(folder, comments=["# Age: 63", "#Sex: F", "#Dx: 1,2"])
    data = bytearray(path.read_bytes())
    for place, bit in flips:
        data[place % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data[: max(len(data) - cut, 0)] if cut < 100 else data))
    try:
        record = wfdb.read(path)
    except FormatError:
        return
    assert record.signal.dtype == np.float32
    assert record.signal.size <= 300


def test_lead_names_of_all_corpora_are_known(shared_data):
    for path in sorted((shared_data / "challenge2021").rglob("*.hea"))[::10]:
        assert formats.read(path).leads == LEADS


@pytest.mark.parametrize("year", ["20132013", "2013" * 30])
def test_a_start_in_no_year_is_not_known(tmp_path, year):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("rec 3 500 100", f"rec 3 500 100 1:2:3 1/1/{year}"))
    assert wfdb.read(path).start_time is None


@pytest.mark.parametrize(
    ("comment", "age", "sex"),
    [
        ("# <age>: 65  <sex>: F  <diagnoses> Normal ECG  <medications> (none)", 65, "female"),
        ("#<age>: 47\n#<sex>: M\n#<diagnoses>:", 47, "male"),
        ("# Age: 65, Sex: F", 65, "female"),
        ("# Age: 30  Gender: male  Height: 170", 30, "male"),
        ("# Sex: F\n# Reason: told her age: 7", None, "female"),
    ],
)
def test_facts_are_found_on_lines_of_their_own_and_on_one_line(tmp_path, comment, age, sex):
    path = write(tmp_path)
    path.write_text(f"{path.read_text()}{comment}\n")
    record = formats.read(path)
    assert (record.age, record.sex) == (age, sex)


@pytest.mark.parametrize("moved", ["rec", "old/place/rec"])
def test_a_header_may_name_the_folder_it_came_from(tmp_path, moved):
    path = write(tmp_path)
    want = formats.read(path)
    text = path.read_text().replace("rec 3", f"{moved} 3").replace("rec.dat", "old/place/rec.dat")
    path.write_text(text)
    np.testing.assert_array_equal(formats.read(path).signal, want.signal)
    (tmp_path / "rec.dat").rename(tmp_path / "other.dat")
    with pytest.raises(FormatError, match=r"names 'old/place/rec\.dat'; only files in the folder"):
        formats.read(path)


def test_a_record_called_by_a_number_in_a_folder_has_no_segments(tmp_path):
    path = write(tmp_path, name="100")
    path.write_text(path.read_text().replace("100 3 500", "mitdb/100 3 500", 1))
    assert formats.read(path).leads == ("I", "aVR", "V5")
    assert formats.find_format(path) == "wfdb"


def test_a_flat_signal_in_flac_is_read(tmp_path):
    wfdb_package = pytest.importorskip("wfdb")
    pytest.importorskip("soundfile")
    flat = np.zeros((200_000, 1))
    wfdb_package.wrsamp(
        *("flat", 500, ["mV"], ["II"], flat), fmt=["516"], write_dir=str(tmp_path),
        adc_gain=[1000.0], baseline=[0],
    )  # fmt: skip
    assert (tmp_path / "flat.dat").stat().st_size < 2000
    record = formats.read(tmp_path / "flat.hea")
    np.testing.assert_array_equal(record.signal, flat.T)


def test_channels_of_a_monitor_are_left_out_with_a_note(tmp_path):
    path = write(tmp_path)
    text = path.read_text().replace(" v5\n", " ABP\n")
    path.write_text(text)
    record = formats.read(path)
    assert record.leads == ("I", "aVR")
    assert record.notes == ("ABP: no ECG lead",)
    assert formats.read(path, {"abp": "V5"}).leads == ("I", "aVR", "V5")


def test_a_checksum_of_zero_states_none(tmp_path):
    path = write(tmp_path)
    want = formats.read(path)
    path.write_text(re.sub(r" 16 0 0 \d+ 0 ", " 16 0 0 0 0 ", path.read_text()))
    np.testing.assert_array_equal(formats.read(path).signal, want.signal)


@pytest.mark.parametrize("name", ["Patient ID", "patient_id", "Patient", "Subject ID"])
def test_a_comment_may_name_the_patient(tmp_path, name):
    (tmp_path / "r.hea").write_text(
        f"r 1 250 2\nr.dat 16 200 16 0 0 0 0 II\n# {name}: 77\n# Age: 6 mo\n"
    )
    (tmp_path / "r.dat").write_bytes(bytes(4))
    record = wfdb.read(tmp_path / "r.hea")
    assert record.patient_id == "77" and record.age == 0.5
    (tmp_path / "r.hea").write_text((tmp_path / "r.hea").read_text().replace(": 77", ": anonymous"))
    assert wfdb.read(tmp_path / "r.hea").patient_id is None


@pytest.mark.parametrize(("label", "leads"), [("II", ("II",)), ("ECG", None)])
def test_two_signals_of_one_name_in_segments_are_two(tmp_path, label, leads):
    for name, steps in (("a", (100, 200)), ("b", (300, 400))):
        (tmp_path / f"{name}.hea").write_text(
            f"{name} 2 250 3\n" + f"{name}.dat 16 100 16 0 0 0 0 {label}\n" * 2
        )
        (tmp_path / f"{name}.dat").write_bytes(np.tile(steps, 3).astype("<i2").tobytes())
    (tmp_path / "m.hea").write_text("m/2 2 250 6\na 3\nb 3\n")
    if leads is None:  # as in a record of one segment
        with pytest.raises(FormatError, match="places of its ECG channels are not stated"):
            wfdb.read(tmp_path / "m.hea")
        return
    record = wfdb.read(tmp_path / "m.hea")
    assert record.leads == leads and record.signal.tolist() == [[1, 1, 1, 3, 3, 3]]
    assert record.notes == ("II: lead II is taken from II",)
