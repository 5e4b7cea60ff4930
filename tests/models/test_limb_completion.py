import numpy as np
import torch

from anylead.leads import complete_limb_leads
from anylead.models.limb_completion import LimbCompletion


def test_every_subset_in_one_batch_equals_the_function_for_one_recording():
    subsets = torch.tensor([[bool(n >> i & 1) for i in range(6)] for n in range(64)])
    has_lead = torch.cat([subsets, torch.arange(12)[6:].expand(64, -1) % 2 == 0], dim=1)
    signal = torch.randn(64, 12, 30, generator=torch.Generator().manual_seed(0))
    signal = signal * has_lead[:, :, None]
    completed = LimbCompletion()(signal, has_lead).numpy()
    for row in range(64):
        expected, _ = complete_limb_leads(signal[row].numpy(), has_lead[row].numpy())
        np.testing.assert_allclose(completed[row], expected, atol=1e-5)
