"""HDF5: the layout of CODE-15 % (`tracings`, `exam_id`), and plain files with one signal.

A plain file holds one recording as a dataset; rate, leads and unit are attributes or datasets of
it, of the file, of a side-car, or stated by the caller. MATLAB 7.3 files are such files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anylead.errors import FormatError
from anylead.formats import sandbox
from anylead.formats.guard import SAMPLE_BYTES, check_expansion, guarded, optional
from anylead.formats.sidecar import DATA_KEYS, Stated, array_record, find_array, with_statements
from anylead.leads import LEADS
from anylead.records import Record

MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_OBJECTS = 1000
MAX_TEXT_ITEMS = 100
# CODE-15 % (doi:10.5281/zenodo.4916206): (exam, 4096, 12) float32 in mV, zeros on both sides. The
# older CODE-test has `tracings` without `exam_id` and aVL, aVF, aVR in this order: not this layout.
CODE15 = {"sample_rate": 400.0, "leads": LEADS, "unit": "mV"}


def matches(head: bytes, path: Path) -> bool:
    """Whether the file has HDF5's signature, at its start or (MATLAB 7.3) at byte 512."""
    return head.startswith(MAGIC) or head[512:520] == MAGIC


@with_statements
def read(path: Path, stated: Stated) -> Record:
    """The one recording of an HDF5 file."""
    return sandbox.read("hdf5", path, {"stated": stated.plain()})


def read_exam(path: Path, exam: int) -> Record:
    """One of several recordings of a file, along the first axis of its array.

    Raises:
        FormatError: broken, or it has no such recording.
    """
    return sandbox.read("hdf5", path, {"stated": {}, "exam": exam})


def read_here(path: Path, stated: Mapping[str, Any], exam: int | None = None) -> Record:
    """`read` in this very process, which a damaged file can hang or crash."""
    h5py = optional("h5py")
    with guarded(path, "HDF5"), h5py.File(path, "r", locking=False) as file:
        datasets = _datasets(path, h5py, file)
        shapes = {
            name: dataset.shape
            for name, dataset in datasets.items()
            if dataset.dtype.kind in "iuf" and dataset.shape
        }
        is_code15 = {"tracings", "exam_id"} <= datasets.keys()
        name = "tracings" if is_code15 else find_array(path, _by_base_name(shapes))
        dataset = datasets[_one_of_name(path, [*shapes], name)]
        inside = CODE15 if is_code15 else _inside(file, dataset, datasets)
        array = _one_exam(path, dataset, exam)
        if is_code15:
            array = strip_padding(array)
        return array_record(path, array, Stated(**stated).over(path, inside))


def strip_padding(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(time, lead) without the stretches at both ends in which every lead is zero."""
    used = np.flatnonzero(array.any(axis=1))
    return array[used[0] : used[-1] + 1] if used.size else array


def _one_of_name(path: Path, keys: list[str], name: str) -> str:
    """The dataset of a name; one in a group gives way to one further up.

    Raises:
        FormatError: groups beside each other hold one each, as those of several recordings do.
    """
    found = [key for key in keys if key.rpartition("/")[2] == name or key == name]
    depth = min(key.count("/") for key in found)
    first, *others = (key for key in found if key.count("/") == depth)
    if others:
        listed = ", ".join([first, *others])[:300]
        raise FormatError(f"{path}: {len(others) + 1} signals ({listed}); want one per file")
    return first


def _by_base_name(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Let "group/signal" count as "signal", so that a usual name is found in any group."""
    return {name.rpartition("/")[2]: shape for name, shape in reversed(shapes.items())}


def _datasets(path: Path, h5py: Any, file: Any) -> dict[str, Any]:
    """Every dataset stored in this very file: links to other files are not followed."""
    found: dict[str, Any] = {}
    open_groups = [("", file)]
    seen = 0
    while open_groups:
        prefix, group = open_groups.pop(0)
        for key in group:
            seen += 1
            if seen > MAX_OBJECTS:
                raise FormatError(
                    f"{path}: over {MAX_OBJECTS} objects; want one recording per file"
                )
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            if isinstance(item, h5py.Group):
                open_groups.append((f"{prefix}{key}/", item))
            elif isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
                found[f"{prefix}{key}"] = item
    return found


def _one_exam(path: Path, dataset: Any, exam: int | None) -> np.ndarray[Any, Any]:
    shape = dataset.shape
    if len(shape) == 3 and shape[0] != 1 and exam is None:
        raise FormatError(
            f"{path}: {shape[0]} recordings; say which with hdf5.read_exam, or read the corpus"
        )
    if exam is not None and not (len(shape) == 3 and 0 <= exam < shape[0]):
        raise FormatError(f"{path}: no recording {exam} in an array of shape {shape}")
    wanted = shape[1:] if len(shape) == 3 else shape
    chunk = dataset.chunks or ()
    for counts in (wanted, chunk):
        size = int(np.prod(counts, dtype=object)) * max(dataset.dtype.itemsize, SAMPLE_BYTES)
        check_expansion(path, size, f"dataset {dataset.name}")
    return np.asarray(dataset[exam or 0] if len(shape) == 3 else dataset[()])


def _inside(file: Any, dataset: Any, datasets: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the file and of the signal, and small datasets, by name."""
    inside: dict[str, Any] = {}
    for name, other in datasets.items():
        base = name.rpartition("/")[2]
        if (
            base.lower() not in DATA_KEYS
            and other.size is not None
            and other.size <= MAX_TEXT_ITEMS
        ):
            inside[base] = _plain(other)
    for attributes in (file.attrs, dataset.parent.attrs, dataset.attrs):
        for key in attributes:
            inside[key] = attributes[key]
    return {key: _text(value) for key, value in inside.items()}


def _plain(dataset: Any) -> Any:
    value = dataset[()]
    # MATLAB 7.3 keeps text as numbers and says so in an attribute.
    if dataset.attrs.get("MATLAB_class") == b"char":
        return "".join(chr(int(code)) for code in np.asarray(value).reshape(-1))
    return value


def _text(value: Any) -> Any:
    """Bytes in arrays of any depth -> str."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist()
        return value[0] if len(value) == 1 else value
    return value
