"""One rank: its half of a batch through the losses; writes losses and gradients to a file.

Arguments: rank, number of ranks, a file for the meeting, a file for the result.
"""

import sys

import torch
from torch import distributed

from anylead.losses.cmsc import cmsc_loss
from anylead.losses.nt_xent import nt_xent


def whole_batch():
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(8, 2, 6, generator=generator)
    # Patient 2 has recordings on both ranks.
    return views, torch.arange(8), torch.tensor([0, 0, 1, 2, 3, 2, 4, 5])


def losses(views, record, patient):
    return {
        "nt_xent": nt_xent(views, record, patient, 0.5, is_valid=views[..., 0] > -1.5),
        "cmsc": cmsc_loss(views[:, 0], views[:, 1], record, patient, 0.5, patient_positives=True),
    }


def losses_and_gradients(views, record, patient, terms):
    """As the loop has it: the loss of a rank times its terms."""
    result = {}
    for name in ("nt_xent", "cmsc"):
        leaf = views.clone().requires_grad_()
        loss = losses(leaf, record, patient)[name]
        (terms * loss).backward()
        result[name] = (loss.detach(), leaf.grad)
    return result


def main():
    rank, size, meeting, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=size)
    part = slice(rank * 8 // size, (rank + 1) * 8 // size)
    views, record, patient = (each[part] for each in whole_batch())
    # Ranks may have different numbers of terms, such as masked frames.
    torch.save(losses_and_gradients(views, record, patient, terms=rank + 1), out)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
