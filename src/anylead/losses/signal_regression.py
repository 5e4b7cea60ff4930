"""Distance to the samples of a recording, lead by lead and frame by frame."""

from torch import Tensor
from torch.nn.functional import smooth_l1_loss


def signal_regression(
    prediction: Tensor, target: Tensor, has_lead: Tensor, weight: Tensor
) -> Tensor:
    """Huber loss, averaged over the leads there are and the samples of a frame, summed over frames.

    Args:
        prediction, target: (rows, lead, time).
        has_lead: (rows, lead) bool, the leads whose target is known.
        weight: (rows, frame), 0 for padding; frames share the time evenly.
    """
    error = smooth_l1_loss(prediction.float(), target.float(), reduction="none", beta=0.5)
    by_frame = error.view(*error.shape[:2], weight.shape[1], -1).mean(dim=3)  # (rows, lead, frame)
    known = has_lead[:, :, None].to(error.dtype)
    mean_of_leads = (by_frame * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    total: Tensor = (mean_of_leads * weight).sum()
    return total
