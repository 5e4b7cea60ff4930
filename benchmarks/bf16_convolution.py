"""Is a convolution in bfloat16 on this CPU still a convolution?

    python benchmarks/bf16_convolution.py

One JSON line per shape. Grouped ones: relative difference from float32, by the default library and
without oneDNN; rounding alone gives about 0.003. Strided ones: how many of 20 gradients of the
weights are not finite, while freed memory holds NaN; `uncovered` is what no window reaches.
"""

import json

import torch
from torch.nn.functional import conv1d

SHAPES = ((64, 32, 16), (128, 64, 16), (128, 64, 8), (256, 64, 16), (768, 128, 16))

STRIDED = ((2, 310), (5, 309), (5, 310), (7, 308), (7, 309), (7, 310), (7, 312))


def main() -> None:
    for shape in STRIDED:
        print(json.dumps(strided(*shape)))
    for dim, kernel, groups in SHAPES:
        torch.manual_seed(0)
        x, weight = torch.randn(4, dim, 78), torch.randn(dim, dim // groups, kernel)
        exact = conv1d(x, weight, padding=kernel // 2, groups=groups)
        low = x.bfloat16(), weight.bfloat16()
        default = conv1d(*low, padding=kernel // 2, groups=groups).float()
        with torch.backends.mkldnn.flags(enabled=False):
            native = conv1d(*low, padding=kernel // 2, groups=groups).float()
        line = {
            "dim": dim,
            "kernel": kernel,
            "groups": groups,
            "channels_per_group": dim // groups,
            "default": round(((default - exact).norm() / exact.norm()).item(), 4),
            "without_onednn": round(((native - exact).norm() / exact.norm()).item(), 4),
            "torch": torch.__version__,
        }
        print(json.dumps(line))


def strided(kernel: int, time: int, dim: int = 64, rows: int = 32) -> dict[str, object]:
    torch.manual_seed(0)
    num_bad = 0
    for _ in range(20):
        x = torch.randn(rows, dim, time).bfloat16()
        weight = torch.randn(dim, dim, kernel).bfloat16().requires_grad_()
        leave_nan(rows, dim, time)
        y = conv1d(x.requires_grad_(), weight, stride=2)
        gradient = torch.randn_like(y)
        leave_nan(rows, dim, time)
        y.backward(gradient)
        num_bad += not weight.grad.isfinite().all()
    uncovered = (time - kernel) % 2
    named = {"dim": dim, "kernel": kernel, "stride": 2, "time": time, "uncovered": uncovered}
    return {**named, "not_finite_of_20": num_bad, "torch": torch.__version__}


def leave_nan(rows: int, dim: int, time: int) -> None:
    """Write NaN into memory of the sizes that are about to be asked for, and free it."""
    sizes = (2 * rows * dim * time, rows * dim * time, rows * dim * (time // 2), dim * dim * 7)
    for size in sizes * 3:
        torch.full((size,), torch.nan, dtype=torch.bfloat16)


if __name__ == "__main__":
    main()
