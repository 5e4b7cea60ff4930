"""Where programs find the estimators: `from anylead.sklearn import EcgEmbedding`."""

from anylead.inference.estimators import EcgClassifier, EcgEmbedding

__all__ = ["EcgClassifier", "EcgEmbedding"]
