"""Unknown labels: they teach nothing, in either direction."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from anylead.augment import compose
from anylead.loading import Labels
from anylead.models import Encoder, EncoderConfig
from anylead.tasks import LinearHead
from augment.ecg_batches import ecg_batch

SMALL = EncoderConfig(
    conv_layers=((16, 4, 4), (16, 2, 2)), dim=32, num_layers=1, num_heads=2, ffn_dim=64,
    conv_pos_kernel=16, dropout=0.0,
)  # fmt: skip
LABEL = torch.tensor([[1.0, 0.0, float("nan")], [float("nan"), 1.0, 0.0], [0.0, 0.0, 1.0]])


def task_and_batch(label):
    torch.manual_seed(0)
    return LinearHead(Encoder(SMALL), 3, compose([])).eval(), replace(
        ecg_batch(3, time=400), label=label
    )


def test_the_loss_is_that_of_the_known_labels_alone():
    task, batch = task_and_batch(LABEL)
    step = task(batch)
    logits = task.logits(batch)
    expected = torch.zeros(())
    for row, segment, name in np.ndindex(*logits.shape):
        if not LABEL[row, name].isnan():
            expected += binary_cross_entropy_with_logits(
                logits[row, segment, name], LABEL[row, name]
            )
    torch.testing.assert_close(step.loss, expected)
    assert int(step.terms) == logits.shape[0] * logits.shape[1]


def test_an_unknown_label_has_no_gradient():
    task, batch = task_and_batch(LABEL)
    everything = replace(batch, label=torch.full_like(LABEL, float("nan")))
    (task(everything).loss).backward()
    assert all((p.grad is None) or (p.grad == 0).all() for p in task.parameters())


def test_known_labels_give_the_very_loss_they_gave_before():
    task, batch = task_and_batch(LABEL.nan_to_num())
    logits = task.logits(batch)
    label = batch.label[:, None].expand_as(logits)
    before = binary_cross_entropy_with_logits(logits.float(), label, reduction="sum")
    assert torch.equal(task(batch).loss, before)


def test_targets_are_nan_only_where_some_are_unknown():
    known = np.array([[True, True], [True, False]])
    labels = Labels(np.array([[1, 0], [0, 0]], np.uint8), ("AF", "MI"), known)
    assert labels.of(np.array([0])).dtype == np.uint8
    np.testing.assert_array_equal(labels.of(np.array([1, 0])), [[0, np.nan], [1, 0]])
