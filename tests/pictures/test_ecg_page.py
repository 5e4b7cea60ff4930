import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from anylead.errors import LeadError, RecipeError
from anylead.leads import LEADS
from anylead.pictures import ecg_page, record_header, render
from anylead.records import Record

SVG = "{http://www.w3.org/2000/svg}"
MM = 25.4 / 72  # per point, the unit of the SVG


def parse(figure):
    return ET.fromstring(render(figure, "svg"))


def group(root, name):
    return next(g for g in root.iter(f"{SVG}g") if g.get("id") == name)


def points_mm(root, name):
    """(point, 2) of the first path in a named group, in mm of the printed page."""
    path = next(group(root, name).iter(f"{SVG}path")).get("d")
    numbers = re.findall(r"[ML] ?(-?[\d.e-]+) (-?[\d.e-]+)", path)
    return np.array(numbers, dtype=float) * MM


def names(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def pulse(leads=("I",), sample_rate=500.0):
    """1 mV from second 2 to second 3."""
    signal = np.zeros((len(leads), int(8 * sample_rate)), dtype=np.float32)
    signal[:, int(2 * sample_rate) : int(3 * sample_rate)] = 1.0
    return Record(signal, tuple(leads), sample_rate)


def test_one_millivolt_is_10_mm_and_one_second_25_mm_in_the_saved_file():
    root = parse(ecg_page(pulse(), leads="1"))
    points = points_mm(root, "lead-I")
    assert np.ptp(points[:, 1]) == pytest.approx(10, abs=0.02)
    high = points[points[:, 1] < points[:, 1].min() + 1]
    assert np.ptp(high[:, 0]) == pytest.approx(25 * (1 - 1 / 500), abs=0.02)
    assert np.ptp(points[:, 0]) == pytest.approx(25 * (8 - 1 / 500), abs=0.02)


def test_the_page_of_the_svg_has_the_size_its_millimetres_say():
    figure = ecg_page(pulse())
    root = parse(figure)
    width = float(root.get("width").removesuffix("pt"))
    assert root.get("viewBox").split()[2] == root.get("width").removesuffix("pt")
    assert width * MM == pytest.approx(figure.axes[0].get_xlim()[1], abs=0.01)


def test_the_calibration_mark_is_10_mm_high_and_5_mm_wide(ecg):
    root = parse(ecg_page(ecg()))
    for row in range(4):
        points = points_mm(root, f"calibration-{row}")
        assert np.ptp(points[:, 1]) == pytest.approx(10, abs=0.01)
        top = points[points[:, 1] < points[:, 1].min() + 0.1]
        assert np.ptp(top[:, 0]) == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize(("name", "step"), [("grid-1mm", 1.0), ("grid-5mm", 5.0)])
def test_grid_lines_are_1_and_5_mm_apart_in_both_directions(ecg, name, step):
    lines = points_mm(parse(ecg_page(ecg())), name).reshape(-1, 2, 2)
    upright = lines[lines[:, 0, 0] == lines[:, 1, 0]][:, 0, 0]
    level = lines[lines[:, 0, 1] == lines[:, 1, 1]][:, 0, 1]
    assert len(upright) + len(level) == len(lines)
    assert np.diff(upright) == pytest.approx(step, abs=0.01)
    assert np.abs(np.diff(level)) == pytest.approx(step, abs=0.01)


def test_baselines_lie_on_5_mm_lines():
    root = parse(ecg_page(pulse(leads=("I", "II", "V2"))))
    lines = points_mm(root, "grid-5mm").reshape(-1, 2, 2)
    level = lines[lines[:, 0, 1] == lines[:, 1, 1]][:, 0, 1]
    for name in ("I", "II", "V2"):
        baseline = points_mm(root, f"lead-{name}")[:, 1].max()
        assert np.abs(level - baseline).min() < 0.02


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_png_and_pdf_have_the_size_of_the_page(ecg, kind):
    figure = ecg_page(ecg())
    inches = figure.get_size_inches()
    content = render(figure, kind, dpi=100)
    if kind == "pdf":
        box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)", content)
        assert [float(n) / 72 for n in box.groups()] == pytest.approx(inches, abs=0.001)
    else:
        size = [int.from_bytes(content[at : at + 4]) / 100 for at in (16, 20)]
        assert size == pytest.approx(inches, abs=0.011)
        at = content.index(b"pHYs") + 4  # pixels per metre
        assert int.from_bytes(content[at : at + 4]) == pytest.approx(100 / 0.0254, abs=1)


@pytest.mark.parametrize("layout", [None, "3x4+1", "3x4", "6x2", "12x1", "4x3+3", "2x6+1"])
def test_every_lead_is_named_once_and_drawn_whole_columns(ecg, layout):
    root = parse(ecg_page(ecg(), layout=layout))
    strips = int((layout or "3x4+1").partition("+")[2] or 0)
    drawn = names(root)
    for lead in LEADS:
        assert group(root, f"lead-{lead}") is not None
    assert sum(name in LEADS for name in drawn) == 12 + strips
    assert set(LEADS) <= set(drawn)


@pytest.mark.parametrize(
    ("leads", "shown"),
    [("1", ("I",)), ("2", ("I", "II")), ("3", ("I", "II", "V2")), ("V5,avf", ("V5", "aVF"))],
)
def test_few_leads_are_drawn_in_full_without_a_rhythm_strip(ecg, leads, shown):
    root = parse(ecg_page(ecg(), leads=leads))
    assert [name for name in names(root) if name in LEADS] == list(shown)
    for lead in shown:
        assert np.ptp(points_mm(root, f"lead-{lead}")[:, 0]) == pytest.approx(250, abs=0.2)


def test_columns_go_on_in_time_and_the_strip_shows_all_of_it(ecg):
    root = parse(ecg_page(ecg(), layout="3x4+1"))
    starts = [points_mm(root, f"lead-{lead}")[0, 0] for lead in ("I", "aVR", "V1", "V4")]
    assert np.diff(starts) == pytest.approx(62.5, abs=0.1)
    strip = points_mm(root, "strip-II")
    assert strip[0, 0] == pytest.approx(starts[0], abs=0.01)
    assert np.ptp(strip[:, 0]) == pytest.approx(250, abs=0.2)


def test_the_part_shown_is_the_part_asked_for(ecg):
    record = ecg(seconds=30)
    root = parse(ecg_page(record, leads="1", start=12.0, seconds=3.0))
    assert np.ptp(points_mm(root, "lead-I")[:, 0]) == pytest.approx(75, abs=0.2)
    assert any("12.0 to 15.0 s of 30.0 s" in name for name in names(root))


def test_leads_outside_the_twelve_are_drawn_after_them(ecg):
    root = parse(ecg_page(ecg(leads=("V8", "X", *LEADS, "V4R"))))
    assert {"V8", "X", "V4R"} <= set(names(root))


def test_a_derived_lead_is_marked_and_follows_einthoven(ecg):
    record = pulse(leads=("I", "II"))
    record.signal[1] *= 3.0
    root = parse(ecg_page(record, leads="6"))
    shown = names(root)
    assert {"I", "II", "III*", "aVR*", "aVL*", "aVF*"} <= set(shown)
    assert any("* computed" in name for name in shown)
    # III = II - I = 2 mV
    points = points_mm(parse(ecg_page(record, leads=["III"])), "lead-III")
    assert np.ptp(points[:, 1]) == pytest.approx(20, abs=0.02)


def test_a_gap_in_one_limb_lead_leaves_the_recorded_ones_whole():
    record = pulse(leads=("I", "II", "III"))
    record.signal[0, 100:200] = np.nan
    figure = ecg_page(record, leads="I,II,III,aVF")
    line = next(line for line in figure.axes[0].lines if line.get_gid() == "lead-II")
    assert np.isfinite(line.get_ydata()).all()


@pytest.mark.parametrize("unit", ["mV", "NU"])
def test_a_lead_that_is_not_there_is_refused_by_name(ecg, unit):
    record = ecg(leads=("I", "II"), unit=unit, record_id="r7")
    with pytest.raises(LeadError, match=r"r7: V3 neither|r7: III, V3 neither"):
        ecg_page(record, leads="I,III,V3")


def test_normalised_signals_get_a_scale_note_instead_of_millivolts(ecg):
    root = parse(ecg_page(ecg(unit="NU", scale=8.0)))
    note = next(name for name in names(root) if "25 mm/s" in name)
    assert "mm/NU" in note
    assert "mV" not in note
    per_unit = float(re.search(r"([\d.]+) mm/NU", note)[1])
    assert float(re.search(r"mark: ([\d.]+) NU", note)[1]) * per_unit == pytest.approx(10)
    for lead in LEADS:
        assert np.ptp(points_mm(root, f"lead-{lead}")[:, 1]) < 45


def test_an_artefact_is_cut_and_said_to_be(ecg):
    record = ecg()
    record.signal[7, 1700] = 80.0
    figure = ecg_page(record)
    assert any("V2: cut at 50 mm" in name for name in names(parse(figure)))
    grown = figure.get_size_inches()[1] - ecg_page(ecg()).get_size_inches()[1]
    assert grown * 25.4 < 30


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 0.7])
def test_a_silent_lead_keeps_its_place_and_is_named(ecg, value):
    record = ecg()
    record.signal[3] = value
    shown = names(parse(ecg_page(record)))
    assert "aVR" in shown
    assert any("no signal: aVR" in name for name in shown)


def test_the_offset_of_a_lead_does_not_move_it(ecg):
    record = ecg()
    moved = Record(record.signal + np.float32(3.0), record.leads, record.sample_rate)
    here, there = (points_mm(parse(ecg_page(r)), "lead-V5") for r in (record, moved))
    assert here == pytest.approx(there, abs=0.01)


def test_saliency_shades_the_moment_and_the_lead_it_names(ecg):
    record = ecg(leads=("V2", "I"), sample_rate=500)
    saliency = np.zeros(record.signal.shape)
    saliency[0, 2000:2100] = 1.0  # V2, second 4.0 to 4.2
    root = parse(ecg_page(record, saliency=saliency))
    start = points_mm(root, "lead-V2")[0, 0]
    box = points_mm(root, "saliency-V2")
    assert box[:, 0].min() - start == pytest.approx(100, abs=0.05)
    assert np.ptp(box[:, 0]) == pytest.approx(5, abs=0.05)
    assert list(group(root, "saliency-I").iter(f"{SVG}path")) == []


def test_stronger_saliency_is_more_opaque(ecg):
    record = ecg(leads=("I",))
    saliency = np.zeros(record.signal.shape)
    saliency[0, :500], saliency[0, 500:1000] = 0.25, 1.0
    (shades,) = ecg_page(record, saliency=saliency).axes[0].collections
    weak, strong = shades.get_facecolor()[:, 3]
    assert strong == pytest.approx(4 * weak)


@pytest.mark.parametrize("bad", ["shape", "range", "nan"])
def test_saliency_that_does_not_fit_is_refused(ecg, bad):
    record = ecg()
    saliency = np.zeros((12, 9) if bad == "shape" else record.signal.shape)
    saliency[0, 0] = {"shape": 0, "range": 1.5, "nan": np.nan}[bad]
    with pytest.raises(ValueError, match="saliency"):
        ecg_page(record, saliency=saliency)


def test_the_header_tells_what_the_record_knows_and_is_never_markup(ecg, texts_outside):
    record = ecg(
        record_id="a/1",
        patient_id="<p&7>",
        age=57.0,
        sex="female",
        start_time="2001-02-03T04:05:06",
        diagnosis=r"costs $5 and $\frac{\x00" + "\x00\n\x1b long words " * 200,
    )
    figure = ecg_page(record, header=record_header(record))
    shown = " ".join(names(parse(figure)))
    assert "patient <p&7>" in shown
    assert "57 years" in shown
    assert "female" in shown
    assert "2001-02-03 04:05:06" in shown
    assert r"costs $5 and $\frac{\x00" in shown
    assert "…" in shown  # the rest of the long words
    assert texts_outside(figure) == []


def test_without_a_header_nothing_of_the_patient_is_in_the_file(ecg):
    record = ecg(record_id="secret-1", patient_id="secret-2", diagnosis="secret-3")
    assert b"secret" not in render(ecg_page(record), "svg")


CASES = {
    "twelve": {},
    "one": {"leads": "1"},
    "two": {"leads": "2"},
    "three": {"leads": "3"},
    "six": {"leads": "6"},
    "rows": {"layout": "12x1"},
    "short": {"seconds": 1.0},
    "long": {"seconds": 60.0},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale", [0.02, 1.0, 3.0])
def test_no_text_leaves_the_page_and_no_lead_the_grid(ecg, texts_outside, case, scale):
    figure = ecg_page(ecg(seconds=60, scale=scale), header=["A title", "a line"], **CASES[case])
    assert texts_outside(figure) == []
    grid = next(
        p for p in figure.axes[0].artists + figure.axes[0].patches if p.get_gid() == "grid-5mm"
    )
    low, high = grid.get_path().vertices[:, 1].min(), grid.get_path().vertices[:, 1].max()
    for line in figure.axes[0].lines:
        assert low < line.get_ydata().min()
        assert line.get_ydata().max() < high


@pytest.mark.parametrize("seed", range(5))
def test_no_name_covers_a_trace_or_another_name(ecg, text_boxes, seed):
    figure = ecg_page(ecg(scale=2.0, seed=seed), layout="3x4+1")
    boxes = [box for name, found in text_boxes(figure).items() if name in LEADS for box in found]
    assert len(boxes) == 13
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        for line in figure.axes[0].lines:
            # A third of a millimetre is the width of the line itself.
            inside = line.get_transform().transform(line.get_xydata())
            margin = 0.3 / 25.4 * figure.dpi
            is_in = (inside > [box.x0, box.y0 + margin]) & (inside < [box.x1, box.y1 - margin])
            assert not is_in.all(axis=1).any(), line.get_gid()


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"layout": "2x2"}, "4 places for 12 leads"),
        ({"layout": "three"}, "ROWSxCOLUMNS"),
        ({"layout": "0x4"}, "ROWSxCOLUMNS"),
        ({"start": 10.0}, "the recording has 10 s"),
        ({"start": -1.0}, "the recording has 10 s"),
        ({"seconds": 0.0}, "more than 0"),
        ({"seconds": 1e9}, "at most 120"),
        ({"seconds": float("nan")}, "more than 0"),
    ],
)
def test_a_wish_that_cannot_be_met_says_what_can(ecg, wish, message):
    with pytest.raises(RecipeError, match=message):
        ecg_page(ecg(), **wish)


@pytest.mark.parametrize("leads", ["", "I,I", "I,Q9"])
def test_names_that_are_no_leads_are_refused(ecg, leads):
    with pytest.raises(LeadError):
        ecg_page(ecg(), leads=leads)


def test_real_recordings_of_every_source_fit_their_pages(shared_data, texts_outside):
    import wfdb

    from anylead.leads import lead_name

    for folder in sorted(
        path for path in (shared_data / "challenge2021").iterdir() if path.is_dir()
    ):
        raw = wfdb.rdrecord(str(sorted(folder.glob("*.hea"))[-1].with_suffix("")))
        leads = tuple(lead_name(name) for name in raw.sig_name)
        record = Record(raw.p_signal.T.astype(np.float32), leads, raw.fs, record_id=folder.name)
        figure = ecg_page(record, header=record_header(record))
        assert texts_outside(figure) == []
        assert set(LEADS) <= set(names(parse(figure)))


@pytest.mark.parametrize("layout", [None, "12x1", "6x2+1"])
@pytest.mark.parametrize("height", [1.0, 4.0])
def test_a4_is_a4_and_nothing_leaves_the_grid(ecg, layout, height):
    record = ecg(seconds=10)
    tall = replace(record, signal=(height * record.signal).astype(np.float32), resolution=None)
    figure = ecg_page(tall, layout=layout, paper="A4", header=["a", "b"])
    assert figure.get_size_inches() * 25.4 == pytest.approx((297, 210))
    bottom, top = (
        bounds(next(a for a in figure.axes[0].patches if a.get_gid() == "grid-5mm"))[i]
        for i in (1, 3)
    )
    for line in figure.axes[0].lines:
        y = np.asarray(line.get_ydata())
        assert bottom - 0.5 <= y.min() and y.max() <= top + 0.5


def bounds(patch):
    box = patch.get_path().get_extents()
    return box.x0, box.y0, box.x1, box.y1


def test_high_voltages_are_drawn_at_half_the_gain_and_say_so(ecg):
    record = ecg(seconds=10)
    tall = replace(record, signal=(4 * record.signal).astype(np.float32), resolution=None)
    texts = [text.get_text() for text in ecg_page(tall, paper="A4").axes[0].texts]
    assert any("5 mm/mV" in text for text in texts)
    texts = [text.get_text() for text in ecg_page(record, paper="A4").axes[0].texts]
    assert any("10 mm/mV" in text for text in texts)


@pytest.mark.parametrize(("gain", "speed"), [(10.0, 25.0), (20.0, 50.0), (5.0, 12.5)])
def test_gain_and_speed_are_true_to_scale(ecg, gain, speed):
    record = ecg(seconds=4)
    figure = ecg_page(record, layout="12x1", gain=gain, speed=speed)
    line = next(line for line in figure.axes[0].lines if line.get_gid() == "lead-II")
    assert np.ptp(line.get_xdata()) == pytest.approx(4 * speed, abs=0.2)
    row = record.signal[record.leads.index("II")]
    assert np.ptp(line.get_ydata()) == pytest.approx(gain * np.ptp(row), rel=1e-3)
    mark = next(p for p in figure.axes[0].patches if p.get_gid() == "calibration-0")
    assert bounds(mark)[3] - bounds(mark)[1] == pytest.approx(gain)


def test_more_seconds_than_fit_on_a4_are_refused_with_a_remedy(ecg):
    with pytest.raises(RecipeError, match=r"5\.4 s fit on A4; choose fewer --seconds"):
        ecg_page(ecg(seconds=10), paper="A4", speed=50.0)
    with pytest.raises(RecipeError, match="want 1-100"):
        ecg_page(ecg(seconds=4), gain=0.0001)


def test_leads_that_the_model_did_not_see_are_grey(ecg):
    figure = ecg_page(ecg(seconds=4), seen=("I", "II"))
    colors = {line.get_gid(): line.get_color() for line in figure.axes[0].lines}
    assert colors["lead-I"] == "black" and colors["lead-V1"] != "black"
    told = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert "not seen by the model: III, aVR" in told


def test_for_and_against_have_two_colours(ecg):
    record = ecg(seconds=4)
    saliency = np.zeros(record.signal.shape)
    saliency[0, :500], saliency[0, 600:900] = 1, -1
    figure = ecg_page(record, layout="12x1", saliency=saliency)
    shades = next(c for c in figure.axes[0].collections if c.get_gid() == "saliency-I")
    assert len({tuple(color[:3]) for color in shades.get_facecolor()}) == 2
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        ecg_page(record, saliency=saliency * 2)
