"""What every task keeps to, with every encoder: the rows of the tables that are fine-tuned."""

from dataclasses import replace

import pytest
import torch

from anylead import tasks
from anylead.augment import AUGMENTATIONS, compose
from anylead.commands.finetune import ModelConfig, freeze_parts
from anylead.losses import label_losses
from anylead.models import Encoder, EncoderConfig
from anylead.models.resnet1d import ResNet1d, ResNet1dConfig
from anylead.tasks.identification import Identification
from anylead.tasks.linear_head import Criterion, LinearHead
from augment.ecg_batches import ecg_batch, take

ROWS = 8
SMALL = EncoderConfig(
    conv_layers=((16, 4, 4), (16, 2, 2)),
    dim=32,
    num_layers=1,
    num_heads=2,
    ffn_dim=64,
    conv_pos_kernel=16,
    dropout=0.0,
    attention_dropout=0.0,
    input_dropout=0.0,
    feature_grad_scale=1.0,
)
ENCODERS = {
    "transformer": lambda: Encoder(SMALL),
    "resnet1d": lambda: ResNet1d(ResNet1dConfig(stem_dim=16, dims=(16, 24, 32), dropout=0.0)),
}
TASKS = {
    "classification": lambda encoder, augment: LinearHead(encoder, 3, augment),
    "multiclass": lambda encoder, augment: LinearHead(
        encoder, 3, augment, None, Criterion("bce", label_losses.softmax_cross_entropy)
    ),
    "regression": lambda encoder, augment: LinearHead(
        encoder, 3, augment, None, Criterion("squared", label_losses.squared)
    ),
    "identification": lambda encoder, augment: Identification(
        encoder, torch.arange(ROWS) // 2, augment, scale=16.0, margin=0.2
    ),
}
RLM = AUGMENTATIONS["random_lead_mask"]()
every_task = pytest.mark.parametrize("task", TASKS)
every_encoder = pytest.mark.parametrize("kind", ENCODERS)


def module(task, kind, augment=compose([])):  # noqa: B008
    torch.manual_seed(0)
    return TASKS[task](ENCODERS[kind](), augment).train()


def labelled_batch(task="classification"):
    drawn = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(1))
    label = {
        "multiclass": torch.nn.functional.one_hot(drawn.argmax(dim=1), 3).float(),
        "regression": 4 * drawn - 2,
    }.get(task, drawn.round())
    return replace(ecg_batch(ROWS, time=400), label=label)


def test_every_task_is_under_test():
    # A decoder of waves has a target for each sample: tests/tasks/test_waves.py. Cox's loss is over
    # those that are together in a batch, and no sum over recordings: tests/tasks/test_survival.py.
    assert {*TASKS, "waves", "survival"} == set(tasks.TASKS)


def losses(trained, batch, steps=40):
    wanted = [weight for weight in trained.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(wanted, lr=3e-3)
    values = []
    for _ in range(steps):
        step = trained(batch)
        optimizer.zero_grad()
        (step.loss / step.terms).backward()
        optimizer.step()
        values.append((step.loss / step.terms).item())
    return values


@every_encoder
@every_task
def test_overfits_one_batch(task, kind):
    values = losses(module(task, kind), labelled_batch(task))
    assert values[-1] < 0.2 * values[0]


@every_encoder
def test_a_linear_probe_learns_and_leaves_the_encoder_as_it_is(kind):
    probed = module("classification", kind)
    freeze_parts(probed.encoder, ModelConfig(train="linear_probe"))
    before = {name: value.clone() for name, value in probed.encoder.named_parameters()}
    values = losses(probed, labelled_batch())
    assert values[-1] < 0.95 * values[0]
    assert all(
        torch.equal(before[name], value) for name, value in probed.encoder.named_parameters()
    )


@every_encoder
@every_task
def test_leads_are_hidden_in_training_only(task, kind):
    masked, plain, batch = module(task, kind, RLM), module(task, kind), labelled_batch(task)
    assert torch.equal(masked.eval()(batch).loss, plain.eval()(batch).loss)
    assert not torch.equal(masked.train()(batch).loss, plain.train()(batch).loss)


@every_encoder
@every_task
def test_the_loss_is_a_sum_over_recordings(task, kind):
    judged, batch = module(task, kind).eval(), labelled_batch(task)
    parts = [
        replace(take(batch, rows), record=batch.record[rows], label=batch.label[rows])
        for rows in (slice(0, 3), slice(3, ROWS))
    ]
    whole, first, second = judged(batch), *(judged(part) for part in parts)
    assert whole.terms == first.terms + second.terms
    torch.testing.assert_close(whole.loss, first.loss + second.loss, rtol=1e-4, atol=1e-4)
