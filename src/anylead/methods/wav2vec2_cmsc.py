"""W2V+CMSC, the paper's method: local and global contrast together (Oh 2022, arXiv:2203.06889)."""

from dataclasses import replace

from anylead.methods.cmsc import CMSC

WAV2VEC2_CMSC = replace(CMSC, local_weight=1.0)
