import errno
import os

import pytest

from anylead import formats
from anylead.errors import FormatError, MissingPackageError
from anylead.formats import guard


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), RecursionError(), AssertionError(), OSError(5, "io")]
)
def test_whatever_a_parser_raises_becomes_a_format_error_with_the_path(error, tmp_path):
    path = tmp_path / "a.ecg"
    with pytest.raises(FormatError, match="^" + str(path)), guard.guarded(path, "X"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, MissingPackageError])
def test_what_is_not_about_the_file_passes_through(error, tmp_path):
    with pytest.raises(error), guard.guarded(tmp_path / "a.ecg", "X"):
        raise error


def test_a_message_is_one_line(tmp_path):
    with pytest.raises(FormatError) as caught, guard.guarded(tmp_path / "a.ecg", "X"):
        raise ValueError("first\nsecond")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("declared", [-1, 11, 2**70])
def test_a_declared_size_beyond_the_found_is_refused(declared, tmp_path):
    with pytest.raises(FormatError, match=f"{declared} bytes"):
        guard.check_size(tmp_path / "a", declared, 10, "signal")


def test_samples_count_as_eight_bytes_whatever_their_type_on_disk(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"small")
    guard.check_samples(path, 2**25, "it")
    with pytest.raises(FormatError, match="would unpack"):
        guard.check_samples(path, 2**25 + 1, "it")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_pipes_and_devices_are_refused_before_they_are_opened(make, tmp_path):
    path = tmp_path / "a.edf"
    make(path)
    for read in (
        formats.read,
        formats.find_format,
        *(each.read for each in formats.READERS.values()),
    ):
        with pytest.raises(FormatError, match=r"a\.edf"):
            read(path)


@pytest.mark.parametrize(
    ("number", "is_passing"),
    [(errno.EIO, True), (errno.ESTALE, True), (errno.EACCES, False), (errno.ENOENT, False)],
)
def test_a_failing_disk_is_told_apart_from_a_bad_file(number, is_passing, tmp_path):
    with pytest.raises(FormatError) as caught, guard.guarded(tmp_path / "a", "X"):
        raise OSError(number, "text")
    assert guard.is_source_fault(caught.value) == is_passing


def test_a_small_file_may_not_unpack_to_more_than_256_mebibytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"small")
    guard.check_expansion(path, 2**28, "it")
    with pytest.raises(FormatError, match="would unpack"):
        guard.check_expansion(path, 2**28 + 1, "it")


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>'
PARAMETER = '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/x.dtd"> %b;]><a/>'
UNPARSED = '<!DOCTYPE a [<!NOTATION n SYSTEM "n"><!ENTITY b SYSTEM "x.gif" NDATA n>]><a/>'


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, PARAMETER, UNPARSED])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entity_declarations_are_refused_in_any_encoding(text, encoding, tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(FormatError, match="entity"):
        guard.read_xml(path)


def test_a_doctype_that_names_a_dtd_is_accepted_and_the_dtd_not_opened(tmp_path):
    (tmp_path / "restecg.dtd").write_text("<!not even a DTD")
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG/>')
    assert guard.read_xml(path) == path.read_bytes()


def test_deep_nesting_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<a>" * 100_000 + "</a>" * 100_000)
    with pytest.raises(FormatError, match="nested"):
        guard.read_xml(path)


def test_huge_xml_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.xml"
    with path.open("wb") as file:
        file.truncate(guard.MAX_XML_BYTES + 1)  # sparse: takes no room
    with pytest.raises(FormatError, match="split the file"):
        guard.read_xml(path)


def test_a_missing_package_names_the_extra():
    with pytest.raises(
        MissingPackageError, match=r"a part of anylead\[formats\]; run: .* -m pip install"
    ):
        guard.optional("no_such_package_here")


@pytest.mark.parametrize("text", ["<b/>" * 100_001, "<b " + 'x{}="" ' * 100_001 + "/>"])
def test_more_elements_or_attributes_than_any_ecg_has_are_refused(text, tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<a>" + text.format(*range(100_001)) + "</a>")
    with pytest.raises(FormatError, match="over 100000 XML elements"):
        guard.read_xml(path)
