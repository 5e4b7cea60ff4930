"""ECG-CPC against the numbers of the authors' code."""

import math
import zlib

import numpy as np
import pytest
import torch

from anylead.interop import ecg_cpc
from anylead.models.s4 import S4, FrozenS4, hippo_legs
from parity.stand_in import assert_golden, encoder_of, facts, state, watched


@pytest.fixture(scope="module")
def case(golden_encoders):
    told, z = facts(golden_encoders, "ecg_cpc")
    shapes = {key: entry[0] for key, entry in told["keys"].items()}
    given = {*told["fixed"], *told["uniform"]["keys"]}
    theirs = state({key: shape for key, shape in shapes.items() if key not in given})
    for key in told["fixed"]:
        value = z[f"fixed_{key.rsplit('.', 1)[-1]}"]
        theirs[key] = (
            value if list(value.shape) == shapes[key] else (value.unsqueeze(-3).expand(shapes[key]))
        )
    for key in told["uniform"]["keys"]:
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
        u = generator.random(shapes[key])
        theirs[key] = torch.from_numpy((math.log(0.001) + u * math.log(100)).astype(np.float32))
    return encoder_of(ecg_cpc.read({"state_dict": theirs}, "file")), theirs, z


@torch.no_grad()
def test_every_intermediate_is_the_original_one(case):
    encoder, theirs, z = case
    at = z["token_index"]
    kernel = encoder.layers[0].kernel()
    assert_golden(kernel[::64], z["kernel_layer0"], "kernel")
    norms = {f"layer{i}": norm for i, norm in enumerate(encoder.norms)}
    with watched(conv0=encoder.conv_norms[0], s4_layer0=encoder.layers[0], **norms) as seen:
        context = encoder(z["input"]).context
    assert_golden(seen.pop("conv0").relu()[:, ::8, at], z["conv0"], "conv0")
    for name, value in seen.items():
        assert_golden(value[:, at], z[name], name)
    assert_golden(encoder.features(z["input"])[:, at], z["conv_features"], "features")
    assert_golden(encoder.pool(context), z["pooled"])
    assert_golden(context[:, -1], z["last_token"])
    head = theirs["ts_encoder.head_ssl.proj.0.weight"]
    assert_golden(context[:, at] @ head.squeeze(-1).T, z["head_ssl"], "head")


@torch.no_grad()
def test_a_shorter_window_and_zeros_for_missing_leads(case):
    encoder, _, z = case
    short = encoder(z["input"][:, :, :600]).context
    assert_golden(short[:, [0, 1, 150, 299]], z["layer3_2p5s"])
    assert_golden(encoder.pool(short), z["pooled_2p5s"])
    signal = z["input"].clone()
    signal[:, 2:] = 0
    assert_golden(encoder.pool(encoder(signal).context), z["zero_filled_I_II_pooled"])


def test_the_state_of_a_new_layer_is_the_published_one_up_to_phases(golden_encoders):
    _, z = facts(golden_encoders, "ecg_cpc")
    w, P, B, _ = (torch.view_as_complex(part) for part in hippo_legs(8))
    wanted = torch.view_as_complex(z["fixed_w"])
    order, theirs = w.imag.argsort(), wanted.imag.argsort()
    torch.testing.assert_close(w[order], wanted[theirs], rtol=1e-5, atol=1e-5)
    for ours, name in ((P, "fixed_P"), (B, "fixed_B")):
        value = torch.view_as_complex(z[name])[0].abs()
        torch.testing.assert_close(ours.abs()[order], value[theirs], rtol=1e-4, atol=1e-5)


def test_the_kernel_is_the_recurrence_and_a_frozen_layer_does_the_same():
    torch.manual_seed(0)
    layer = S4(dim=3, num_states=4, length=24)
    w, P, B, Q, C = (
        torch.view_as_complex(t.detach().double())
        for t in (layer.w, *(getattr(layer, name)[0] for name in "PBQC"))
    )
    for channel in range(3):
        lam, p, b, q, c = (torch.cat([v[channel], v[channel].conj()]) for v in (w, P, B, Q, C))
        step = layer.log_step[channel].double().exp()
        one = torch.eye(4, dtype=torch.complex128)
        A = torch.diag(lam) - p[:, None] * q
        inverse = torch.linalg.inv(one - step / 2 * A)
        dA, dB = inverse @ (one + step / 2 * A), inverse @ (step * b)
        true = torch.linalg.solve((one - torch.linalg.matrix_power(dA, 24)).T, c)
        kernel = []
        for _ in range(24):
            kernel.append((true @ dB).real)
            dB = dA @ dB
        found = layer.kernel()[channel].double()
        torch.testing.assert_close(found, torch.stack(kernel), rtol=1e-4, atol=1e-6)
    x = torch.randn(2, 17, 3)
    for by_frequency in (True, False):
        frozen = FrozenS4(layer, by_frequency)
        torch.testing.assert_close(frozen(x), layer(x), rtol=1e-4, atol=1e-5)
