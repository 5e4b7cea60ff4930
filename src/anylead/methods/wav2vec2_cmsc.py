"""W2V+CMSC, the paper's method: local and global contrast together (Oh 2022, arXiv:2203.06889)."""

from anylead.methods.cmsc import CMSC
from anylead.methods.pretraining import combine
from anylead.methods.wav2vec2 import WAV2VEC2

WAV2VEC2_CMSC = combine(WAV2VEC2, CMSC)
