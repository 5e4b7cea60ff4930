"""Store -> `Batch`."""

from anylead.loading.loader import Labels, Prefetch, TrainingLoader, evaluation_batches

__all__ = ["Labels", "Prefetch", "TrainingLoader", "evaluation_batches"]
