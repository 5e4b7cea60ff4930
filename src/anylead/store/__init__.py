"""Prepared recordings on disk: Arrow IPC shards with int16 signals, memory-mapped."""

from anylead.store.build import Plan, Rejected
from anylead.store.manifest import Manifest
from anylead.store.reader import UNKNOWN, Store

__all__ = ["UNKNOWN", "Manifest", "Plan", "Rejected", "Store"]
