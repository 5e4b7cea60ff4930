"""`manifest.json`: what a store holds and how it was made; written last, so it says "finished"."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from anylead.errors import RecipeError, StoreError
from anylead.preprocessing import PreprocessConfig
from anylead.store.schema import FIRST_VERSION, VERSION

MANIFEST = "manifest.json"
INDEX_FILE = "index.arrow"
REJECTED_FILE = "rejected.csv"
# Among the settings: whether the split may have patients on several sides; of a store that is
# joined from several, the name and the number of recordings of each.
SHARED, PARTS = "allow_shared_patients", "parts"


@dataclass(frozen=True)
class Shard:
    """One file of recordings."""

    name: str
    num_records: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a store holds.

    Attributes:
        name: the dataset.
        preprocess: how the signals were made ready.
        label_names: classes of each label task, in the order of their columns.
        num_records: recordings in the store.
        num_rejected: recordings left out, listed in `rejected.csv`.
        has_patients: every recording tells its patient.
        shards: the files.
        index_sha256: of `index.arrow`.
        settings: what else of the recipe decided what is in here.
        note: what a user of this dataset should know.
    """

    name: str
    preprocess: PreprocessConfig
    label_names: Mapping[str, tuple[str, ...]]
    num_records: int
    num_rejected: int
    has_patients: bool
    shards: tuple[Shard, ...]
    index_sha256: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    version: int = VERSION

    @property
    def sample_rate(self) -> float:
        """Hz, of all recordings."""
        return self.preprocess.sample_rate

    @property
    def content_hash(self) -> str:
        """One hash of all recordings and all that is known about them."""
        parts = [self.index_sha256, *(shard.sha256 for shard in self.shards)]
        return sha256("\n".join(parts).encode()).hexdigest()

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        values = {**asdict(self), "content_hash": self.content_hash}
        return json.dumps({**values, "manifest_sha256": _hash_of(values)}, indent=1) + "\n"


def parse_manifest(text: str, where: str) -> Manifest:
    """Read the text of `manifest.json`; `where` names the store in errors."""
    try:
        values = json.loads(text)
        version = values["version"]
        if version not in range(FIRST_VERSION, VERSION + 1):
            raise StoreError(
                f"{where}: store version {version}, this anylead reads version {FIRST_VERSION} to"
                f" {VERSION}; prepare it again or use the anylead that made it"
            )
        is_whole = version < 2 or values.pop("manifest_sha256") == _hash_of(values)
        stated_hash = values.pop("content_hash")
        manifest = Manifest(
            **{
                **values,
                "preprocess": PreprocessConfig(**values["preprocess"]),
                "label_names": {
                    task: tuple(names) for task, names in values["label_names"].items()
                },
                "shards": tuple(Shard(**shard) for shard in values["shards"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecipeError) as error:
        raise StoreError(
            f"{where}: {MANIFEST} is damaged ({error}); prepare the store again"
        ) from None
    if not is_whole or stated_hash != manifest.content_hash:
        raise StoreError(
            f"{where}: {MANIFEST} was changed by hand or damaged; prepare the store again"
        )
    return manifest


def _hash_of(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
