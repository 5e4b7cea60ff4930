"""Which moments and leads an answer of a model rests on."""

from anylead.explanations.deletion import deletion
from anylead.explanations.explaining import METHODS, Explanation, explain, saliency_on
from anylead.explanations.target import Target

__all__ = ["METHODS", "Explanation", "Target", "deletion", "explain", "saliency_on"]
