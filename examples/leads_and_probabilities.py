"""How much does a diagnosis change when the model may see fewer leads?

python examples/leads_and_probabilities.py runs/diagnosis recording.dcm
"""

import argparse

import anylead
from anylead.leads import LEAD_SETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="run of `anylead finetune`")
    parser.add_argument("recording", help="ECG in any supported format")
    arguments = parser.parse_args()

    model = anylead.load(arguments.model)
    by_set = {name: model.predict(arguments.recording, use_leads=name) for name in LEAD_SETS}
    print("leads     " + "".join(f"{name:>8}" for name in by_set))
    for label in model.label_names:
        print(f"{label:10}" + "".join(f"{row[label]:8.2f}" for row in by_set.values()))


if __name__ == "__main__":
    main()
