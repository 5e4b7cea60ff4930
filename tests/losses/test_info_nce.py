import math

import pytest
import torch

from anylead.losses.info_nce import info_nce


def inputs(rows=2, masked=6, dim=4):
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, rows, masked, dim, generator=generator)
    codes = torch.arange(masked).expand(rows, -1)[..., None].clone()
    drawn = torch.randint(0, masked - 1, (rows, masked, 9), generator=generator)
    drawn += drawn >= torch.arange(masked)[None, :, None]
    return prediction, target, codes, drawn


def as_counts(drawn):
    counts = torch.zeros(drawn.shape[0], drawn.shape[1], drawn.shape[1])
    return counts.scatter_add(2, drawn, torch.ones_like(drawn, dtype=torch.float32))


def by_definition(prediction, target, codes, drawn, temperature=0.1):
    """A list of the drawn negatives per frame, as in the paper's equation 3."""
    total, first = 0.0, 0
    cosine = torch.nn.functional.cosine_similarity
    for r in range(len(prediction)):
        for i in range(prediction.shape[1]):
            own = cosine(prediction[r, i], target[r, i], dim=0).item() / temperature
            others = [
                cosine(prediction[r, i], target[r, j], dim=0).item() / temperature
                for j in drawn[r, i].tolist()
                if not torch.equal(codes[r, i], codes[r, j])
            ]
            total += math.log(sum(math.exp(s) for s in [own, *others])) - own
            first += all(own >= other for other in others)
    return total, first


def test_equals_its_definition():
    prediction, target, codes, drawn = inputs()
    loss, first = info_nce(
        prediction, target, codes, as_counts(drawn), torch.ones(2, 6, dtype=torch.bool)
    )
    expected, expected_first = by_definition(prediction, target, codes, drawn)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert first.item() == expected_first


def test_a_negative_with_the_codes_of_the_target_is_left_out():
    prediction, target, codes, drawn = inputs()
    codes[:, 3] = codes[:, 1]
    target[:, 3] = target[:, 1]
    loss, first = info_nce(
        prediction, target, codes, as_counts(drawn), torch.ones(2, 6, dtype=torch.bool)
    )
    expected, expected_first = by_definition(prediction, target, codes, drawn)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert first.item() == expected_first


def test_frames_that_only_fill_up_do_not_count():
    prediction, target, codes, drawn = inputs()
    is_valid = torch.ones(2, 6, dtype=torch.bool)
    is_valid[1, 4:] = False
    counts = as_counts(drawn) * is_valid[:, None, :] * is_valid[:, :, None]
    loss, _ = info_nce(prediction, target, codes, counts, is_valid)
    one = info_nce(prediction[:1], target[:1], codes[:1], counts[:1], is_valid[:1])[0]
    two = info_nce(
        prediction[1:, :4], target[1:, :4], codes[1:, :4], counts[1:, :4, :4], is_valid[1:, :4]
    )[0]
    torch.testing.assert_close(loss, one + two)
