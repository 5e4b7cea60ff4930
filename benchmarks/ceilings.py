"""What the machine can do at most: a large matrix product, a large copy.

    python benchmarks/ceilings.py --seconds 10 --threads 2

The product has the shape of a feed-forward layer of the base encoder, forward only; the copy moves
far more than the caches hold, and counts the bytes read and written.
"""

import measure
import torch


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    rows, dim, hidden = (1248, 768, 3072) if arguments.device == "cpu" else (65536, 768, 3072)
    calls = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        x = torch.randn(rows, dim, device=arguments.device, dtype=dtype)
        weight = torch.randn(hidden, dim, device=arguments.device, dtype=dtype)
        calls[name] = _product(x, weight)
    source = torch.ones(2**28 // 4, device=arguments.device)
    target = torch.empty_like(source)
    calls["copy"] = _synchronized(lambda: target.copy_(source), arguments.device)
    with torch.no_grad():
        found = measure.alternate(calls, arguments.seconds, at_least=5)
    flops = 2 * rows * dim * hidden * _REPEATS
    measure.tell(
        "ceilings",
        arguments,
        used_threads=threads,
        gflops_fp32=flops / found["fp32"]["wall_s"] / 1e9,
        gflops_bf16=flops / found["bf16"]["wall_s"] / 1e9,
        copy_gb_per_s=2 * source.nbytes / found["copy"]["wall_s"] / 1e9,
        # With every core busy with this process alone, both clocks give the same number.
        gflops_fp32_by_cpu_time=threads * flops / found["fp32"]["cpu_s"] / 1e9,
        gflops_bf16_by_cpu_time=threads * flops / found["bf16"]["cpu_s"] / 1e9,
    )


_REPEATS = 8


def _product(x: torch.Tensor, weight: torch.Tensor):
    def run() -> None:
        for _ in range(_REPEATS):
            torch.nn.functional.linear(x, weight)

    return _synchronized(run, x.device.type)


def _synchronized(call, device: str):
    def run() -> None:
        call()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    main()
