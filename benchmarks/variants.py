"""Parts of the step against their plain forms, forward and backward, base size.

    python benchmarks/variants.py --seconds 20 --threads 1 --precision fp32

Dropout, attention with dropout, positional convolution: the ones in use. Feature extractor as
products of reshaped frames: tried, not in use.
"""

import measure
import torch
from torch import Tensor
from torch.nn import functional

from anylead.models.dropout import dropout
from anylead.models.feature_extractor import ConvFeatureExtractor
from anylead.models.positional import ConvPosition
from anylead.models.transformer import TransformerLayer

ROWS, FRAMES, DIM = 8, 156, 768


def main() -> None:
    parser = measure.options(__doc__, seconds=20)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    torch.manual_seed(0)
    is_bf16 = arguments.precision == "bf16"
    pairs = {
        "dropout": _dropouts(is_bf16),
        "attention": _attentions(),
        "position": _positions(),
        "features": _features(),
    }
    found, milliseconds = {}, {}
    for name, (plain, other) in pairs.items():
        calls = {"plain": _trained(plain, is_bf16), "other": _trained(other, is_bf16)}
        times = measure.alternate(calls, arguments.seconds / len(pairs))
        found[name] = measure.ratio(times, "plain", "other")
        milliseconds[name] = {way: 1000 * t["cpu_s"] for way, t in times.items()}
    measure.tell(
        "variants", arguments, used_threads=threads, cpu_ms=milliseconds, plain_over_other=found
    )


def _trained(forward, is_bf16: bool):
    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            out = forward()
        out.float().sum().backward()

    return run


def _dropouts(is_bf16: bool):
    x = torch.randn(ROWS, FRAMES, DIM, dtype=torch.bfloat16 if is_bf16 else torch.float32)
    x.requires_grad_()
    return lambda: functional.dropout(x, 0.1), lambda: dropout(x, 0.1)


def _attentions():
    layer = TransformerLayer(DIM, 12, 3072).train()
    x = torch.randn(ROWS, FRAMES, DIM, requires_grad=True)

    def plain() -> Tensor:
        query, key, value = layer.heads(x)
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=0.1)
        return layer.out_projection(mixed.transpose(1, 2).flatten(2))

    return plain, lambda: layer.attend(x, None)


def _positions():
    module = ConvPosition(DIM, 128, 16)
    x = torch.randn(ROWS, FRAMES, DIM, requires_grad=True)
    return lambda: module.eval()(x), lambda: module.train()(x)


def _features():
    module = ConvFeatureExtractor(12, ((256, 2, 2),) * 4)
    signal = torch.randn(ROWS, 12, 2500)

    def products() -> Tensor:
        first, *rest = module.convs
        x = functional.gelu(module.norm(first(signal))).transpose(1, 2).contiguous()
        for conv in rest:
            num = x.shape[1] // 2
            pairs = x[:, : 2 * num].reshape(len(x), num, -1)
            x = functional.gelu(functional.linear(pairs, conv.weight.transpose(1, 2).flatten(1)))
        return x

    return lambda: module(signal), products


if __name__ == "__main__":
    main()
