"""Store -> `Batch`."""

from anylead.loading.loader import Crop, Labels, Prefetch, TrainingLoader, evaluation_batches

__all__ = ["Crop", "Labels", "Prefetch", "TrainingLoader", "evaluation_batches"]
