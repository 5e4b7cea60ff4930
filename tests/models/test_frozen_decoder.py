"""The decoder of waves made ready for inference gives the numbers of the one that was trained."""

import pytest
import torch

from anylead.models.frozen_decoder import FrozenDecoder
from anylead.models.wave_decoder import WaveDecoder


def trained(stage_dims=(6, 7), context_dim=5):
    """A decoder whose normalizations are not those of a fresh one."""
    torch.manual_seed(0)
    decoder = WaveDecoder(stage_dims, context_dim, (4, 6, 8, 8), 5).train()
    for _ in range(3):
        decoder(*inputs(decoder, stage_dims, context_dim))
    return decoder


def inputs(decoder, stage_dims=(6, 7), context_dim=5, rows=3, time=96):
    draw = torch.Generator().manual_seed(rows + time)
    stages = [torch.randn(rows, dim, -(-time // 2 ** (n + 1)), generator=draw)
              for n, dim in enumerate(stage_dims)]  # fmt: skip
    context = None
    if context_dim:
        context = torch.randn(rows, stages[-1].shape[2], context_dim, generator=draw)
    is_wanted = torch.rand(rows, 12, generator=draw) < 0.7
    return torch.randn(rows, 12, time, generator=draw), is_wanted, stages, context


@torch.inference_mode()
@pytest.mark.parametrize("time", [96, 101])
@pytest.mark.parametrize("dims", [((6, 7), 5), ((), 0)], ids=["with an encoder", "alone"])
def test_gives_the_numbers_of_the_decoder(dims, time):
    decoder = trained(*dims)
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    frozen, given = FrozenDecoder(decoder), inputs(decoder, *dims, rows=5, time=time)
    torch.testing.assert_close(frozen(*given), decoder.eval()(*given), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[name], each) for name, each in decoder.state_dict().items())
