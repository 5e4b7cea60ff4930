"""Where many recordings come from: a store, a dataset's folder, files and folders."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anylead import datasets, formats
from anylead.datasets import Corpus, Item
from anylead.errors import RecipeError, StoreError, did_you_mean, known_are
from anylead.formats.search import divided, fitting, printable
from anylead.inference import inputs
from anylead.inference.model import Model
from anylead.inference.named import names
from anylead.inference.windows import Windows, cut
from anylead.leads import lead_mask
from anylead.records import Record
from anylead.store import Store
from anylead.store.manifest import MANIFEST

FILES = "files"


class Source(Protocol):
    """Recordings as windows, by their number."""

    @property
    def record_ids(self) -> Sequence[str]:
        """Of all recordings."""
        ...

    def check(self, model: Model) -> None:
        """Raise an AnyleadError where the model cannot use this source."""
        ...

    def read(self, number: int, model: Model, use_leads: str | None) -> tuple[Windows, str | None]:
        """Windows of a recording, and its patient."""
        ...


class StoreSource:
    """Recordings that were prepared already, for exactly such a model."""

    def __init__(self, store: Store):
        self.store = store

    @cached_property
    def record_ids(self) -> Sequence[str]:
        """Of all recordings."""
        ids: list[str] = self.store.record_id.tolist()
        return ids

    def check(self, model: Model) -> None:
        """The store must have been prepared as the model expects."""
        self.store.check_fits(model.preprocess_config, "the model")

    def read(self, number: int, model: Model, use_leads: str | None) -> tuple[Windows, str | None]:
        """Windows of a row."""
        length = int(self.store.num_samples[number])
        crop = self.store.read(np.array([number]), np.array([0]), length)[0]
        seen = lead_mask(model.leads if use_leads is None else use_leads)
        has_lead = self.store.has_lead[number] & seen
        name = self.record_ids[number]
        if not has_lead.any():
            raise StoreError(f"{name}: none of the wanted leads")
        scale = self.store.scale[number] * has_lead
        signal = crop.astype(np.float32) * scale[:, None]
        quality = np.where(seen, self.store.quality[number], np.uint16(0))
        windows = cut(signal, has_lead, model.segment_samples, name, model.tail, quality)
        return windows, self.store.patient_id[number]


class CorpusSource:
    """Recordings in files, preprocessed here as the model expects."""

    def __init__(self, corpus: Corpus):
        self.corpus = corpus

    @cached_property
    def record_ids(self) -> Sequence[str]:
        """Of all recordings."""
        return [record_id for record_id, _ in self.corpus.items]

    def check(self, model: Model) -> None:
        """Any model will do."""

    def read(self, number: int, model: Model, use_leads: str | None) -> tuple[Windows, str | None]:
        """Windows of a file."""
        record = self.corpus.read(self.corpus.items[number])
        inputs.check(record)
        return model.windows([record], use_leads)[0], record.patient_id


def open_source(kind: str, source: str, options: Mapping[str, Any]) -> Source:
    """A store, a folder read as a dataset, or files and folders divided by commas.

    Raises:
        AnyleadError: it cannot be used, or holds no recording.
    """
    if kind == "store":
        return StoreSource(Store.open(source))
    if kind == FILES:
        return CorpusSource(files_corpus(divided(source), **options))
    corpus = datasets.corpus(kind, source, **options)
    if not corpus.items:
        raise RecipeError(f"{source}: no recordings")
    return CorpusSource(corpus)


def kind_of(source: str, dataset: str | None) -> str:
    """What reads a source: "store", "files", or the name of a dataset.

    Raises:
        RecipeError: there is no such file, folder or dataset.
    """
    if dataset is not None:
        if dataset not in datasets.DATASETS:
            raise RecipeError(f"dataset {dataset!r}{known_are(dataset, datasets.DATASETS)}")
        return dataset
    stores = divided(source)  # several are joined
    if "://" in source or all((Path(each.strip()) / MANIFEST).is_file() for each in stores):
        return "store"
    if Path(source).is_dir():
        return "folder"
    files_corpus(divided(source))
    return FILES


def files_corpus(sources: Sequence[str], rename: str = "") -> Corpus:
    """Files, folders and patterns such as "*.xml" as one list of recordings.

    Args:
        sources: each a file, a folder or a pattern.
        rename: the lead behind a channel's name, such as "ECG=I".

    Raises:
        RecipeError: there is no such file or folder.
    """
    items: list[Item] = []
    for source in sources:
        found = fitting(source)
        if not found and source in names():
            raise RecipeError(f"{source}: a model; name the recordings first, then the model")
        if not found:
            raise RecipeError(
                f"{source}: no such store or folder of recordings, nor such a file"
                f"{did_you_mean(source, names())}"
            )
        for path in found:
            shown = printable(str(path))
            if path.is_dir():
                items += [(f"{shown}/{name}", each.path) for name, each in
                          datasets.corpus("folder", path).items]  # fmt: skip
            else:
                items.append((shown, path))
    return Corpus(FILES, items, partial(_read_file, rename=formats.parse_rename(rename)))


def _read_file(item: Item, rename: formats.Rename | None) -> Record:
    return formats.read(item[1], rename)
