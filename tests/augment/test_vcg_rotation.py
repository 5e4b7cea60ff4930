from itertools import product

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from anylead.augment.drawing import lead_scale
from anylead.augment.vcg_rotation import (
    TYPICAL_SCALE,
    VcgRotation,
    apply,
    inverse_dower,
    rotation,
)
from anylead.errors import RecipeError
from anylead.leads import DOWER, EINTHOVEN, lead_mask
from augment.ecg_batches import ecg_batch, make_batch

EIGHT = [0, 1, 6, 7, 8, 9, 10, 11]
# Edenbrandt and Pahlm 1988, their table of inverse Dower coefficients: I, II, V1 ... V6.
PUBLISHED_INVERSE = np.array(
    [
        [0.156, -0.010, -0.172, -0.074, 0.122, 0.231, 0.239, 0.194],
        [-0.227, 0.887, 0.057, -0.019, -0.106, -0.022, 0.041, 0.048],
        [0.022, 0.102, -0.229, -0.310, -0.246, -0.063, 0.055, 0.108],
    ]
)
# The reference's own rounding of it; its forward matrix is the pseudo-inverse.
PEER_INVERSE = np.array(
    [
        [0.156, -0.009, -0.172, -0.073, 0.122, 0.231, 0.239, 0.193],
        [-0.227, 0.886, 0.057, -0.019, -0.106, -0.022, 0.040, 0.048],
        [0.021, 0.102, -0.228, -0.310, -0.245, -0.063, 0.054, 0.108],
    ]
)


def dipole(rows=5, time=200, seed=0):
    """Leads that a turning dipole makes, and nothing else."""
    vector = torch.randn(rows, 1, 3, time, generator=torch.Generator().manual_seed(seed))
    signal = torch.from_numpy(DOWER).float() @ vector
    has_lead = torch.ones(rows, 1, 12, dtype=torch.bool)
    return make_batch(signal, has_lead, torch.full((rows, 1), time), torch.arange(rows)), vector


def test_the_inverse_of_all_leads_is_the_published_one():
    inverse = inverse_dower(np.ones((1, 12), dtype=bool))[0]
    np.testing.assert_allclose(inverse[:, EIGHT], PUBLISHED_INVERSE, atol=6e-4)
    assert not inverse[:, 2:6].any()


def test_rotation_equals_scipys():
    degrees = torch.rand(20, 3) * 180 - 90
    expected = Rotation.from_euler("zyx", degrees.numpy(), degrees=True).as_matrix()
    np.testing.assert_allclose(rotation(degrees), expected, atol=1e-6)


@pytest.mark.parametrize("view", [0, 1])
def test_equals_the_reference_given_its_matrices_and_draws(golden, view):
    with np.load(golden / "augmentations.npz") as file:
        source, expected = file["source"], file[f"threekg_out{view + 1}"]
        degrees = torch.as_tensor(file["threekg_draw0_uniform"][3 * view :][:3]).float()
        scale = torch.as_tensor(file["threekg_draw1_uniform"][3 * view :][:3]).float()
    forward = np.linalg.pinv(PEER_INVERSE)
    is_seen = expected != 0  # the rest is its time mask
    source = torch.as_tensor(source).float()
    turn = rotation(degrees)
    theirs = apply(
        source[EIGHT],
        torch.tensor(PEER_INVERSE).float(),
        torch.tensor(forward).float(),
        turn,
        scale,
    )
    np.testing.assert_allclose(
        theirs.numpy()[is_seen[EIGHT]], expected[EIGHT][is_seen[EIGHT]], atol=1e-5
    )
    inverse = torch.from_numpy(inverse_dower(np.ones((1, 12), dtype=bool))[0]).float()
    ours = apply(source, inverse, torch.from_numpy(DOWER).float(), turn, scale).numpy()
    assert np.abs(ours - expected)[is_seen].max() < 0.02 * np.abs(expected).max()


def test_a_dipole_is_turned_and_scaled_in_space():
    batch, vector = dipole()
    moved = VcgRotation(max_scale=1.0)(batch).signal
    inverse = torch.from_numpy(np.linalg.pinv(DOWER)).float()
    after = inverse @ moved
    torch.testing.assert_close(after.norm(dim=2), vector.norm(dim=2), rtol=1e-3, atol=1e-3)
    assert (after - vector).abs().amax((1, 2, 3)).min() > 0.05


def test_without_angle_and_scale_a_dipole_stays_as_it_is():
    batch, _ = dipole()
    after = VcgRotation(max_angle=0.0, max_scale=1.0)(batch).signal
    torch.testing.assert_close(after, batch.signal, rtol=1e-4, atol=1e-4)


def test_the_lead_relations_still_hold_afterwards():
    signal = VcgRotation()(ecg_batch()).signal
    expected = torch.einsum("ij,bsjt->bsit", torch.tensor(EINTHOVEN).float(), signal[:, :, :2])
    torch.testing.assert_close(signal[:, :, :6], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("leads", ["I,II,V2", "III,aVL,V2", "V1,V2,V6,I", "aVR,aVL,V4,V6", "12"])
def test_three_independent_leads_are_enough_to_know_the_vector(leads):
    batch, vector = dipole()
    mask = torch.from_numpy(lead_mask(leads))
    inverse = torch.from_numpy(inverse_dower(mask.numpy()[None])[0]).float()
    torch.testing.assert_close(
        inverse @ (batch.signal * mask[:, None]), vector, rtol=1e-3, atol=1e-3
    )
    fewer = make_batch(
        batch.signal * mask[:, None],
        batch.has_lead & mask,
        batch.num_samples,
        batch.seed,
    )
    expected = VcgRotation()(batch).signal[:, :, mask]
    torch.testing.assert_close(
        VcgRotation()(fewer).signal[:, :, mask], expected, rtol=1e-3, atol=1e-3
    )


def test_every_subset_has_an_inverse_that_uses_present_leads_only():
    subsets = np.array(list(product((False, True), repeat=12)))
    inverse = inverse_dower(subsets)
    assert np.isfinite(inverse).all()
    assert not inverse[~np.broadcast_to(subsets[:, None], inverse.shape)].any()


def test_no_subset_of_leads_blows_up_noise():
    subsets = np.array(list(product((False, True), repeat=12)))
    forward = np.linalg.norm(DOWER * subsets[:, :, None], ord=2, axis=(1, 2))
    inverse = np.linalg.norm(inverse_dower(subsets), ord=2, axis=(1, 2))
    assert (forward * inverse).max() < 20  # the most that any rotation can make of the noise


def test_relative_gives_the_same_whatever_factor_each_lead_was_divided_by():
    batch = ecg_batch(rows=3)
    factor = torch.rand(3, 2, 12, 1) + 0.1
    scaled = make_batch(batch.signal / factor, batch.has_lead, batch.num_samples, batch.seed)
    torch.testing.assert_close(
        VcgRotation(relative=True)(scaled).signal * factor,
        VcgRotation(relative=True)(batch).signal,
        rtol=1e-3,
        atol=1e-4,
    )


def test_relative_changes_nothing_for_leads_that_have_their_typical_scale():
    batch = ecg_batch(rows=3)
    typical = torch.tensor(TYPICAL_SCALE)[:, None]
    signal = batch.signal / lead_scale(batch)[..., None] * typical
    batch = make_batch(signal, batch.has_lead, batch.num_samples, batch.seed)
    torch.testing.assert_close(
        VcgRotation(relative=True)(batch).signal, VcgRotation()(batch).signal, rtol=1e-3, atol=1e-4
    )


def test_refuses_a_scale_below_1():
    with pytest.raises(RecipeError, match="max_scale"):
        VcgRotation(max_scale=0.5)
