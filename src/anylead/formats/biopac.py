"""BIOPAC AcqKnowledge (.acq) of versions 2 to 5, through bioread (MIT).

Channels carry names that their users gave and rates that divide the file's; the ECG is found by
name and unit. bioread follows whatever counts a file states, so it works in a process of its own.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from anylead.errors import FormatError
from anylead.formats import sandbox
from anylead.formats.assemble import About, Channel, join_leads
from anylead.formats.channels import Rename, choose
from anylead.formats.guard import check_samples, check_size, guarded, optional
from anylead.records import Record

SUFFIX = ".acq"
REVISIONS = range(30, 1000)  # 2.0 to 5.0.1 are 30 to 132
MAX_CHANNELS = 256
FARTHEST = 4096  # headers that bioread reads on its way to the types of the samples
MAX_PATTERN = 10**6  # samples until the rates of all channels meet again


def matches(head: bytes, path: Path) -> bool:
    """Whether the file is named so and states a revision, in either byte order."""
    if path.suffix.lower() != SUFFIX or len(head) < 12:
        return False
    return min(struct.unpack_from(f"{order}I", head, 2)[0] for order in "<>") in REVISIONS


def read(path: Path, rename: Rename | None = None) -> Record:
    """The ECG channels of a file.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: not AcqKnowledge, cut off, no ECG channel, or ECG channels of several rates.
        MissingPackageError: bioread is not installed.
    """
    return sandbox.read("biopac", path, {"rename": None if rename is None else dict(rename)})


def read_here(path: Path, rename: Mapping[str, str] | None = None) -> Record:
    """`read` in this very process, which a damaged file can keep busy."""
    package = optional("bioread", "bioread.reader", extra="biopac")
    with guarded(path, "AcqKnowledge"), path.open("rb") as file:
        _check_types(path, file)
        headers = package.Reader.read_headers(file)
        if headers.datafile is None:
            raise FormatError(f"{path}: its headers make no sense; it is cut off or damaged")
        _check(path, headers)
        channels = headers.datafile.channels
        names = [channel.name.strip() for channel in channels]
        chosen = choose(path, names, [channel.units.strip() for channel in channels], rename)
        wanted = [channels[row] for row in chosen.rows.values()]
        rates = {channel.samples_per_second for channel in wanted}
        if len(rates) > 1:
            raise FormatError(f"{path}: ECG channels of {sorted(rates)} Hz; export them alike")
        found = package.Reader.read(file, [*chosen.rows.values()]).datafile.channels
        leads = {lead: _channel(path, found[row]) for lead, row in chosen.rows.items()}
        return join_leads(path, leads, rates.pop(), About(), chosen.left_out)


def _check_types(path: Path, file: BinaryIO) -> None:
    """Refuse too many channels, and types of samples that bioread would look for byte by byte."""
    package, kinds = optional("bioread", "bioread.reader"), optional("bioread", "bioread.headers")
    graph = package.GraphHeaderReader.bootstrap(file)
    count, order = graph.channel_count, graph.byte_order_char
    if not 1 <= count <= MAX_CHANNELS:
        raise FormatError(f"{path}: {count} channels declared; want 1 to {MAX_CHANNELS}")
    reader = package.HeaderReader(file, order, graph.file_revision, graph.encoding)
    num_paddings = graph.expected_padding_headers
    if not 0 <= num_paddings <= MAX_CHANNELS:
        raise FormatError(f"{path}: {num_paddings} paddings declared; the header is damaged")
    start = graph.effective_len_bytes
    paddings = reader.multi_headers(num_paddings, start, kinds.UnknownPaddingHeader)
    start += sum(padding.effective_len_bytes for padding in paddings)
    start += count * reader.single_header(start, kinds.ChannelHeader).effective_len_bytes
    start += reader.single_header(start, kinds.ForeignHeader).effective_len_bytes
    file.seek(start)
    data = file.read(FARTHEST // count + 4 * count)
    if not any(_all_types(data[shift:], order, count) for shift in range(4)):
        raise FormatError(f"{path}: no types of samples behind its headers; cut off or damaged")


def _all_types(data: bytes, order: str, count: int) -> bool:
    """Whether `count` pairs of a size and a type that belong together follow each other."""
    pairs = np.frombuffer(data[: len(data) // 4 * 4], f"{order}i2").reshape(-1, 2)
    is_type = np.isin(pairs[:, 1], (0, 1)) & (pairs[:, 0] == 8)
    is_type |= (pairs[:, 1] == 2) & (pairs[:, 0] == 2)
    total = np.concatenate([[0], np.cumsum(is_type)])
    return bool((total[count:] - total[:-count] == count).any())


def _check(path: Path, headers: Any) -> None:
    """Refuse what would take too much memory, or more samples than the file holds."""
    channels = headers.datafile.channels
    dividers = [channel.frequency_divider for channel in channels]
    if min(dividers) < 1 or math.lcm(*dividers) * len(channels) > MAX_PATTERN:
        raise FormatError(f"{path}: rates divided by {dividers[:20]}; the header is damaged")
    if not headers.is_compressed:
        size = path.stat().st_size - headers.data_start_offset
        check_size(path, headers.data_length, size, "samples")
    check_samples(path, sum(channel.point_count for channel in channels), "the channels")


def _channel(path: Path, channel: Any) -> Channel:
    if len(channel.raw_data) != channel.point_count:
        raise FormatError(
            f"{path}: {len(channel.raw_data)} samples of {channel.name.strip()!r}, want"
            f" {channel.point_count}; it is damaged, copy it again"
        )
    name, unit = channel.name.strip(), channel.units.strip()
    return Channel(name, channel.raw_data, unit, channel.raw_scale_factor, channel.raw_offset)
