"""Few labels: what is worth most where 1 % or 10 % of the patients of PTB-XL have labels.

    anylead prepare ptbxl FOLDER_OF_PTBXL --out store/ptbxl100 --preprocess.sample_rate 100
    python benchmarks/few_labels.py store/ptbxl100 runs/few
    python benchmarks/few_labels.py store/ptbxl100 runs/few --fractions 0.01 --seeds 0
    python benchmarks/few_labels.py store/ptbxl100 runs/few --student runs/ptbxl_small/pretrained
    python benchmarks/few_labels.py store/ptbxl100 runs/few --probe ptbxl-cpc
    python benchmarks/few_labels.py store/ptbxl100 runs/few --probe random

Fine-tunes on the labels that are left: the pre-trained encoder, the same from random weights, and
two supervised networks; then the pre-trained one again, and a pre-trained Transformer if one is at
hand, taught by three of these what they say of all recordings. Prints macro AUROC of superclasses,
the mean of the draws of patients with its interval over patients, each draw, and differences on the
same resamples. What has ended is left as it is. A probe reads an encoder as it stands: logistic
regression on folds 1 to 7, tested on fold 8.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from over_seeds import opened, scored
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from anylead.commands import cli
from anylead.evaluation.scores import Settings
from anylead.inference.opening import open_checkpoint
from anylead.leads import lead_mask
from anylead.models.building import build_encoder, load_weights
from anylead.store import Store

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
S4 = {"dim": 256, "num_convs": 4, "num_layers": 4, "window_samples": 500}
S4 |= {"dropout": 0.2, "completes_limb_leads": True}
S4_OPTIONS = ["--model.encoder.kind=ecg_cpc", "--model.encoder.size=small"]
S4_OPTIONS += [f"--model.encoder.overrides={json.dumps(S4)}"]
TRANSFORMER, RESNET = "finetune_ptbxl_small.yaml", "finetune_ptbxl_small_resnet.yaml"
OTHER = "other encoder, taught"  # with --student
TEACHERS = ("pre-trained", "Transformer", "ResNet")
AHEAD = ("pre-trained", "taught", OTHER)  # each is compared with those before it and all others
# Share of patients -> row -> steps, recordings of each, learning rate, its decay by layer, decay of
# averaged weights.
SETTINGS = {
    0.01: {
        "pre-trained": (100, 64, 1e-3, 0.75, 0.98),
        "S4, random weights": (200, 64, 1e-3, 1.0, 0.98),
        "Transformer": (200, 64, 1e-3, 1.0, 0.98),
        "ResNet": (200, 64, 2e-3, 1.0, 0.98),
        "taught": (500, 64, 1e-3, 0.8, 0.99),
        OTHER: (500, 64, 1e-3, 0.8, 0.99),
    },
    0.1: {
        "pre-trained": (440, 64, 1e-3, 0.8, 0.99),
        "S4, random weights": (440, 64, 1e-3, 1.0, 0.99),
        "Transformer": (440, 64, 1.5e-3, 1.0, 0.99),
        "ResNet": (440, 64, 3e-3, 1.0, 0.99),
        OTHER: (1200, 128, 1.5e-3, 1.0, 0.99),
    },
}
LEADS = ("12", "I")
LEVEL = 0.9875  # of intervals of differences: 95 % for four comparisons


class Rows:
    """Trains each row once.

    Args:
        store: of PTB-XL.
        out: where runs lie.
        encoder: a pre-trained encoder, by name or folder.
        student: the pre-trained Transformer that is taught beside it, or None.
        more: options of each training.
    """

    def __init__(self, store, out, encoder, student=None, more=()):
        self.store, self.out, self.more = store, out, list(more)
        self.starts = {"pre-trained": encoder, "taught": encoder}
        if student is not None:
            self.starts[OTHER] = student

    def names(self, fraction):
        """Rows of a share of the patients."""
        return [row for row in SETTINGS[fraction] if row != OTHER or OTHER in self.starts]

    def made(self, row, fraction, seed):
        """The folder of a run that has ended."""
        folder = self.out / f"{row.replace(', ', '_').replace(' ', '_')}-{fraction:g}-{seed}"
        if (folder / "model.safetensors").is_file():
            return folder
        steps, batch_size, rate, decay, average = SETTINGS[fraction][row]
        recipe = RESNET if row == "ResNet" else TRANSFORMER
        words = [
            *("finetune", RECIPES / recipe, f"--data.store={self.store}", f"--out={folder}"),
            *("--labels.task=superdiagnostic", f"--labels.fraction={fraction}"),
            *(f"--train.seed={seed}", f"--train.batch_size={batch_size}", "--train.epochs=1"),
            *(f"--train.steps={steps}", f"--optimizer.learning_rate={rate}"),
            *(f"--optimizer.decay_by_layer={decay}", f"--average.decay={average}"),
            *("--average.distillation=0", "--threshold_sets=12", "--train.resume=true"),
        ]
        if row not in ("Transformer", "ResNet", OTHER):
            words += S4_OPTIONS
        if row in self.starts:
            words += [f"--model.checkpoint={self.starts[row]}"]
        if row in ("taught", OTHER):
            teachers = [str(self.made(teacher, fraction, seed)) for teacher in TEACHERS]
            words += [f"--teacher.models=[{', '.join(teachers)}]"]
        if code := cli.main([str(word) for word in [*words, *self.more]]):
            raise SystemExit(code)
        return folder


def table(rows, fraction, seeds, settings):
    """Lines of Markdown: each row, then what the taught and the pre-trained one are ahead."""
    found = {}
    for row in rows.names(fraction):
        made = [str(rows.made(row, fraction, seed)) for seed in seeds]
        (runs,) = opened(made, settings).values()
        for leads in LEADS:
            found[row, leads] = scored(runs, leads)
            told = found[row, leads].told(settings.num_resamples)
            yield f"| {fraction:.0%} | {row} | {leads} | {told} |"
    for (row, leads), one in found.items():
        for number, against in enumerate(AHEAD):
            if row not in AHEAD[number:] and (against, leads) in found:
                gap = found[against, leads].less(one, settings.num_resamples, LEVEL)
                yield f"| {fraction:.0%} | {against} - {row} | {leads} | {gap} |"


@torch.no_grad()
def probe(store, name, most=(172, 1670, 5000), seconds=5):
    """Lines: macro AUROC by leads and number of labels; mean and spread of frames are read."""
    torch.manual_seed(0)
    encoder = build_encoder({"kind": "ecg_cpc", **S4})
    if name != "random":
        found, _ = open_checkpoint(name)
        encoder = build_encoder(found.description["encoder"])
        load_weights(encoder, found.part("encoder"), name)
    encoder.eval()
    label, is_told = store.labels("superdiagnostic")
    is_usable = is_told.any(axis=1) & (label.sum(axis=1) > 0)
    first = np.flatnonzero(is_usable & (store.fold <= 7))
    rows = np.random.default_rng(0).permutation(first)[: max(most)]
    rows = np.concatenate([rows, np.flatnonzero(is_usable & (store.fold == 8))])
    for leads in ("12", "2", "I", "V1,V2,V3,V4,V5,V6"):
        x = np.concatenate(
            [
                summaries(encoder, store, rows[at : at + 64], leads, seconds)
                for at in range(0, len(rows), 64)
            ]
        )
        x = StandardScaler().fit(x[: max(most)]).transform(x)
        scores = []
        for num in most:
            models = [
                LogisticRegression(C=0.01, max_iter=200).fit(x[:num], label[rows[:num], column])
                for column in range(label.shape[1])
            ]
            said = np.stack([each.decision_function(x[max(most) :]) for each in models], axis=1)
            scores.append(roc_auc_score(label[rows[max(most) :]], said))
        yield f"| {name} | {leads} | {' | '.join(f'{score:.3f}' for score in scores)} |"


def summaries(encoder, store, rows, leads, seconds):
    """(recording, 2 dim): mean and spread of the frames of both windows."""
    num = round(seconds * store.manifest.sample_rate)
    has_lead = torch.from_numpy(lead_mask(leads)).expand(len(rows), 12)
    frames = []
    for start in (0, num):
        steps = store.read(rows, np.full(len(rows), start), num)
        signal = torch.from_numpy(steps * store.scale[rows].reshape(len(rows), -1, 1))
        with torch.autocast("cpu", torch.bfloat16):
            context = encoder(signal * has_lead[..., None], None, has_lead).context
        frames.append(context.float())
    both = torch.cat(frames, dim=1)
    return torch.cat([both.mean(dim=1), both.std(dim=1)], dim=1).numpy()


def main():
    """Make and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", default="ptbxl-cpc")
    parser.add_argument("--student", help="a pre-training of recipes/pretrain_ptbxl_small.yaml")
    parser.add_argument("--fractions", type=float, nargs="+", default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--split", default="valid")
    parser.add_argument("--probe", help="an encoder, or random")
    options, more = parser.parse_known_args()
    if options.probe:
        for line in probe(Store.open(options.store), options.probe):
            print(line, flush=True)
        return
    settings = Settings(
        store=str(options.store), split=options.split, num_resamples=500, precision="auto"
    )
    rows = Rows(options.store, options.out, options.encoder, options.student, more)
    for fraction in options.fractions:
        for line in table(rows, fraction, options.seeds, settings):
            print(line, flush=True)


if __name__ == "__main__":
    main()
