"""Known persons on disk: one vector for each of their recordings, and the search among them.

One file, replaced as a whole: `gallery.safetensors` holds the vectors and, in its header, whose
they are and which model made them.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from anylead import formats
from anylead.checkpoint import first_problem, write_atomically
from anylead.errors import CheckpointError, FormatError, RecipeError, known_are
from anylead.extras import missing
from anylead.formats.search import files_below, fitting, is_pattern, told
from anylead.inference.model import Model, load
from anylead.store.files import alone

FILE, FORMAT = "gallery.safetensors", 1
UNKNOWN = "unknown"  # the answer for who is not in the gallery
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """One enrolled recording.

    Attributes:
        person: who it is.
        file: where it came from.
        leads: that it holds.
        labels: that it had, of all label tasks.
    """

    person: str
    file: str
    leads: tuple[str, ...]
    labels: tuple[str, ...] = ()


class _Facts(BaseModel):
    """The header of the file."""

    format: int
    model: str
    model_hash: str
    entries: list[Entry]


@dataclass(frozen=True)
class Gallery:
    """Known recordings.

    Attributes:
        model: what made the vectors, as it was named.
        model_hash: of its weights.
        entries: one for each vector.
        vectors: (entry, dim) of length 1.
    """

    model: str
    model_hash: str
    entries: tuple[Entry, ...]
    vectors: Vectors

    @property
    def persons(self) -> list[str]:
        """Every person once, in alphabetical order."""
        return sorted({entry.person for entry in self.entries})

    def with_entries(self, entries: Sequence[Entry], vectors: Vectors) -> "Gallery":
        """With more recordings; a file that was enrolled before is replaced."""
        new = {entry.file for entry in entries}
        kept = [i for i, entry in enumerate(self.entries) if entry.file not in new]
        return Gallery(
            self.model,
            self.model_hash,
            (*(self.entries[i] for i in kept), *entries),
            np.concatenate([self.vectors[kept], vectors]),
        )


class Candidate(NamedTuple):
    """A person that a recording may be of."""

    person: str
    cosine: float


def load_gallery(folder: Path) -> Gallery:
    """Read a gallery.

    Raises:
        CheckpointError: missing, damaged, or of another version.
    """
    path = folder / FILE
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {FILE} there; make one with `anylead enroll`")
    try:
        with safe_open(path, framework="pt") as file:
            facts = _Facts.model_validate_json(
                (file.metadata() or {})["anylead_gallery"], strict=True
            )
            vectors = file.get_tensor("vectors").numpy()
    except ValidationError as error:
        raise CheckpointError(f"{path}: {first_problem(error)}; damaged, enrol again") from None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged or no gallery ({error}); enrol again") from None
    if facts.format != FORMAT:
        raise CheckpointError(f"{path}: format {facts.format}, this anylead reads {FORMAT}")
    is_sound = vectors.dtype == np.float32 and np.isfinite(vectors).all()
    if vectors.shape[:-1] != (len(facts.entries),) or not is_sound:
        raise CheckpointError(
            f"{path}: vectors of shape {vectors.shape} for {len(facts.entries)} recordings, or no"
            " finite numbers; damaged, enrol again"
        )
    return Gallery(facts.model, facts.model_hash, tuple(facts.entries), vectors)


def change_gallery(folder: Path, change: Callable[[Gallery | None], Gallery]) -> Gallery:
    """Read, change and write a gallery while nobody else does; `change` gets None if it is new."""
    with alone(folder / FILE):
        changed = change(load_gallery(folder) if (folder / FILE).is_file() else None)
        facts = {
            "format": FORMAT,
            "model": changed.model,
            "model_hash": changed.model_hash,
            "entries": [asdict(entry) for entry in changed.entries],
        }
        tensors = {"vectors": torch.from_numpy(np.ascontiguousarray(changed.vectors))}
        metadata = {"anylead_gallery": json.dumps(facts)}
        write_atomically(folder / FILE, save(tensors, metadata=metadata))
    return changed


def weights_hash(model: Model) -> str:
    """One hash of the encoder: vectors of two models cannot be compared."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_model(gallery: Gallery, model_hash: str, name: str) -> None:
    """Refuse a model that did not make the gallery.

    Raises:
        CheckpointError: other weights.
    """
    if gallery.model_hash != model_hash:
        raise CheckpointError(
            f"{name}: other weights than those that made the gallery ({gallery.model}); enrol the"
            " recordings again with this model in a new gallery"
        )


def model_of(gallery: Gallery, folder: Path, device: str | None, name: str | None = None) -> Model:
    """The model of this name, or (None) the one that made a gallery.

    Raises:
        CheckpointError: it cannot be loaded, or is not where it was.
    """
    if name is not None:
        return load(name, device=device)
    try:
        return load(gallery.model, device=device)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: made by {error}; name it with --model") from None


def ecg_files(places: Iterable[str]) -> list[Path]:
    """Files named one by one, by patterns, or by their folder, in order.

    In a folder files of unknown formats are left out, and so are samples beside a header.

    Raises:
        FormatError: nothing there.
    """
    found: list[Path] = []
    for place in places:
        path = Path(place)
        if path.is_dir():
            inside = files_below(path)
            matches = [item for item in inside.files if _is_ecg(item)]
            if inside.skipped:
                print(f"{place}: {told(inside.skipped)}", file=sys.stderr)
        else:
            matches = fitting(place) if is_pattern(place) else [path]
        if not matches:
            raise FormatError(f"{place}: no ECG file there")
        found += matches
    return list(dict.fromkeys(found))


def _is_ecg(path: Path) -> bool:
    has_header = path.suffix != ".hea" and path.with_suffix(".hea").is_file()
    return not has_header and formats.find_format(path) is not None


def search(gallery: Gallery, vectors: Vectors, top: int, index: str) -> list[list[Candidate]]:
    """The nearest persons of each vector, nearest first; a person counts by the best recording.

    Args:
        gallery: known recordings.
        vectors: (probe, dim) of length 1.
        top: how many persons.
        index: a name in `INDEXES`.

    Raises:
        RecipeError: an unknown index.
    """
    if index not in INDEXES:
        raise RecipeError(f"index {index!r}{known_are(index, INDEXES)}")
    persons = gallery.persons
    person = np.array([persons.index(entry.person) for entry in gallery.entries])
    # So many recordings are sure to hold the nearest persons, however many each of them has.
    num = min(len(person), top * int(np.bincount(person).max()))
    cosine, place = INDEXES[index](gallery.vectors, vectors, num)
    answers = []
    for values, places in zip(cosine, place, strict=True):
        best: dict[int, float] = {}
        for value, where in zip(values, places, strict=True):
            best.setdefault(int(person[where]), float(value))
        answers.append([Candidate(persons[p], value) for p, value in list(best.items())[:top]])
    return answers


def exact(known: Vectors, asked: Vectors, num: int) -> tuple[Vectors, NDArray[np.int64]]:
    """All cosines, then the largest: (probe, num) values and places, largest first."""
    cosine = torch.from_numpy(asked) @ torch.from_numpy(known).T
    values, places = cosine.topk(num, dim=1)
    return values.numpy(), places.numpy()


def faiss(known: Vectors, asked: Vectors, num: int) -> tuple[Vectors, NDArray[np.int64]]:
    """The same by faiss, with less memory for very large galleries.

    Raises:
        MissingPackageError: faiss is not installed.
    """
    try:
        import faiss as library
    except ImportError:
        raise missing("faiss-cpu", "gallery") from None
    index = library.IndexFlatIP(known.shape[1])
    index.add(np.ascontiguousarray(known))
    values, places = index.search(np.ascontiguousarray(asked), num)
    return values, places


INDEXES: dict[str, Callable[[Vectors, Vectors, int], tuple[Vectors, NDArray[np.int64]]]] = {
    "exact": exact,
    "faiss": faiss,
}


def threshold_for(gallery: Gallery, false_accept: float) -> float:
    """The cosine that this share of the gallery's pairs of two persons reaches.

    Raises:
        RecipeError: the share is no probability, or there is only one person.
    """
    if not 0 < false_accept < 1:
        raise RecipeError(f"false_accept {false_accept}: want a share between 0 and 1")
    names = np.array([entry.person for entry in gallery.entries])
    first, second = np.triu_indices(len(names), k=1)
    is_impostor = names[first] != names[second]
    if not is_impostor.any():
        raise RecipeError("the gallery holds one person, so no threshold follows; give --threshold")
    cosine = np.einsum(
        "ij,ij->i", gallery.vectors[first[is_impostor]], gallery.vectors[second[is_impostor]]
    )
    return float(np.quantile(cosine, 1 - false_accept))
