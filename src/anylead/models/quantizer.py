"""Product quantization by Gumbel softmax (wav2vec 2.0, arXiv:2006.11477, section 2, eq. 1)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from anylead.randomness import uniform

_PURPOSE = 0x47554D42  # "GUMB"


class Quantized(NamedTuple):
    """What the quantizer makes of feature vectors.

    vectors: (rows, frame, dim).
    codes: (rows, frame, group) int64, the chosen entry of each codebook.
    prob_perplexity: (), exp of the entropy of the mean softmax, summed over groups; the
        diversity loss is 1 - prob_perplexity / num_codes.
    code_perplexity: (), the same of the chosen codes.
    mean_probability: (group, code), the mean softmax.
    """

    vectors: Tensor
    codes: Tensor
    prob_perplexity: Tensor
    code_perplexity: Tensor
    mean_probability: Tensor


class GumbelQuantizer(nn.Module):
    """Choose one entry from each of several codebooks and join them.

    The forward pass looks entries up; the gradient reaches the choice through the softmax
    (straight through).

    Args:
        feature_dim: channels of the input.
        dim: channels of the output, all groups together.
        num_groups: codebooks.
        num_codes: entries of each.
        temperature: (start, end, decay per step) of the softmax.
    """

    def __init__(
        self,
        feature_dim: int,
        dim: int,
        num_groups: int = 2,
        num_codes: int = 320,
        temperature: tuple[float, float, float] = (2.0, 0.5, 0.999995),
    ):
        super().__init__()
        self.num_groups, self.num_codes, self.temperature = num_groups, num_codes, temperature
        self.codebooks = nn.Parameter(torch.rand(num_groups, num_codes, dim // num_groups))
        self.choose = nn.Linear(feature_dim, num_groups * num_codes)
        nn.init.normal_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(
        self, features: Tensor, is_valid: Tensor, noise: Tensor | None, step: Tensor
    ) -> Quantized:
        """Quantize.

        Args:
            features: (rows, frame, feature_dim).
            is_valid: (rows, frame) bool; the others do not count in the perplexities.
            noise: (rows, frame, group, code) Gumbel noise, or None for the plain argmax.
            step: () optimizer steps taken, sets the temperature.
        """
        logits = self.choose(features).float().view(*features.shape[:2], self.num_groups, -1)
        weight = is_valid[:, :, None, None] / is_valid.sum().clamp(min=1)
        mean_probability = (logits.softmax(dim=-1) * weight).sum(dim=(0, 1))  # (group, code)
        if noise is None:
            codes = logits.argmax(dim=-1)
            vectors = self._look_up(codes)
        else:
            soft = ((logits + noise) / self.temperature_at(step)).softmax(dim=-1)
            codes = soft.argmax(dim=-1)
            expected = torch.einsum("rfgc,gcd->rfgd", soft, self.codebooks.detach().float())
            vectors = self._look_up(codes) + (expected - expected.detach()).flatten(2)
        return Quantized(
            vectors,
            codes,
            _perplexity(mean_probability),
            self._used(codes, is_valid),
            mean_probability,
        )

    def gumbel_noise(self, seed: Tensor, num_frames: int) -> Tensor:
        """(rows, frame, group, code) noise, a function of the seeds (rows,) alone."""
        num = num_frames * self.num_groups * self.num_codes
        flat = -torch.log(-torch.log(uniform(seed, num, _PURPOSE)))
        return flat.view(len(seed), num_frames, self.num_groups, self.num_codes)

    def temperature_at(self, step: Tensor) -> Tensor:
        """() temperature after `step` optimizer steps."""
        start, end, decay = self.temperature
        return (start * torch.pow(decay, step.double())).clamp(min=end).float()

    def _look_up(self, codes: Tensor) -> Tensor:
        offset = torch.arange(self.num_groups, device=codes.device) * self.num_codes
        flat = self.codebooks.flatten(0, 1)
        vectors: Tensor = nn.functional.embedding(codes + offset, flat)
        return vectors.flatten(2)

    def _used(self, codes: Tensor, is_valid: Tensor) -> Tensor:
        count = torch.zeros(self.num_groups, self.num_codes, device=codes.device)
        weight = is_valid[:, :, None].expand_as(codes).float() / is_valid.sum().clamp(min=1)
        count.scatter_add_(1, codes.flatten(0, 1).T, weight.flatten(0, 1).T)
        return _perplexity(count)


def _perplexity(probability: Tensor) -> Tensor:
    """Exp of the entropy of each row of (group, code), summed over groups."""
    return torch.exp(-(probability * torch.log(probability + 1e-7)).sum(dim=-1)).sum()
