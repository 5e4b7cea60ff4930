from dataclasses import replace
from itertools import product

import numpy as np
import torch

from anylead.augment.limb_completion import CompleteLimbLeads
from anylead.leads import EINTHOVEN, complete_limb_leads
from augment.ecg_batches import make_batch


def every_subset(seed=0, time=20):
    """One segment per subset of the limb leads, V2 alone of the chest leads."""
    generator = torch.Generator().manual_seed(seed)
    two = torch.randn(64, 2, time, generator=generator)
    full = torch.zeros(64, 1, 12, time)
    full[:, 0, :6] = torch.einsum("ij,bjt->bit", torch.tensor(EINTHOVEN).float(), two)
    full[:, 0, 7] = torch.randn(64, time, generator=generator)
    full[..., 15:] = 0  # padding
    limbs = torch.tensor(list(product((False, True), repeat=6)))
    has_lead = torch.zeros(64, 1, 12, dtype=torch.bool)
    has_lead[:, 0, :6] = limbs
    has_lead[:, 0, 7] = True
    batch = make_batch(
        full.where(has_lead[..., None], 0.0), has_lead, torch.full((64, 1), 15), torch.arange(64)
    )
    return batch, full


def test_any_two_limb_leads_bring_back_all_six():
    batch, full = every_subset()
    completed = CompleteLimbLeads()(batch)
    enough = batch.has_lead[:, 0, :6].sum(-1) >= 2
    torch.testing.assert_close(completed.signal[enough], full[enough])
    assert completed.has_lead[enough, :, :6].all()


def test_fewer_than_two_limb_leads_and_the_chest_leads_stay_as_they_are():
    batch, _ = every_subset()
    completed = CompleteLimbLeads()(batch)
    few = batch.has_lead[:, 0, :6].sum(-1) < 2
    assert torch.equal(completed.signal[few], batch.signal[few])
    assert torch.equal(completed.has_lead[few], batch.has_lead[few])
    assert torch.equal(completed.signal[:, :, 6:], batch.signal[:, :, 6:])
    assert torch.equal(completed.has_lead[:, :, 6:], batch.has_lead[:, :, 6:])


def test_equals_the_numpy_function_also_where_the_leads_contradict_each_other():
    batch, _ = every_subset()
    noisy = batch.signal + 0.1 * torch.randn_like(batch.signal)
    batch = replace(batch, signal=noisy.where(batch.has_lead[..., None], 0.0))
    completed = CompleteLimbLeads()(batch)
    for row in range(64):
        signal, has_lead = complete_limb_leads(
            batch.signal[row, 0].numpy(), batch.has_lead[row, 0].numpy()
        )
        np.testing.assert_allclose(completed.signal[row, 0], signal, atol=1e-5)
        np.testing.assert_array_equal(completed.has_lead[row, 0], has_lead)


def test_present_leads_pass_bit_for_bit():
    batch, _ = every_subset()
    completed = CompleteLimbLeads()(batch)
    assert torch.equal(completed.signal[batch.has_lead], batch.signal[batch.has_lead])
