"""A trained model at work: embedding, evaluation and fine-tuning against the plain eager module.

    python benchmarks/inference.py --size small --seconds 20 --threads 1

One JSON line for each of embed_1 (one recording of 5 s: latency), embed_32 and evaluate_128 (32 at
a time: throughput), finetune_32 (one step). "plain" is the encoder of `reference_step.py` with a
linear head, in float32 and under bfloat16 autocast, called with float32 millivolts that are ready.
"bare" is the `Encoder` of anylead in the same way. "ours" goes the whole way: `Model.embed` from
arrays in mV (preprocessing, windows), `predict` and the loop from int16 batches.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import measure
import numpy as np
import torch
from reference_step import ReferenceAdam, ReferenceClassifier
from step import PRECISIONS, autocast, count_forward, loop_step, wait
from torch.nn.functional import binary_cross_entropy_with_logits

from anylead.checkpoint import save_checkpoint
from anylead.inference import model as inference
from anylead.models import ENCODER_SIZES, Encoder, describe_encoder
from anylead.objective import Batch
from anylead.signals import PreprocessConfig
from anylead.tasks.linear_head import LinearHead
from anylead.tasks.prediction import predict
from anylead.training.distributed import World
from anylead.training.optimizer import OptimizerConfig, build_optimizer

ROWS, TIME, LABELS = 32, 2500, 26
Calls = dict[str, Callable[[], object]]


def main() -> None:
    parser = measure.options(__doc__, seconds=20)
    parser.add_argument("--size", default="small", choices=list(ENCODER_SIZES))
    parser.add_argument("--device", default="cpu")
    known = ("embed_1", "embed_32", "evaluate_128", "finetune_32")
    parser.add_argument("--only", default="", help=f"some of {', '.join(known)}")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    torch.manual_seed(0)
    made = {
        "embed_1": lambda: embed(arguments, 1),
        "embed_32": lambda: embed(arguments, ROWS),
        "evaluate_128": lambda: evaluate(arguments),
        "finetune_32": lambda: finetune(arguments),
    }
    for name in arguments.only.split(",") if arguments.only else known:
        found = measure.alternate(made[name](), arguments.seconds)
        ours = [way for way in found if way.startswith("ours")]
        others = [way for way in found if not way.startswith("ours")]
        rows = int(name.rpartition("_")[2])
        flops = count_forward(ENCODER_SIZES[arguments.size], rows)
        measure.tell(
            f"inference {name}",
            arguments,
            used_threads=threads,
            cpu_ms={way: times["cpu_s"] * 1e3 for way, times in found.items()},
            wall_ms={way: times["wall_s"] * 1e3 for way, times in found.items()},
            gflops_forward={way: flops / times["wall_s"] / 1e9 for way, times in found.items()},
            segments_per_cpu_s={way: rows / times["cpu_s"] for way, times in found.items()},
            ratios={f"{a}/{b}": measure.ratio(found, a, b) for a in others for b in ours},
        )


def embed(arguments: argparse.Namespace, rows: int) -> Calls:
    """Vectors of recordings."""
    encoder = Encoder(ENCODER_SIZES[arguments.size]).eval()
    signals = np.random.default_rng(0).standard_normal((rows, 12, TIME)).astype(np.float32)
    crops = torch.from_numpy(signals).to(arguments.device)
    calls: Calls = {}
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), encoder)
        models = {
            name: inference.load(folder, device=arguments.device, precision=name)
            for name in PRECISIONS
        }
    encoder.to(arguments.device)
    plain = ReferenceClassifier(arguments.size, LABELS).to(arguments.device).eval()

    def run(context: Callable[[], torch.Tensor], dtype: torch.dtype) -> np.ndarray:
        with torch.no_grad(), autocast(crops.device, dtype):
            return context().float().mean(dim=1).cpu().numpy()

    for name, dtype in PRECISIONS.items():
        calls[f"plain_{name}"] = lambda dtype=dtype: run(lambda: plain.context(crops), dtype)
        calls[f"bare_{name}"] = lambda dtype=dtype: run(lambda: encoder(crops).context, dtype)
        calls[f"ours_{name}"] = lambda model=models[name]: model.embed(
            list(signals), sample_rate=500.0, leads="12"
        )
    return calls


def evaluate(arguments: argparse.Namespace) -> Calls:
    """Logits of four batches, as `anylead evaluate` makes them."""
    device = torch.device(arguments.device)
    task = classification(arguments)
    plain = ReferenceClassifier(arguments.size, LABELS).to(device).eval()
    read = batch()
    signal = read.to(device).signal.flatten(0, 1)

    def run(dtype: torch.dtype) -> np.ndarray:
        with torch.no_grad(), autocast(device, dtype):
            return plain(signal).float().cpu().numpy()

    calls: Calls = {}
    for name, dtype in PRECISIONS.items():
        calls[f"plain_{name}"] = lambda dtype=dtype: [run(dtype) for _ in range(4)]
        calls[f"ours_{name}"] = lambda dtype=dtype: predict(task, [read] * 4, device, dtype)
    return calls


def finetune(arguments: argparse.Namespace) -> Calls:
    """One optimizer step of a classifier."""
    device = torch.device(arguments.device)
    calls: Calls = {}
    for name, dtype in PRECISIONS.items():
        plain = ReferenceClassifier(arguments.size, LABELS).to(device).train()
        calls[f"plain_{name}"] = plain_step(plain, device, dtype)
        task = classification(arguments).train()
        optimizer = build_optimizer(task, OptimizerConfig())
        calls[f"ours_{name}"] = loop_step(task, optimizer, batch(), device, dtype, World())
    return calls


def plain_step(
    model: ReferenceClassifier, device: torch.device, dtype: torch.dtype
) -> Callable[[], None]:
    optimizer = ReferenceAdam(model.parameters())
    ready = batch().to(device)
    signal, label = ready.signal.flatten(0, 1), ready.label

    def run() -> None:
        optimizer.zero_grad()
        with autocast(device, dtype):
            logits = model(signal)
        loss = binary_cross_entropy_with_logits(logits.float(), label)
        loss.backward()
        optimizer.step()
        loss.item()
        wait(device)

    return run


def classification(arguments: argparse.Namespace) -> LinearHead:
    encoder = Encoder(ENCODER_SIZES[arguments.size])
    return LinearHead(encoder, LABELS, lambda given: given).to(arguments.device)


def batch() -> Batch:
    """One segment each of generated recordings, as a loader gives them."""
    number = torch.arange(ROWS)
    return Batch(
        signal=torch.randint(-2000, 2000, (ROWS, 1, 12, TIME), dtype=torch.int16),
        has_lead=torch.ones(ROWS, 1, 12, dtype=torch.bool),
        num_samples=None,
        patient=number,
        record=number,
        seed=number * 7919 + 1,
        step=torch.tensor(0),
        label=(torch.rand(ROWS, LABELS) < 0.1).float(),
        scale=torch.full((ROWS, 12), 1e-3),
    )


def save(folder: Path, encoder: Encoder) -> None:
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    description = {
        "kind": "pretraining",
        "encoder": describe_encoder(encoder),
        "local": None,
        "preprocess": asdict(PreprocessConfig()),
        "segment_seconds": 5.0,
        "unit": "mV",
        "provenance": {},
    }
    save_checkpoint(folder, tensors, description)


if __name__ == "__main__":
    main()
