"""Validating and scoring a fine-tuned model with many lead sets: seconds of each part.

    python benchmarks/evaluating.py MODEL STORE --split valid --precision bf16

As `anylead evaluate` does it: one forward pass for each lead set, then every score of every label
task with its interval over 1,000 resamples of the patients.
"""

import time
from pathlib import Path

import measure

from anylead.checkpoint import load_checkpoint
from anylead.evaluation import EVALUATIONS, Settings
from anylead.inference import named

LEAD_SETS = "12 6 3 2 I II V1,V2,V3,V4,V5,V6"


def main() -> None:
    parser = measure.options(__doc__, seconds=0)
    parser.add_argument("model", help="a folder, or the name of a model")
    parser.add_argument("store")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--lead-sets", default=LEAD_SETS)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "auto"])
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads)
    begin = clocks()
    folder = Path(named.find(arguments.model).path)
    checkpoint = load_checkpoint(folder)
    settings = Settings(
        store=arguments.store,
        split=arguments.split,
        num_resamples=arguments.resamples,
        precision=arguments.precision,
        device="cpu",
    )
    opened = EVALUATIONS[checkpoint.description["kind"]].open(folder, checkpoint, settings)
    seconds = {"open": since(begin), "predict": (0.0, 0.0), "score": (0.0, 0.0)}
    lead_sets = arguments.lead_sets.split()
    for lead_set in lead_sets:
        begin = clocks()
        num_records = len(opened.predict(lead_set).row)
        seconds["predict"] = added(seconds["predict"], since(begin))
        begin = clocks()
        for of_task in opened.by_task():
            of_task.score(lead_set)
        seconds["score"] = added(seconds["score"], since(begin))
    measure.tell(
        "evaluating",
        arguments,
        used_threads=threads,
        records=num_records,
        lead_sets=len(lead_sets),
        wall_s={part: wall for part, (wall, _) in seconds.items()},
        cpu_s={part: processor for part, (_, processor) in seconds.items()},
        whole_wall_s=sum(wall for wall, _ in seconds.values()),
    )


def clocks() -> tuple[float, float]:
    """Wall and processor."""
    return time.perf_counter(), time.process_time()


def since(begin: tuple[float, float]) -> tuple[float, float]:
    """Seconds of both clocks."""
    wall, processor = clocks()
    return wall - begin[0], processor - begin[1]


def added(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Part by part."""
    return first[0] + second[0], first[1] + second[1]


if __name__ == "__main__":
    main()
