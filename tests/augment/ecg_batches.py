"""Batches for the tests of augmentations."""

import torch

from anylead.leads import EINTHOVEN
from anylead.objective import Batch


def ecg_batch(rows=6, segments=2, time=500, has_lead=None, num_samples=None, seed=0):
    """Noise that obeys Einthoven's law, zero on missing leads and padding."""
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(rows, segments, 12, time, generator=generator)
    einthoven = torch.tensor(EINTHOVEN).float()
    signal[:, :, :6] = torch.einsum("ij,bsjt->bsit", einthoven, signal[:, :, :2].clone())
    if has_lead is None:
        has_lead = torch.ones(rows, segments, 12, dtype=torch.bool)
    if num_samples is None:
        num_samples = torch.full((rows, segments), time)
    inside = torch.arange(time) < num_samples[..., None]
    signal = signal * has_lead[..., None] * inside[:, :, None]
    return make_batch(signal, has_lead, num_samples, torch.arange(rows) + 1000 * seed)


def make_batch(signal, has_lead, num_samples, seed):
    rows = torch.arange(len(signal))
    return Batch(
        signal=signal,
        has_lead=has_lead,
        num_samples=num_samples,
        patient=rows,
        record=rows,
        seed=seed,
        step=torch.tensor(0),
    )


def take(batch, rows):
    """Some rows of a batch."""
    num_samples = None if batch.num_samples is None else batch.num_samples[rows]
    return make_batch(batch.signal[rows], batch.has_lead[rows], num_samples, batch.seed[rows])
