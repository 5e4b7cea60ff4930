import struct

import pytest

from anylead.errors import FormatError
from anylead.formats import scp
from format_samples import SAMPLES
from format_samples.binary import scp_bytes, scp_sections


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
