"""ECG-CPC's encoder with what this package adds to it: limb leads completed, dropout."""

import torch

from anylead.leads import lead_mask
from anylead.models.building import build_encoder


def encoder(**settings):
    torch.manual_seed(0)
    return build_encoder({"kind": "ecg_cpc", "dim": 16, "window_samples": 200, **settings})


def test_an_encoder_that_completes_limb_leads_cannot_tell_two_from_six():
    model = encoder(completes_limb_leads=True).eval()
    signal = torch.randn(1, 12, 200)
    signal[:, 2] = signal[:, 1] - signal[:, 0]
    signal[:, 3] = -(signal[:, 0] + signal[:, 1]) / 2
    signal[:, 4] = signal[:, 0] - signal[:, 1] / 2
    signal[:, 5] = signal[:, 1] - signal[:, 0] / 2
    seen = []
    for leads in ("6", "2", "1"):
        has_lead = torch.from_numpy(lead_mask(leads))[None]
        seen.append(model(signal * has_lead[..., None], None, has_lead).context)
    torch.testing.assert_close(seen[1], seen[0], atol=1e-5, rtol=1e-5)
    assert (seen[2] - seen[0]).abs().max() > 0.01


def test_dropout_acts_in_training_alone():
    signal = torch.randn(2, 12, 200)
    plain, dropped = encoder(), encoder(dropout=0.5)
    torch.testing.assert_close(dropped.eval()(signal).context, plain.eval()(signal).context)
    dropped.train()
    assert not torch.equal(dropped(signal).context, dropped(signal).context)
