"""One pre-training step (W2V + CMSC + RLM) against the plain step of `reference_step.py`.

    python benchmarks/step.py --size base --recordings 4 --seconds 60 --threads 2
    python benchmarks/step.py --size small --recordings 16 --seconds 60 --threads 2
    python benchmarks/step.py --size base --recordings 512 --device cuda --compile

Both take the same number of recordings, leads, samples and masked frames and the same kind of
optimizer step, in turn in this process. Peak memory comes from a process of its own for each.
FLOPs are counted by hand (`count_flops`) and by torch's FlopCounterMode.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import measure
import torch
from reference_step import ReferenceAdam, ReferencePretraining
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from anylead.commands.parts import build_augmentation
from anylead.methods import METHODS, Pretraining
from anylead.models import ENCODER_SIZES, Encoder, EncoderConfig, MaskedPredictionConfig
from anylead.objective import Batch, Objective
from anylead.training.distributed import World
from anylead.training.loop import train
from anylead.training.optimizer import OptimizerConfig, build_optimizer

TIME = 2500
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def main() -> None:
    parser = measure.options(__doc__, seconds=60)
    parser.add_argument("--size", default="small", choices=list(ENCODER_SIZES))
    parser.add_argument("--recordings", type=int, default=16, help="of two segments each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--recompute", action="store_true", help="as train.recompute does")
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--profile", action="store_true", help="tell only which operators take it")
    parser.add_argument("--memory-of", help="run one variant only and tell its peak memory")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    if arguments.memory_of:
        print(json.dumps(memory_of(arguments)))
        return
    if arguments.profile:
        shares = {name: operators(arguments, dtype) for name, dtype in PRECISIONS.items()}
        measure.tell("operators", arguments, used_threads=threads, shares=shares)
        return
    calls = {f"ours_{name}": our_step(arguments, dtype) for name, dtype in PRECISIONS.items()}
    if not arguments.no_reference:
        for name, dtype in PRECISIONS.items():
            calls[f"reference_{name}"] = reference_step(arguments, dtype)
    found = measure.alternate(calls, arguments.seconds)
    segments = 2 * arguments.recordings
    config = ENCODER_SIZES[arguments.size]
    flops = count_flops(config, segments)
    ratios = {}
    if not arguments.no_reference:
        pairs = [("fp32", "fp32"), ("bf16", "bf16"), ("fp32", "bf16")]
        ratios = {
            f"reference_{a}/ours_{b}": measure.ratio(found, f"reference_{a}", f"ours_{b}")
            for a, b in pairs
        }
    measure.tell(
        "step",
        arguments,
        used_threads=threads,
        segments=segments,
        step=found,
        segments_per_s={name: segments / times["wall_s"] for name, times in found.items()},
        gflops={name: flops / times["wall_s"] / 1e9 for name, times in found.items()},
        ratios=ratios,
        parts={name: parts(arguments, dtype) for name, dtype in PRECISIONS.items()},
        gflop_by_hand=flops / 1e9,
        gflop_by_torch=count_by_torch(arguments) / 1e9,
        gbytes=count_bytes(arguments) / 1e9,
        peak_memory_mb=memories(arguments, list(calls)),
    )


def objective_and_batch(arguments: argparse.Namespace) -> tuple[Pretraining, Batch]:
    """What `anylead pretrain` trains, and generated signals."""
    torch.manual_seed(0)
    method = METHODS["wav2vec2_cmsc"]
    augment = build_augmentation([{"name": "random_lead_mask"}])
    encoder = Encoder(ENCODER_SIZES[arguments.size])
    objective = Pretraining(encoder, method, augment, MaskedPredictionConfig())
    number = torch.arange(arguments.recordings)
    shape = (arguments.recordings, 2, 12)
    batch = Batch(
        signal=torch.randn(*shape, TIME),
        has_lead=torch.ones(shape, dtype=torch.bool),
        num_samples=None,
        patient=number,
        record=number,
        seed=number * 7919 + 1,
        step=torch.tensor(0),
    )
    for layer in encoder.layers:
        layer.recomputes = arguments.recompute
    return objective.to(arguments.device).train(), batch


def our_step(
    arguments: argparse.Namespace, dtype: torch.dtype, world: World | None = None
) -> Callable[[], None]:
    """One step of the pre-training that `arguments` name."""
    objective, batch = objective_and_batch(arguments)
    optimizer = build_optimizer(objective, OptimizerConfig())
    device = torch.device(arguments.device)
    if device.type == "cuda":
        batch = batch.pin()
    forward = torch.compile(objective) if arguments.compile else objective
    return loop_step(forward, optimizer, batch, device, dtype, world or World())


def loop_step(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    device: torch.device,
    dtype: torch.dtype,
    world: World,
) -> Callable[[], None]:
    """One step of the very loop of the package; whether the loss is finite is looked at."""

    def run() -> None:
        train(
            objective,
            [(0, [batch])],
            optimizer,
            learning_rate=lambda step: OptimizerConfig().learning_rate,
            max_grad_norm=0.0,
            device=device,
            precision=dtype,
            world=world,
            on_step=lambda taken: taken.check(),
        )
        wait(device)

    return run


def reference_step(arguments: argparse.Namespace, dtype: torch.dtype) -> Callable[[], None]:
    """One step of the reference."""
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    model = ReferencePretraining(arguments.size).to(device).train()
    optimizer = ReferenceAdam(model.parameters())
    _, batch = objective_and_batch(arguments)

    def run() -> None:
        optimizer.zero_grad()
        with autocast(device, dtype):
            loss, terms, _ = model(batch.signal.to(device), batch.patient.to(device))
        (loss / terms).backward()
        optimizer.step()
        wait(device)

    return run


def parts(arguments: argparse.Namespace, dtype: torch.dtype) -> dict[str, float]:
    """Seconds of forward, backward and optimizer of our step, medians of three."""
    objective, batch = objective_and_batch(arguments)
    optimizer = build_optimizer(objective, OptimizerConfig())
    device = torch.device(arguments.device)
    batch = batch.to(device)
    seconds: dict[str, list[float]] = {"forward": [], "backward": [], "optimizer": []}
    for _ in range(4):
        times = [time.perf_counter()]
        with autocast(device, dtype):
            step = objective(batch)
        wait(device)
        times.append(time.perf_counter())
        torch.autograd.backward(step.loss / step.terms)
        wait(device)
        times.append(time.perf_counter())
        optimizer.step()
        optimizer.zero_grad()
        wait(device)
        times.append(time.perf_counter())
        for name, begin, end in zip(seconds, times, times[1:], strict=False):
            seconds[name].append(end - begin)
    return {name: sorted(values[1:])[1] for name, values in seconds.items()}


def operators(arguments: argparse.Namespace, dtype: torch.dtype) -> dict[str, float]:
    """Share of each operator in the time of the processor of one step, the largest first."""
    run = our_step(arguments, dtype)
    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    time_of = {each.key: each.self_cpu_time_total for each in profile.key_averages()}
    shares = {name: time / sum(time_of.values()) for name, time in time_of.items()}
    largest = sorted(shares, key=lambda name: -shares[name])
    return {name: round(shares[name], 4) for name in largest if shares[name] > 0.005}


def count_flops(config: EncoderConfig, rows: int) -> float:
    """Floating-point operations of the matrix products of a step: forward, and twice back."""
    frames, first, _ = _convolutions(config)
    dim, before = config.dim, config.conv_layers[-1][0]
    masked = round((1 - (1 - 0.065) ** 10) * frames)
    local = MaskedPredictionConfig()
    codes = local.num_groups * local.num_codes
    head = 2 * masked * (before * codes + codes * local.dim // local.num_groups)
    head += 2 * masked * (local.dim * local.dim + dim * local.dim + masked * local.dim)
    # The signal needs no gradient, and neither do the codebooks by the soft choice.
    spared = first + 2 * masked * codes * local.dim // local.num_groups
    return rows * (3 * (count_forward(config, 1) + head) - spared)


def count_forward(config: EncoderConfig, rows: int) -> float:
    """Floating-point operations of the matrix products of the encoder alone, one way."""
    frames, _, convs = _convolutions(config)
    dim = config.dim
    layer = 2 * frames * dim * (4 * dim + 2 * config.ffn_dim) + 4 * frames * frames * dim
    position = 2 * (frames + 1) * dim * (dim // config.conv_pos_groups) * config.conv_pos_kernel
    project = 2 * frames * config.conv_layers[-1][0] * dim
    return rows * (convs + project + position + config.num_layers * layer)


def _convolutions(config: EncoderConfig) -> tuple[int, float, float]:
    """Frames of a segment; operations of the first convolution, and of all."""
    frames, before, each = TIME, 12, []
    for channels, kernel, stride in config.conv_layers:
        frames = (frames - kernel) // stride + 1
        each.append(2.0 * frames * channels * before * kernel)
        before = channels
    return frames, each[0], sum(each)


def count_by_torch(arguments: argparse.Namespace) -> float:
    """What FlopCounterMode sees; it does not count transforms by FFT, nor elementwise work."""
    objective, batch = objective_and_batch(arguments)
    batch = batch.to(arguments.device)
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(objective(batch).loss)
    return float(counter.get_total_flops())


def count_bytes(arguments: argparse.Namespace) -> float:
    """Bytes a step cannot avoid in fp32.

    Weights: read forward and back, gradients written, Adam reads four and writes three numbers.
    Activations: what is kept for the way back, written once and read once.
    """
    objective, batch = objective_and_batch(arguments)
    batch = batch.to(arguments.device)
    kept: dict[tuple[int, int], int] = {}
    own = {parameter.data_ptr() for parameter in objective.parameters()}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr(), storage.nbytes()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        step = objective(batch)
    del step
    weights = sum(parameter.numel() for parameter in objective.parameters())
    return 4 * weights * (2 + 1 + 7) + 2 * sum(kept.values())


def memories(arguments: argparse.Namespace, names: list[str]) -> dict[str, float]:
    """Peak memory of two steps of each variant, each in its own process."""
    found = {}
    for name in names:
        command = [sys.executable, __file__, "--memory-of", name, "--size", arguments.size]
        command += ["--recordings", str(arguments.recordings), "--device", arguments.device]
        command += ["--threads", str(arguments.threads)]
        command += [f"--{flag}" for flag in ("compile", "recompute") if vars(arguments)[flag]]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[name] = json.loads(out)
    return found


def memory_of(arguments: argparse.Namespace) -> float:
    """Peak memory in MB of this process, or of the GPU, after two steps."""
    who, precision = arguments.memory_of.split("_")
    make = our_step if who == "ours" else reference_step
    run = make(arguments, PRECISIONS[precision])
    run()
    run()
    if torch.device(arguments.device).type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return measure.peak_memory_mb()


def autocast(device: torch.device, dtype: torch.dtype):
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype=dtype)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
