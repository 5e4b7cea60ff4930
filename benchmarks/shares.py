"""What of a pre-training run is not the step itself: loading, masks, augmentation, logs, states.

    python benchmarks/shares.py --size small --steps 60

Processor time of one thread within the loop of `anylead pretrain` (W2V + CMSC with random lead
masking). "loading" is what the reading thread does and the way to millivolts; "masks" are spans,
negatives and the noise of the codes; of states one is counted for every 500 steps, as is usual.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure

from anylead.commands import prepare, pretrain
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.loading import TrainingLoader
from anylead.methods import pretraining
from anylead.models.quantizer import GumbelQuantizer
from anylead.objective import Batch
from anylead.training import watching
from anylead.training.resume import StateWriter
from anylead.training.settings import TrainConfig

PARTS: dict[str, list[tuple[Any, str]]] = {
    "loading": [(TrainingLoader, "batch"), (Batch, "to")],
    "masks": [
        (pretraining, "span_mask"),
        (pretraining, "negative_counts"),
        (GumbelQuantizer, "gumbel_noise"),
    ],
    "logs": [(watching.Watcher, "_log"), (watching.Watcher, "_check")],
    "states": [(StateWriter, "save"), (StateWriter, "_write")],
}
USUAL_SAVE_EVERY = 500


class Meter:
    """Seconds of processor time, and calls, by name."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def around(self, name: str, call: Callable[..., Any], clock: Callable[[], float]) -> Any:
        """The same function, watched."""

        def watched(*arguments: Any, **named: Any) -> Any:
            begin = clock()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[name] += clock() - begin
                self.calls[name] += 1

        return watched


def main() -> None:
    parser = measure.options(__doc__, seconds=0)
    parser.add_argument("--size", default="small")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--recordings", type=int, default=64, help="pairs of segments a step")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--store", type=Path, help="else one is generated")
    arguments = parser.parse_args()
    measure.set_threads(1)
    meter = Meter()
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, meter.around(part, getattr(owner, name), time.thread_time))
    build = pretrain.build_augmentation
    pretrain.build_augmentation = lambda listed: meter.around(
        "augmentation", build(listed), time.thread_time
    )
    pretrain.fit = meter.around("all", pretrain.fit, time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        pretrain.run(recipe(arguments, Path(folder)))
    states = meter.calls["states"] / 2  # each is copied, and written
    seconds = {name: value / arguments.steps for name, value in meter.seconds.items()}
    kept = meter.seconds["states"] / states / USUAL_SAVE_EVERY
    whole = seconds.pop("all") - seconds["states"] + kept
    seconds["states"] = kept
    shares = {name: seconds[name] / whole for name in (*PARTS, "augmentation")}
    for name, share in shares.items():
        print(f"{name:<14}{seconds[name] * 1e3:9.3f} ms a step {share:8.2%}")
    print(
        f"{'together':<14}{sum(seconds.values()) * 1e3:9.3f} ms a step {sum(shares.values()):8.2%}"
    )
    measure.tell("shares", arguments, step_ms=whole * 1e3, together=sum(shares.values()), **shares)


def recipe(arguments: Any, folder: Path) -> pretrain.Recipe:
    """W2V + CMSC + RLM over a store."""
    store = arguments.store
    if store is None:
        store = folder / "store"
        options = {"num_patients": 2 * arguments.recordings}
        prepare.run(prepare.Recipe("synthetic", store, options=options, num_workers=1))
    return pretrain.Recipe(
        out=str(folder / "run"),
        data=DataConfig(store=str(store)),
        encoder=EncoderChoice(arguments.size),
        augment=[{"name": "random_lead_mask"}],
        train=TrainConfig(
            steps=arguments.steps,
            batch_size=arguments.recordings,
            precision=arguments.precision,
            device="cpu",
            is_quiet=True,
        ),
    )


if __name__ == "__main__":
    main()
