"""Numpy on (lead, time); `preprocess` is the only entry for what a model will see."""

from anylead.preprocessing import PreprocessConfig, differences
from anylead.signals.preprocess import (
    Prepared,
    preprocess,
    with_frank,
    without_leads,
)
from anylead.signals.quality import Quality, is_acceptable

__all__ = [
    "Prepared",
    "PreprocessConfig",
    "Quality",
    "differences",
    "is_acceptable",
    "preprocess",
    "with_frank",
    "without_leads",
]
