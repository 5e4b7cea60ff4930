"""Generated copies of the two corpora that the paper's tables want, and their stores.

Made as the headers of the recipes say, in small: the challenge with four of its sources, PTB-XL
with patients who have two recordings; its ecg_id 1 to 6 are HR00001 to HR00006 of the challenge.
"""

import csv
import lzma
import runpy
from collections import Counter
from shutil import copytree

import numpy as np
from rich.console import Console

from anylead.commands import prepare
from anylead.datasets import synthetic
from anylead.signals import PreprocessConfig
from corpora import write_csv, write_wfdb
from heart_records import marked_store

# Codes of the challenge, sinus rhythm among them.
CODES = ("426783006", "164889003", "59118001,426783006", "426177001", "270492004", "164934002")
STATEMENTS = (
    "{'NORM': 100.0, 'SR': 0.0}",
    "{'AMI': 100.0, 'SR': 0.0}",
    "{'NDT': 100.0, 'AFIB': 0.0}",
    "{'LVH': 50.0, 'ABQRS': 0.0, 'AFIB': 0.0}",
    "{'CLBBB': 1}",
)
NUM_PAIRS, NUM_ALONE = 9, 40  # a tenth of those who train are still several


def challenge(root):
    """40 recordings of CPSC and Georgia, 6 of PTB-XL, 4 of Ningbo."""
    names = [f"cpsc_2018/g1/A{n:04d}" for n in range(1, 21)]
    names += [f"georgia/g1/E{n:05d}" for n in range(1, 21)]
    names += [f"ptb-xl/g1/HR{n:05d}" for n in range(1, 7)]
    names += [f"ningbo/g1/JS{n:05d}" for n in range(10647, 10651)]
    for number, (name, record) in enumerate(zip(names, records(len(names), 0), strict=True)):
        dx = f"# Dx: {CODES[number % len(CODES)]}"
        write_wfdb(root / "training" / name, record, [dx], suffix=".mat")


def ptbxl(root):
    """Two recordings of some patients and one of others, over folds 1 to 9, each at both rates."""
    patients = [p for p in range(NUM_PAIRS) for _ in range(2)]
    patients += list(range(NUM_PAIRS, NUM_PAIRS + NUM_ALONE))
    rows = []
    for n, (patient, record) in enumerate(zip(patients, records(len(patients), 1), strict=True), 1):
        write_wfdb(root / f"records500/00000/{n:05d}_hr", record)
        slow = synthetic_slow(record)
        write_wfdb(root / f"records100/00000/{n:05d}_lr", slow, rate=100)
        rows.append({
            "ecg_id": n, "patient_id": f"{1000 + patient}.0", "age": 50, "sex": n % 2,
            "recording_date": "1984-11-09 09:17:34", "report": "",
            "scp_codes": STATEMENTS[n % len(STATEMENTS)], "strat_fold": patient % 9 + 1,
            "filename_lr": f"records100/00000/{n:05d}_lr",
            "filename_hr": f"records500/00000/{n:05d}_hr",
        })  # fmt: skip
    write_csv(root / "ptbxl_database.csv", rows)


def real_pairs(root, data, num_records=300):
    """The patients with two recordings among the first of the packed PTB-XL, unpacked."""
    with np.load(data / "ptbxl100" / "part0.npz") as part:
        small = {name: part[name] for name in part.files}
    small["ids"] = small["ids"][:num_records]
    symbols = small["symbols"]
    for lead in range(8):
        decoder = lzma.LZMADecompressor()
        kept = decoder.decompress(small[f"lead{lead}"].tobytes(), max_length=1000 * num_records)
        order = np.argsort(symbols).astype(np.uint8)
        escaped = (order[np.frombuffer(kept, np.uint8)] == 255).sum()
        small[f"lead{lead}"] = np.frombuffer(lzma.compress(kept, preset=0), np.uint8)
        small[f"escape{lead}"] = small[f"escape{lead}"][:escaped]
    root.mkdir()
    np.savez(root / "part.npz", **small)
    unpack = runpy.run_path(str(data / "ptbxl100" / "unpack.py"))
    done = set(unpack["write_part"](root / "part.npz", root))
    with (data / "metadata" / "ptbxl_labels_all21799.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["ecg_id"]) in done]
    count = Counter(row["patient_id"] for row in rows)
    places = {row["ecg_id"]: f"records100/00000/{int(row['ecg_id']):05d}_lr" for row in rows}
    write_csv(
        root / "labels.csv",
        [{**row, "record": places[row["ecg_id"]]} for row in rows if count[row["patient_id"]] > 1],
    )


def records(number, seed):
    """So many recordings of 10 s at 500 Hz."""
    made = synthetic.records(num_patients=number, records_per_patient=1, seconds=10.0, seed=seed)
    return list(made)


def synthetic_slow(record):
    """Every fifth sample."""
    return type(record)(record.signal[:, ::5], record.leads, 100.0, record.record_id)


def make_stores(folder, challenge_root, ptbxl_root):
    """The stores that the recipes name, in `folder`/stores."""
    wanted = {
        "physionet2021": ("physionet2021", challenge_root, 500.0, {"sources": [
            "cpsc_2018", "cpsc_2018_extra", "ptb-xl", "georgia", "ningbo", "chapman_shaoxing"]}),
        "cpsc_georgia": ("physionet2021", challenge_root, 500.0,
                         {"sources": ["cpsc_2018", "georgia"]}),
        "ptbxl": ("ptbxl", ptbxl_root, 500.0, {}),
        "ptbxl100": ("ptbxl", ptbxl_root, 100.0, {"rate": 100}),
    }  # fmt: skip
    for name, (dataset, root, rate, options) in wanted.items():
        recipe = prepare.Recipe(
            dataset=dataset, root=root, out=folder / "stores" / name, options=options,
            preprocess=PreprocessConfig(sample_rate=rate), num_workers=1,
        )  # fmt: skip
        prepare.run(recipe, Console(quiet=True))
    copytree(str(marked_store()), folder / "stores" / "ludb100")
