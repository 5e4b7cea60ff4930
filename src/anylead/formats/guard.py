"""What stands between a file nobody vouches for and the parsers that read it.

Parsers, ours and others', raise whatever they like on a broken file; `guarded` turns all of it into
one `FormatError`. It cannot stop a parser that hangs or fills the memory, so every reader first
compares what the file declares with what it holds (`check_size`, `check_expansion`).
"""

import errno
import importlib
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from xml.parsers import expat

import numpy as np

from anylead.errors import AnyleadError, FormatError, SourceError
from anylead.extras import missing
from anylead.formats.search import kind

# A small file may unpack to this much; a large one to EXPANSION times its own size. Bytes count as
# they stand in memory, 8 for each sample: an ECG of 16 bits packed to a third becomes 12 times it.
SMALL_EXPANSION_BYTES = 256 * 2**20
EXPANSION = 32
SAMPLE_BYTES = 8
# Faults of a disk, a network or a machine that say nothing about the file.
_PASSING = {
    *(errno.EIO, errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.ENOMEM, errno.ENFILE, errno.EMFILE),
    *(errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNRESET, errno.EHOSTDOWN),
    *(errno.EHOSTUNREACH, errno.ENOTCONN, errno.ENXIO, errno.ENODEV, errno.ESTALE),
    *((errno.EREMOTEIO,) if hasattr(errno, "EREMOTEIO") else ()),
}
MAX_XML_BYTES = 24 * 2**20
MAX_XML_ELEMENTS = 100_000
MAX_XML_DEPTH = 200


@contextmanager
def guarded(path: Path, kind: str) -> Iterator[None]:
    """Let only `FormatError` out of a block that parses `path`.

    Running out of memory and an interrupt pass through: they are no statement about the file.
    Warnings of the parsers are dropped; what a reader finds wrong it must raise itself.

    Args:
        path: the file, named in the message.
        kind: what it was read as ("EDF").

    Raises:
        FormatError: the block raised anything else, or `path` is a pipe or a device.
    """
    if path.exists():
        check_regular(path)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except FormatError as error:
        if str(path) in str(error):
            raise
        raise FormatError(f"{path}: {error}") from error
    except (AnyleadError, MemoryError):
        raise
    except OSError as error:
        raise FormatError(f"{path}: cannot be read as {kind}: {_first_line(error)}") from error
    except Exception as error:
        raise FormatError(
            f"{path}: broken or unsupported {kind} file: {type(error).__name__}:"
            f" {_first_line(error)}; export it again or leave it out"
        ) from error


def _first_line(error: BaseException, width: int = 200) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.strip().splitlines()
    return lines[0][:width] if lines else "no message"


def is_source_fault(error: BaseException) -> bool:
    """Whether the disk, the network or the machine failed, and not the file: try again."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, SourceError):
            return True
        if isinstance(seen, OSError) and seen.errno in _PASSING:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def check_regular(path: Path) -> None:
    """Refuse what is no plain file: a pipe waits for ever, a device never ends.

    Raises:
        FormatError: absent, a folder, a pipe, a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; check the path") from error
    if not stat.S_ISREG(mode):
        raise FormatError(f"{path}: is {kind(mode)}; name a file")


def check_size(path: Path, declared: int, found: int, what: str) -> None:
    """Refuse a file that declares more bytes than it holds.

    Raises:
        FormatError: `declared` is negative or more than `found`.
    """
    if not 0 <= declared <= found:
        raise FormatError(
            f"{path}: {what} declared with {declared} bytes, the file holds {found}; it is cut off"
            " or damaged, copy it again"
        )


def is_small(count: int) -> bool:
    """Whether so many samples of all leads together pass `check_samples` whatever holds them."""
    return SAMPLE_BYTES * count <= SMALL_EXPANSION_BYTES


def check_samples(path: Path, count: int, what: str, packed: int | None = None) -> None:
    """Refuse a file whose samples would fill the memory, before they are read.

    Args:
        path: the file.
        count: samples of all leads together.
        what: the part of the file, named in the message.
        packed: bytes on disk that hold them; None takes the size of the file.

    Raises:
        FormatError: far more than an ECG can be compressed by.
    """
    check_expansion(path, SAMPLE_BYTES * count, what, packed)


def check_expansion(path: Path, unpacked: int, what: str, packed: int | None = None) -> None:
    """Refuse a compressed file that would fill the memory.

    Args:
        path: the file.
        unpacked: bytes that `what` takes in memory once unpacked.
        what: the part of the file, named in the message.
        packed: bytes on disk that hold it; None takes the size of the file.

    Raises:
        FormatError: far more than an ECG can be compressed by.
    """
    packed = path.stat().st_size if packed is None else packed
    limit = max(SMALL_EXPANSION_BYTES, EXPANSION * packed)
    if not 0 <= unpacked <= limit:
        raise FormatError(
            f"{path}: {what} would unpack from {packed} to {unpacked} bytes, more than the {limit}"
            " allowed; split the file if it is genuine"
        )


def optional(package: str, module: str | None = None, extra: str = "formats") -> ModuleType:
    """Import a package that only some formats need.

    Args:
        package: its name.
        module: of it; None takes the package itself.
        extra: of anylead, which brings it.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(module or package)
    except ImportError as error:
        raise missing(package, extra) from error


def read_xml(path: Path) -> bytes:
    """The bytes of an XML file that is safe to hand to a parser.

    Refused are entity declarations (external ones read other files, nested ones explode), elements
    nested deeper or more numerous than in any ECG, and files beyond 24 MiB. A DOCTYPE that only
    names a DTD, as GE MUSE writes it, is accepted and never fetched.

    Raises:
        FormatError: one of these, or the text is not well-formed XML.
    """
    size = path.stat().st_size
    if size > MAX_XML_BYTES:
        raise FormatError(f"{path}: {size} bytes of XML, at most {MAX_XML_BYTES}; split the file")
    data = path.read_bytes()
    parser = expat.ParserCreate()
    depth = count = 0

    def refuse(*declaration: object) -> int:
        raise FormatError(
            f"{path}: declares the XML entity {declaration[0]!r}; remove the declaration"
        )

    def enter(_: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1 + len(attributes)
        if count > MAX_XML_ELEMENTS:
            raise FormatError(f"{path}: over {MAX_XML_ELEMENTS} XML elements; not an ECG")
        if depth > MAX_XML_DEPTH:
            raise FormatError(f"{path}: XML nested deeper than {MAX_XML_DEPTH} levels; not an ECG")

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise FormatError(f"{path}: not well-formed XML ({error}); export it again") from error
    return data


def xml_head(head: bytes) -> str:
    """The first bytes of a file as text, in UTF-8 or (as Philips may write) UTF-16."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", errors="ignore")
    return head.decode("utf-8", errors="ignore")
