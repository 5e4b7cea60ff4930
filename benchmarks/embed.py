"""Embedding: `anylead.load(...).embed` against the plain eager encoder on the same crops.

    python benchmarks/embed.py --size small --seconds 20 --threads 2

"ours" goes the whole way from a signal in millivolts to a vector: preprocessing, windows, batches.
"reference" is the bare `Encoder` in float32 under no_grad, called with crops that are ready.
One recording at a time (latency), and 32 at a time (throughput).
"""

import tempfile
from pathlib import Path

import measure
import numpy as np
import torch

from anylead import inference
from anylead.checkpoint import save_checkpoint
from anylead.models import ENCODER_SIZES, Encoder, describe_encoder, mean_over_frames


def main() -> None:
    parser = measure.options(__doc__, seconds=20)
    parser.add_argument("--size", default="small", choices=list(ENCODER_SIZES))
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    torch.manual_seed(0)
    encoder = Encoder(ENCODER_SIZES[arguments.size]).eval()
    with tempfile.TemporaryDirectory() as folder:
        _save(Path(folder), encoder)
        model = inference.load(folder, device=arguments.device)
    encoder.to(arguments.device)
    signals = np.random.default_rng(0).standard_normal((32, 12, 2500)).astype(np.float32)
    crops = torch.from_numpy(signals).to(arguments.device)

    def plain(rows: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            encoded = encoder(rows)
            return mean_over_frames(encoded.context, encoded.is_padding).cpu().numpy()

    def ours(some: np.ndarray) -> object:
        return model.embed(list(some), sample_rate=500.0, leads="12")

    calls = {
        "ours_1": lambda: ours(signals[:1]),
        "reference_1": lambda: plain(crops[:1]),
        "ours_32": lambda: ours(signals),
        "reference_32": lambda: plain(crops),
    }
    found = measure.alternate(calls, arguments.seconds)
    measure.tell(
        "embed",
        arguments,
        used_threads=threads,
        latency_ms={way: found[f"{way}_1"]["wall_s"] * 1e3 for way in ("ours", "reference")},
        segments_per_s={way: 32 / found[f"{way}_32"]["wall_s"] for way in ("ours", "reference")},
        ratios={f"ours/reference_{n}": measure.ratio(found, f"reference_{n}", f"ours_{n}")
                for n in (1, 32)},
    )  # fmt: skip


def _save(folder: Path, encoder: Encoder) -> None:
    from dataclasses import asdict

    from anylead.signals import PreprocessConfig

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
