"""`anylead verify`: whether every file of a store is still what was written."""

from dataclasses import dataclass

from rich.console import Console

from anylead.commands import screen
from anylead.store import Store

EXAMPLES = ("anylead verify store/",)


@dataclass(frozen=True)
class Recipe:
    """Which store.

    Attributes:
        store: folder made by `anylead prepare`, or a URL such as s3://bucket/store.
    """

    store: str


def run(recipe: Recipe, console: Console | None = None) -> None:
    """Read every byte and compare it with what the manifest says.

    Raises:
        StoreError: naming every file that is missing or damaged.
    """
    store = Store.open(recipe.store)
    store.verify()
    shards = store.manifest.shards
    num_bytes = sum(shard.num_bytes for shard in shards)
    screen.say(
        console or screen.console(),
        f"{recipe.store}: whole: {store.num_records:,} recordings in {len(shards)} shards,"
        f" {num_bytes / 1e6:,.1f} MB",
    )
