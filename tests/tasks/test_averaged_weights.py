"""Classification with averaged weights that teach, and labels of which some are unknown."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from anylead.augment import AUGMENTATIONS, compose
from anylead.errors import RecipeError
from anylead.models.resnet1d import ResNet1d, ResNet1dConfig
from anylead.tasks import AverageConfig, LinearHead
from augment.ecg_batches import ecg_batch

ROWS = 8


def module(average=None, augment=compose([])):  # noqa: B008
    torch.manual_seed(0)
    encoder = ResNet1d(ResNet1dConfig(stem_dim=8, dims=(8, 12), dropout=0.0))
    return LinearHead(encoder, 3, augment, average)


def labelled_batch(step=0):
    label = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(1)).round()
    return replace(ecg_batch(ROWS, time=200), label=label, step=torch.tensor(step))


def trained(made, steps=30):
    wanted = [weight for weight in made.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(wanted, lr=3e-3)
    for step in range(steps):
        done = made(labelled_batch(step))
        optimizer.zero_grad()
        (done.loss / done.terms).backward()
        optimizer.step()
    return made


def test_what_is_kept_is_what_is_validated():
    made = trained(module(AverageConfig(decay=0.9))).eval()
    again = module()
    again.load_state_dict(made.weights())
    batch = labelled_batch()
    torch.testing.assert_close(again.eval().logits(batch), made.logits(batch))
    last = module()
    last.load_state_dict({k: v for k, v in made.state_dict().items() if not k.startswith("av")})
    assert not torch.allclose(last.eval().logits(batch), made.logits(batch))


def test_without_an_average_the_weights_are_all_there_is():
    made = module()
    assert made.weights().keys() == made.state_dict().keys()


def test_the_average_teaches_what_it_sees_with_all_leads():
    hide = AUGMENTATIONS["keep_leads"](leads="1")
    made = module(AverageConfig(decay=0.5, distillation=0.99), hide).train()
    batch = labelled_batch()
    taught, in_part = deepcopy(made), deepcopy(made)
    loss = taught(batch).loss
    teacher = taught.average.copies.eval()
    with torch.no_grad():
        context = teacher["encoder"](batch.signal.flatten(0, 1), None, batch.has_lead.flatten(0, 1))
        soft = (
            teacher["head"](context.context, None, teacher["encoder"].pool)
            .sigmoid()
            .view(ROWS, -1, 3)
        )
        logits = made.logits(hide(batch))
    label = batch.label[:, None].expand_as(soft)
    cost = torch.nn.functional.binary_cross_entropy_with_logits
    expected = cost(logits, torch.lerp(label, soft, 0.99), reduction="sum")
    torch.testing.assert_close(loss, expected)
    in_part.leave_to_others(torch.tensor([True, False, False]))
    share = torch.tensor([0.0, 0.99, 0.99])
    expected = cost(logits, torch.lerp(label, soft, share), reduction="sum")
    torch.testing.assert_close(in_part(batch).loss, expected)


def test_an_unknown_label_teaches_nothing():
    made, batch = module(), labelled_batch()
    label = batch.label.clone()
    label[:, 1] = torch.nan
    made(replace(batch, label=label)).loss.backward()
    assert made.head.weight.grad[1].abs().max() == 0
    assert made.head.weight.grad[0].abs().max() > 0


@pytest.mark.parametrize("values", [{"decay": 1.0}, {"decay": -0.1}, {"distillation": 0.3}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(RecipeError):
        AverageConfig(**values)
