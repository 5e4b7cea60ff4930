"""Every format: the recording in a file that other code wrote comes back as it went in."""

from itertools import permutations

import numpy as np
import pytest

from anylead import formats
from anylead.errors import FormatError
from format_samples import SAMPLES

VARIANTS = [(name, variant) for name, variants in SAMPLES.items() for variant in variants]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_millivolts_leads_rate_and_facts_come_back(name, variant, tmp_path):
    sample = SAMPLES[name][variant](tmp_path)
    record = formats.READERS[name].read(sample.path)
    assert record.leads == sample.leads
    assert record.sample_rate == sample.sample_rate
    assert record.unit == "mV"
    assert record.signal.dtype == np.float32
    np.testing.assert_allclose(record.signal, sample.signal, rtol=0, atol=sample.tolerance)
    assert record.resolution is not None
    for row, step in zip(record.signal.astype(np.float64), record.resolution, strict=True):
        if not np.isnan(step):
            whole = row[~np.isnan(row)] / step
            np.testing.assert_allclose(whole, np.rint(whole), atol=1e-2)
    facts = sample.facts or {}
    found = {field: getattr(record, field) for field in facts}
    if isinstance(facts.get("age"), int):  # out of two dates
        assert found.pop("age") == pytest.approx(facts["age"], abs=0.01)
    assert found == {field: fact for field, fact in facts.items() if field in found}


@pytest.mark.parametrize(
    "name", ["edf", "dicom", "hl7_aecg", "muse_xml", "philips_xml", "scp", "ishne"]
)
def test_formats_of_integers_tell_their_step(name, tmp_path):
    for variant, write in SAMPLES[name].items():
        if variant == "edf+d":
            continue  # filled with NaN, it is no longer what the file holds
        record = formats.READERS[name].read(write(tmp_path).path)
        halved = [name in ("muse_xml", "scp") and lead.startswith("aV") for lead in record.leads]
        assert record.resolution == pytest.approx([0.0025 if h else 0.005 for h in halved])


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_the_content_tells_the_format(name, variant, tmp_path):
    assert formats.find_format(SAMPLES[name][variant](tmp_path).path) == name


# Text that ends early is shorter text, from this part of it on.
TEXTS = {"csv": 0.5, "apple_health": 0.5, "opensignals": 0.5, "viatom": 0.1, "wfdb": 0.5}
CUT = [
    (name, variant, part)
    for name, variant in VARIANTS
    for part in (0.0, 0.1, 0.5, 0.9)
    if part < TEXTS.get(name, 1.0)
]


@pytest.mark.parametrize(("name", "variant", "part"), CUT)
def test_a_file_cut_off_is_a_format_error_that_starts_with_its_path(name, variant, part, tmp_path):
    path = SAMPLES[name][variant](tmp_path).path
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(FormatError) as caught:
        formats.READERS[name].read(path)
    assert str(caught.value).startswith(str(path.with_suffix("")))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_missing_file_is_a_format_error(name, tmp_path):
    path = tmp_path / "absent.ecg"
    with pytest.raises(FormatError, match=r"absent\.ecg: .*([Nn]o such file|is missing)"):
        formats.READERS[name].read(path)


@pytest.mark.parametrize(("name", "other"), list(permutations(SAMPLES, 2)))
def test_the_file_of_another_format_is_a_format_error(name, other, tmp_path):
    path = next(iter(SAMPLES[other].values()))(tmp_path).path
    with pytest.raises(FormatError):
        formats.READERS[name].read(path)
