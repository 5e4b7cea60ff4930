"""Is a grouped convolution in bfloat16 on this CPU still a convolution?

    python benchmarks/bf16_convolution.py

One JSON line per shape: relative difference from float32, by the default library and without
oneDNN. Rounding alone gives about 0.003.
"""

import json

import torch
from torch.nn.functional import conv1d

SHAPES = ((64, 32, 16), (128, 64, 16), (128, 64, 8), (256, 64, 16), (768, 128, 16))


def main() -> None:
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


if __name__ == "__main__":
    main()
