"""What an exported model of fewer bits loses: AUROC by label task, beside the model itself.

    python benchmarks/exported.py MODEL STORE --precision int8

The export is made by `anylead export`, and both see the same windows of the same recordings, with
all leads. "cpu_ms" are milliseconds of one window, 128 at a time, the two in turn; "bf16" is the
model itself in that precision.
"""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import measure
import numpy as np
import onnxruntime
import torch
from scipy.special import expit

from anylead.checkpoint import load_checkpoint
from anylead.commands import export
from anylead.evaluation import EVALUATIONS, Settings
from anylead.inference import named
from anylead.loading import evaluation_batches
from anylead.metrics.classification import classification_scores
from anylead.models.frozen import freeze
from anylead.objective import Batch

RECORDINGS = 32


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    parser.add_argument("model", help="a folder, or the name of a model")
    parser.add_argument("store")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--precision", default="int8", choices=["fp32", "fp16", "int8"])
    parser.add_argument("--most", type=int, default=10**9, help="recordings")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    folder = Path(named.find(arguments.model).path)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        export.run(export.Recipe(str(folder), path, precision=arguments.precision))
        session = open_session(path, threads)
        megabytes = path.stat().st_size / 1e6
    settings = Settings(store=arguments.store, split=arguments.split, device="cpu")
    checkpoint = load_checkpoint(folder)
    opened = EVALUATIONS[checkpoint.description["kind"]].open(folder, checkpoint, settings)
    head = opened.head
    samples = round(head.segment_seconds * head.store.manifest.sample_rate)
    copies = {
        "model": (freeze(head.module, samples, torch.float32), torch.float32),
        "bf16": (freeze(head.module, samples, torch.bfloat16), torch.bfloat16),
    }
    ways = {
        "model": lambda batch: plain(*copies["model"], batch),
        "bf16": lambda batch: plain(*copies["bf16"], batch),
        arguments.precision: lambda batch: exported(session, batch),
    }
    rows, said = [], defaultdict(list)
    chosen = head.rows[: arguments.most]
    for batch in evaluation_batches(head.store, chosen, head.segment_seconds, RECORDINGS):
        moved = batch.to("cpu")
        rows.append(batch.record.numpy())
        for way, run in ways.items():
            logits = run(moved).reshape(len(moved.record), -1, len(head.names))
            said[way].append(logits.mean(axis=1))
    probability = {way: expit(np.concatenate(each)) for way, each in said.items()}
    found = measure.alternate(
        {way: lambda run=run: run(moved) for way, run in ways.items()}, arguments.seconds
    )
    windows = len(moved.signal.flatten(0, 1))
    label = opened.labels.of(np.concatenate(rows))
    measure.tell(
        "exported",
        arguments,
        used_threads=threads,
        records=len(label),
        megabytes=megabytes,
        largest_difference={
            way: float(np.abs(p - probability["model"]).max()) for way, p in probability.items()
        },
        auroc={
            task.task: {
                way: classification_scores(label[:, task.columns], p[:, task.columns]).macro_auroc
                for way, p in probability.items()
            }
            for task in opened.by_task()
        },
        cpu_ms={way: times["cpu_s"] * 1e3 / windows for way, times in found.items()},
    )


def open_session(path: Path, threads: int) -> Any:
    """ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


@torch.inference_mode()
def plain(module: Any, precision: torch.dtype, batch: Batch) -> np.ndarray:
    """(recording, window, label) logits of the model itself."""
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        return module.logits(batch).float().numpy()


def exported(session: Any, batch: Batch) -> np.ndarray:
    """(window, label) logits of the export."""
    inputs = (batch.signal.flatten(0, 1).numpy(), batch.has_lead.flatten(0, 1).numpy())
    names = [each.name for each in session.get_inputs()]
    return session.run(["logits"], dict(zip(names, inputs, strict=False)))[0]


if __name__ == "__main__":
    main()
