"""How long writing the state of a run keeps training waiting.

    python benchmarks/checkpoint.py --size base --seconds 60 --threads 2

Weights of the pre-training objective and AdamW's two moments of each, as `anylead pretrain` saves
them every `train.save_every` steps. Told are the time until training goes on, by the wall and by
the processor, the time until the file is on the disk, and, for comparison, that of a plain write by
`torch.save` in between. The first save makes its buffers and is told on its own. Where a save comes
before the one before is written, it waits; here each waits for its file.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import measure
import torch
from torch import nn

from anylead.commands.parts import build_augmentation
from anylead.methods import METHODS, Pretraining
from anylead.models import ENCODER_SIZES, Encoder, MaskedPredictionConfig
from anylead.training.optimizer import OptimizerConfig, build_optimizer
from anylead.training.resume import StateWriter, states


def main() -> None:
    parser = measure.options(__doc__, seconds=60)
    parser.add_argument("--size", default="base", choices=list(ENCODER_SIZES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="to write to; a temporary one if not given")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    module = objective(arguments)
    optimizer = build_optimizer(module, OptimizerConfig())
    fill_moments(optimizer)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        writer = StateWriter(Path(folder), keep_last=1)
        stalls, processor, writes, plain = [], [], [], []
        begin = time.perf_counter()
        while len(stalls) < 4 or time.perf_counter() - begin < arguments.seconds:
            start, cpu = time.perf_counter(), time.thread_time()
            writer.save(module, optimizer, {"step": len(stalls) + 1})
            processor.append(time.thread_time() - cpu)
            stalls.append(time.perf_counter() - start)
            writer.finish()
            writes.append(time.perf_counter() - start)
            plain.append(write_plainly(module, optimizer, Path(folder) / "plain.pt"))
        num_bytes = states(Path(folder))[-1].stat().st_size
    measure.tell(
        "checkpoint",
        arguments,
        used_threads=threads,
        parameters=sum(item.numel() for item in module.parameters()),
        file_mb=num_bytes / 1e6,
        stall_s=spread(stalls[1:]),
        stall_cpu_s=spread(processor[1:]),
        first_stall_s={"wall": stalls[0], "cpu": processor[0]},
        written_s=spread(writes[1:]),
        torch_save_s=spread(plain[1:]),
        peak_memory_mb=measure.peak_memory_mb(),
    )


def objective(arguments: argparse.Namespace) -> Pretraining:
    """What `anylead pretrain` trains."""
    torch.manual_seed(0)
    encoder = Encoder(ENCODER_SIZES[arguments.size])
    method = METHODS["wav2vec2_cmsc"]
    module = Pretraining(encoder, method, build_augmentation([]), MaskedPredictionConfig())
    return module.to(arguments.device)


def fill_moments(optimizer: torch.optim.Optimizer) -> None:
    """The state that steps would make, without their cost."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.ones((), device=parameter.device),
                "exp_avg": torch.randn_like(parameter),
                "exp_avg_sq": torch.rand_like(parameter),
            }


def write_plainly(module: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> float:
    """Seconds that training waits where nothing runs beside it."""
    start = time.perf_counter()
    torch.save({"module": module.state_dict(), "optimizer": optimizer.state_dict()}, path)
    return time.perf_counter() - start


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and largest."""
    return {"median": statistics.median(seconds), "max": max(seconds), "times": len(seconds)}


if __name__ == "__main__":
    main()
