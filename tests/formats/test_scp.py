import struct

import numpy as np
import pytest

from anylead.errors import FormatError
from anylead.formats import scp
from format_samples import SAMPLES
from format_samples.binary import scp_bytes, scp_sections
from format_samples.recording import LEADS, NUM_SAMPLES, recording


@pytest.fixture
def sections():
    return scp_sections("huffman", 2)


def read(sections, tmp_path):
    path = tmp_path / "a.scp"
    path.write_bytes(scp_bytes(sections))
    return scp.read(path)


def test_one_flipped_bit_anywhere_is_noticed(tmp_path):
    path = SAMPLES["scp"]["huffman 2"](tmp_path).path
    data = path.read_bytes()
    for at in range(0, len(data), 97):
        damaged = bytearray(data)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            scp.read(path)


@pytest.mark.parametrize("last", [2**32 - 1, 2**20])
def test_absurd_sample_counts_are_refused_before_room_is_made(last, sections, tmp_path):
    sections[3] = sections[3][:6] + struct.pack("<I", last) + sections[3][10:]
    with pytest.raises(FormatError, match=f"samples 1 to {last}"):
        read(sections, tmp_path)


def test_absurd_reference_beats_are_refused(sections, tmp_path):
    sections[4] = struct.pack("<HHH", 65535, 1, 0)
    sections[5] = struct.pack("<HHBB", 1000, 1, 0, 0)
    with pytest.raises(FormatError, match="reference beat of 65535 ms"):
        read(sections, tmp_path)
    sections[4] = struct.pack("<HHH", 500, 1, 65535)
    with pytest.raises(FormatError, match="65535 beats"):
        read(sections, tmp_path)


def test_a_multiplier_of_zero_leaves_no_voltage_and_is_refused(sections, tmp_path):
    sections[6] = b"\0\0" + sections[6][2:]
    with pytest.raises(FormatError, match="no amplitude unit"):
        read(sections, tmp_path)


@pytest.mark.parametrize("missing", [3, 6])
def test_a_missing_section_is_named(missing, sections, tmp_path):
    del sections[missing]
    with pytest.raises(FormatError, match=f"Section {missing}|declares|broken"):
        read(sections, tmp_path)


def test_a_file_larger_than_any_record_is_refused_unread(tmp_path):
    path = tmp_path / "a.scp"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(FormatError, match="at most"):
        scp.read(path)


@pytest.mark.parametrize(("coding", "order"), [("plain", 0), ("huffman", 2)])
@pytest.mark.parametrize("last", [NUM_SAMPLES - 1, NUM_SAMPLES])
def test_leads_that_count_from_zero_are_read_whole(coding, order, last, tmp_path):
    record = read(scp_sections(coding, order, 0, last), tmp_path)
    assert record.leads == LEADS
    np.testing.assert_allclose(record.signal, recording(), atol=1e-5)


def test_damage_is_noticed_where_leads_count_from_zero(tmp_path):
    data = bytearray(scp_bytes(scp_sections("huffman", 2, 0, NUM_SAMPLES - 1)))
    path = tmp_path / "a.scp"
    for at in range(0, len(data), 97):
        damaged = bytearray(data)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            scp.read(path)


def test_beats_in_a_count_from_zero_are_refused(tmp_path):
    sections = scp_sections("huffman", 2, 0, NUM_SAMPLES - 1)
    sections[3] = sections[3][:1] + bytes([sections[3][1] | 1]) + sections[3][2:]
    with pytest.raises(FormatError, match="counted from 0"):
        read(sections, tmp_path)
