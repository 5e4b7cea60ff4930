"""Numpy on (lead, time); `preprocess` is the only entry for what a model will see."""

from anylead.signals.preprocess import (
    Prepared,
    PreprocessConfig,
    preprocess,
    with_frank,
    without_leads,
)
from anylead.signals.quality import Quality

__all__ = ["Prepared", "PreprocessConfig", "Quality", "preprocess", "with_frank", "without_leads"]
