"""Makes ptbxl-small from a store of PTB-XL at 100 Hz, or the supervised rows beside it.

    anylead prepare ptbxl FOLDER_OF_PTBXL --out store/ptbxl100 --preprocess.sample_rate 100
    python benchmarks/ptbxl_small.py store/ptbxl100 runs/ptbxl_small
    python benchmarks/ptbxl_small.py store/ptbxl100 runs/ptbxl_small --student random
    python benchmarks/ptbxl_small.py store/ptbxl100 runs/ptbxl_small --student resnet

Pre-training; models made for one set of leads each, which teach; one model for all sets, which they
teach; its card. The supervised rows are made likewise, without anything pre-trained. What has ended
is left as it is, what was stopped goes on. Hours: docs/results.md, first section.
"""

import argparse
import json
from pathlib import Path

from anylead.commands import cli

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
CHEST = "V1,V2,V3,V4,V5,V6"
ALONE = ("I", "II", CHEST)  # sets with teachers of their own
# Seen in training, each as often as it stands here.
SETS = ["12"] * 3 + ["6", "3", "2", "2"] + ["1"] * 3 + ["II"] * 2 + [CHEST] * 2 + ["V1", "V5"]
SETS += ["random"] * 4
HIDDEN = [{"name": "random_lead_mask", "mode": "lead_sets", "prob": 1.0, "sets": SETS}]
MADE_FOR_ONE = ["--augment=[]", "--average.distillation=0"]
EPOCHS = 60


class Maker:
    """Runs the commands, each once.

    Args:
        store: of PTB-XL.
        out: where runs lie.
        more: options of each training.
        encoder: overrides of the encoder, for another size.
    """

    def __init__(self, store, out, more=(), encoder=None):
        self.store, self.out, self.more = store, out, list(more)
        self.encoder = [] if encoder is None else [f"overrides={json.dumps(encoder)}"]

    def train(self, name, command, recipe, *options):
        """The folder of a training that has ended."""
        folder = self.out / name
        if not (folder / "done").is_file():
            words = [command, RECIPES / recipe, f"--data.store={self.store}", f"--out={folder}"]
            run([*words, "--train.resume=true", *options, *self.more])
            (folder / "done").touch()
        return folder

    def pretrained(self):
        """The encoder, without labels."""
        size = [f"--encoder.{each}" for each in self.encoder]
        recipe = "pretrain_ptbxl_small.yaml"
        first = self.train("first", "pretrain", recipe, *size)
        going_on = [*size, f"--checkpoint={first}", "--train.epochs=24"]
        return self.train("pretrained", "pretrain", recipe, *going_on)

    def small(self, name, start, *options):
        """The encoder with labels, from pre-trained weights or (None) from random ones."""
        size = [f"--model.encoder.{each}" for each in self.encoder]
        begin = [] if start is None else [f"--model.checkpoint={start}"]
        return self.train(name, "finetune", "finetune_ptbxl_small.yaml", *size, *begin, *options)

    def resnet(self, name, *options):
        """The supervised ResNet."""
        return self.train(name, "finetune", "finetune_ptbxl_small_resnet.yaml", *options)

    def lessons(self, start):
        """Options that name who teaches with which leads: an encoder and a ResNet each.

        Without pre-training the encoder teaches with all leads only.
        """
        kind = "random" if start is None else "only"
        teachers = {}
        for leads in ("12", *ALONE):
            name = leads.replace(",", "")
            options = [f"--leads={leads}", *MADE_FOR_ONE]
            teachers[leads] = [self.resnet(f"resnet_{name}", *options)]
            if start is not None or leads == "12":
                teachers[leads].insert(0, self.small(f"{kind}_{name}", start, *options))
        named = {leads: [str(folder) for folder in each] for leads, each in teachers.items()}
        return [f"--teacher.models={json.dumps(named.pop('12'))}",
                f"--teacher.by_leads={json.dumps(named)}", "--teacher.share=0.5",
                "--average.distillation=0", f"--augment={json.dumps(HIDDEN)}",
                f"--train.epochs={EPOCHS}"]  # fmt: skip


def run(words):
    """A command, as from the shell."""
    if code := cli.main([str(word) for word in words]):
        raise SystemExit(code)


def make(maker, student, pack=()):
    """The model that was asked for; its folder."""
    if student == "resnet":
        return maker.resnet("taught_resnet", *maker.lessons(None))
    if student == "random":
        return maker.small("taught_random", None, *maker.lessons(None))
    start = maker.pretrained()
    taught = maker.small("taught", start, *maker.lessons(start))
    packed = maker.out / "ptbxl-small"
    run(["pack", RECIPES / "pack_ptbxl_small.yaml", f"--model={taught}", f"--out={packed}", *pack])
    return packed


def main():
    """Make one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--student", default="pretrained", choices=["pretrained", "random", "resnet"]
    )
    options, more = parser.parse_known_args()
    print(make(Maker(options.store, options.out, more), options.student))


if __name__ == "__main__":
    main()
