"""Use all codes alike (wav2vec 2.0, arXiv:2006.11477, section 3.2, eq. 4)."""

import torch
from torch import Tensor

from anylead.losses.gather import gather


def diversity_loss(prob_perplexity: Tensor, num_codes: int) -> Tensor:
    """0 when every code is as likely as any other, near 1 when one takes all.

    Args:
        prob_perplexity: () summed over codebooks.
        num_codes: entries of all codebooks together.
    """
    return (num_codes - prob_perplexity) / num_codes


def perplexity_of_all(mean_probability: Tensor, num_frames: Tensor) -> Tensor:
    """() perplexity of the codes over the frames of all ranks and micro-batches.

    Args:
        mean_probability: (group, code) mean over the frames of this rank.
        num_frames: () how many these are.
    """
    means = gather(mean_probability[None])  # (rank, group, code)
    weight = gather(num_frames[None]).to(means.dtype)
    average = (means * weight[:, None, None]).sum(dim=0) / weight.sum().clamp(min=1)
    entropy = -(average * torch.log(average + 1e-7)).sum(dim=-1)
    return entropy.exp().sum()
