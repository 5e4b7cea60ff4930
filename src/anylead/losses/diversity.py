"""Use all codes alike (wav2vec 2.0, arXiv:2006.11477, section 3.2, eq. 4)."""

from torch import Tensor


def diversity_loss(prob_perplexity: Tensor, num_codes: int) -> Tensor:
    """0 when every code is as likely as any other, near 1 when one takes all.

    Args:
        prob_perplexity: () summed over codebooks.
        num_codes: entries of all codebooks together.
    """
    return (num_codes - prob_perplexity) / num_codes
