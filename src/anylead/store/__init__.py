"""Prepared recordings on disk: Arrow IPC shards with int16 signals, memory-mapped.

What makes a store is in `anylead.store.build`.
"""

from anylead.store.manifest import Manifest
from anylead.store.reader import Store

__all__ = ["Manifest", "Store"]
