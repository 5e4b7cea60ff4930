"""NT-Xent, the contrast of SimCLR (Chen et al. 2020, arXiv:2002.05709, eq. 1), also used by 3KG.

Over the 2N views of N recordings, each looks for its partner among all others. Generalized to any
number of views, and aware of patients: another recording of the same person is never a negative.
"""

from torch import Tensor

from anylead.losses.view_pairs import compare, log_sum_negatives, mean_contrast


def nt_xent(
    embedding: Tensor,
    record: Tensor,
    patient: Tensor,
    temperature: float = 0.1,
    *,
    is_pair: Tensor | None = None,
    is_valid: Tensor | None = None,
    patient_positives: bool = False,
) -> Tensor:
    """Pull the views of a recording together and push all views of other patients away.

    With more than one positive each is contrasted with the negatives alone, so that positives never
    repel each other. Negatives come from all ranks.

    Args:
        embedding: (batch, view, dim); two views are SimCLR's 2N.
        record, patient, temperature, is_pair, is_valid, patient_positives: see
            `anylead.losses.view_pairs.compare`.

    Returns:
        Scalar: averaged over the positives of a view, then over views.
    """
    pairs = compare(
        embedding,
        record,
        patient,
        temperature,
        is_pair=is_pair,
        is_valid=is_valid,
        patient_positives=patient_positives,
    )
    return mean_contrast(pairs, log_sum_negatives(pairs, dim=(2, 3)), dim=(2, 3))
