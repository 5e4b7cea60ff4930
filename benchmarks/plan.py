"""Ten million ECGs on 64 GPUs: what it takes, from sizes and a few measured or stated rates.

    python benchmarks/plan.py --recordings 10000000 --gpus 64 --segments-per-s 4400

No step is run: a calculation that docs/scale.md shows. Rates are options, so that it is repeated
with what a machine really does (`benchmarks/step.py`, `benchmarks/loading.py`).
"""

import measure
from step import count_flops

from anylead.models import ENCODER_SIZES

LEADS, BYTES = 12, 2


def main() -> None:
    parser = measure.options(__doc__, seconds=0)
    parser.add_argument("--recordings", type=int, default=10_000_000)
    parser.add_argument("--seconds-each", type=float, default=10.0)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--gpus-per-node", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4096, help="recordings of a step, all ranks")
    parser.add_argument("--size", default="base")
    parser.add_argument("--parameters", type=float, default=90.9e6)
    parser.add_argument("--segments-per-s", type=float, default=4400, help="of one GPU; assumed")
    parser.add_argument("--network-gb-per-s", type=float, default=50, help="of a node; assumed")
    parser.add_argument("--disk-gb-per-s", type=float, default=2, help="of one writer; assumed")
    arguments = parser.parse_args()
    measure.tell("plan", arguments, **_plan(arguments))


def _plan(a) -> dict[str, float]:
    samples = a.seconds_each * 500
    store = a.recordings * (LEADS * samples * BYTES + 180)  # and its row of the index
    segments_per_step = 2 * a.batch
    compute = segments_per_step / a.gpus / a.segments_per_s
    read = a.segments_per_s * LEADS * 2500 * BYTES  # of one GPU
    gradients = 4 * a.parameters
    # A ring sends and receives 2 (n - 1) / n of the data; nodes share one link for their GPUs.
    reduce = 2 * (a.gpus - 1) / a.gpus * gradients / (a.network_gb_per_s * 1e9)
    dim = ENCODER_SIZES[a.size].dim
    gathered = segments_per_step * dim * 4
    gather = gathered / (a.network_gb_per_s * 1e9)
    contrast = 3 * 2 * 2 * a.batch**2 * dim  # flops of both directions, forward and back
    steps = a.epochs * (a.recordings // a.batch)
    return {
        "store_gb": store / 1e9,
        "index_gb": a.recordings * 180 / 1e9,
        "read_gb_per_s_of_a_node": a.gpus_per_node * read / 1e9,
        "read_gb_per_s_of_all": a.gpus * read / 1e9,
        "step_compute_ms": compute * 1e3,
        "gradient_all_reduce_ms": reduce * 1e3,
        "all_gather_mb": gathered / 1e6,
        "all_gather_ms": gather * 1e3,
        "contrast_share_of_flops": a.gpus
        * contrast
        / count_flops(ENCODER_SIZES[a.size], segments_per_step),
        "state_gb": 3 * gradients / 1e9,
        "state_write_s_in_the_background": 3 * gradients / 1e9 / a.disk_gb_per_s,
        "steps": steps,
        "hours_if_nothing_overlaps": steps * (compute + reduce + 2 * gather) / 3600,
        "hours_of_compute_alone": steps * compute / 3600,
    }


if __name__ == "__main__":
    main()
