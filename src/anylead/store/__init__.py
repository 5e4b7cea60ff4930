"""Prepared recordings on disk: Arrow IPC shards with int16 signals, memory-mapped."""

from anylead.store.build import Plan, Rejected
from anylead.store.manifest import Manifest
from anylead.store.reader import Store
from anylead.store.warnings import store_warnings

__all__ = ["Manifest", "Plan", "Rejected", "Store", "store_warnings"]
