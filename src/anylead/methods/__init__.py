"""Self-supervised objectives. To add one: a file with a `Method`, and a line in `METHODS`."""

from anylead.methods.cmsc import CMSC
from anylead.methods.pretraining import Method, Pretraining
from anylead.methods.wav2vec2 import WAV2VEC2
from anylead.methods.wav2vec2_cmsc import WAV2VEC2_CMSC

METHODS: dict[str, Method] = {
    "wav2vec2": WAV2VEC2,
    "cmsc": CMSC,
    "wav2vec2_cmsc": WAV2VEC2_CMSC,
}

__all__ = ["METHODS", "Method", "Pretraining"]
