import pytest
import torch

from anylead.models.masking import negative_counts, span_mask

SEEDS = torch.arange(64, dtype=torch.int64) * 7919


def runs(flags):
    """Lengths of the runs of True."""
    lengths, length = [], 0
    for flag in [*flags.tolist(), False]:
        if flag:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


def test_every_row_masks_the_share_of_the_paper():
    masked = span_mask(SEEDS, 156)
    assert masked.frames.shape == (64, 76)  # 156 * (1 - (1 - .065) ** 10) = 76.3
    assert masked.is_valid.all()
    assert all(len(row.unique()) == 76 for row in masked.frames)


def test_masked_frames_come_in_spans_of_which_one_may_be_cut():
    for flags in span_mask(SEEDS, 156).flags(156):
        assert sum(length < 10 for length in runs(flags)) <= 1


def test_frames_are_masked_evenly_away_from_the_edges():
    seeds = torch.arange(4000, dtype=torch.int64)
    share = span_mask(seeds, 156).flags(156).float().mean(dim=0)
    inner = share[12:-12]
    assert inner.min() > 0.43 and inner.max() < 0.58


def test_a_row_depends_on_its_seed_alone():
    together = span_mask(SEEDS, 100)
    alone = span_mask(SEEDS[5:6], 100)
    assert set(together.frames[5].tolist()) == set(alone.frames[0].tolist())


def test_padding_is_never_masked_and_shortens_the_mask():
    num_valid = torch.tensor([156, 100, 40, 12, 4])
    is_padding = torch.arange(156) >= num_valid[:, None]
    masked = span_mask(SEEDS[:5], 156, is_padding)
    flags = masked.flags(156)
    assert not (flags & is_padding).any()
    assert flags.sum(dim=1).tolist() == [76, 49, 20, 6, 0]


def test_no_padding_flags_and_none_are_the_same():
    is_padding = torch.zeros(64, 156, dtype=torch.bool)
    assert (span_mask(SEEDS, 156).flags(156) == span_mask(SEEDS, 156, is_padding).flags(156)).all()


def test_negatives_are_other_masked_frames_of_the_row():
    masked = span_mask(SEEDS[:3], 60)
    counts = negative_counts(masked, SEEDS[:3], num_negatives=100)
    assert (counts.sum(dim=2) == 100).all()
    assert (counts.diagonal(dim1=1, dim2=2) == 0).all()


def test_negatives_are_drawn_evenly():
    seeds = torch.arange(500, dtype=torch.int64)
    masked = span_mask(seeds, 60)
    size = masked.frames.shape[1]
    mean = negative_counts(masked, seeds, 100).mean(dim=0)
    others = mean[~torch.eye(size, dtype=torch.bool)]
    assert others.mean().item() == pytest.approx(100 / (size - 1))
    assert others.std() / others.mean() < 0.05


def test_filled_up_places_are_neither_drawn_nor_draw():
    is_padding = torch.arange(60) >= torch.tensor([60, 30])[:, None]
    masked = span_mask(SEEDS[:2], 60, is_padding)
    counts = negative_counts(masked, SEEDS[:2], 100)
    assert (counts[1][~masked.is_valid[1]] == 0).all()
    assert (counts[1][:, ~masked.is_valid[1]] == 0).all()
    assert (counts[1][masked.is_valid[1]].sum(dim=1) == 100).all()
