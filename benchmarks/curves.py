"""What more labels, a larger network or more epochs bring to a model made for one set of leads.

    anylead prepare ptbxl FOLDER_OF_PTBXL --out store/ptbxl100 --preprocess.sample_rate 100
    python benchmarks/curves.py store/ptbxl100 runs/curves

The supervised ResNet of ptbxl-small's recipe, trained for these leads alone, so that nothing is
hidden; one thing differs from the base in each row. With a share of the labelled patients there are
as many steps as its square root. Prints the four label tasks with intervals over patients and, on
the same resamples, what is ahead of the base. What has ended is left as it is.
"""

import argparse
from pathlib import Path

from over_seeds import line, opened, scored
from ptbxl_small import MADE_FOR_ONE, Maker

from anylead.evaluation.scores import Settings

LEVEL = 0.99  # of intervals of differences: 95 % for five comparisons of a kind
STEPS = 2040  # of the base: 15 epochs
WIDTHS = {0.5: (24, 32, 48, 64, 80), 2: (96, 128, 192, 256, 320)}  # first convolution, then blocks


def variants() -> dict[str, list[str]]:
    """Row -> options."""
    rows: dict[str, list[str]] = {"base": []}
    for share in (0.1, 0.25, 0.5):
        steps = round(STEPS * share**0.5)
        rows[f"{share:.0%} of the patients"] = [
            f"--labels.fraction={share}", f"--train.steps={steps}"
        ]  # fmt: skip
    for width, (first, *blocks) in WIDTHS.items():
        shape = f"{{completes_limb_leads: true, stem_dim: {first}, dims: {blocks}}}"
        rows[f"{width:g} x the channels"] = [f"--model.encoder.overrides={shape}"]
    for epochs in (7, 30):
        rows[f"{epochs} epochs"] = [f"--train.epochs={epochs}"]
    return rows


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leads", nargs="+", default=["12", "I"])
    parser.add_argument("--split", default="valid")
    parser.add_argument("--rows", nargs="+", default=list(variants()), choices=list(variants()))
    options, more = parser.parse_known_args()
    settings = Settings(store=str(options.store), split=options.split, precision="auto")
    maker = Maker(options.store, options.out, more)
    for leads in options.leads:
        base = None
        for name in dict.fromkeys(["base", *options.rows]):
            folder = f"{leads.replace(',', '')}_{name.replace(' ', '_').replace('%', '')}"
            made = maker.resnet(folder, f"--leads={leads}", *MADE_FOR_ONE, *variants()[name])
            by_task = opened([str(made)], settings)
            found = {task: scored(runs, leads) for task, runs in by_task.items()}
            base = base or found
            cells = [one.told(settings.num_resamples) for one in found.values()]
            if name != "base":
                pairs = zip(found.values(), base.values(), strict=True)
                gaps = [one.less(other, settings.num_resamples, LEVEL) for one, other in pairs]
                cells = list(map("; ".join, zip(cells, gaps, strict=True)))
            else:
                print(line("leads", ["row", *found]))
            print(line(leads, [name, *cells]), flush=True)


if __name__ == "__main__":
    main()
