"""S4's convolution against sums written out, and its way back against differences."""

import torch

from anylead.models.s4 import causal_convolution


def test_the_convolution_is_causal_and_its_gradients_are_right():
    torch.manual_seed(0)
    signal = torch.randn(3, 2, 7, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(2, 7, dtype=torch.float64, requires_grad=True)
    by_hand = torch.zeros(3, 2, 7, dtype=torch.float64)
    for token in range(7):
        for before in range(token + 1):
            by_hand[..., token] += kernel[:, before] * signal[..., token - before]
    torch.testing.assert_close(causal_convolution(signal, kernel), by_hand)
    assert torch.autograd.gradcheck(causal_convolution, (signal, kernel))


def test_a_kernel_that_is_not_trained_gets_no_gradient():
    signal = torch.zeros(1, 2, 7, requires_grad=True)
    kernel = torch.randn(2, 7)
    causal_convolution(signal, kernel).sum().backward()
    assert kernel.grad is None
    torch.testing.assert_close(signal.grad[0], kernel.cumsum(1).flip(1))
