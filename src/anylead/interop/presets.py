"""What published weights expect beyond what their files say.

ECG-FM (McKeen et al. 2024, arXiv:2408.05178; weights MIT, huggingface.co/wanglab/ecg-fm): the
signals were resampled to 500 Hz, every lead of a whole recording was brought to mean 0 and standard
deviation 1, then cut into 5 s. That happened when the files were made, so the checkpoint says
`normalize: false`. Source: `preprocess_mat` in scripts/preprocess/ecg/preprocess.py
and notebooks/infer_quickstart.ipynb of github.com/bowang-lab/ECG-FM, where the order of the
classes (data/mimic_iv_ecg/labels/label_def.csv) and how segments are joined stand, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from anylead.errors import CheckpointError, known_are
from anylead.signals import PreprocessConfig


@dataclass(frozen=True)
class Preset:
    """What to assume about a family of checkpoints.

    Attributes:
        files: names under which they are published.
        preprocess: what their training data went through.
        segment_seconds: length of the training segments.
        label_names: by number of outputs, the class names in their order.
        join: how the segments of a long recording become one number, by label.
        tail: what they do with the end of a recording that is no multiple of the segment.
    """

    files: tuple[str, ...]
    preprocess: PreprocessConfig
    segment_seconds: float = 5.0
    label_names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    join: Mapping[str, str] = field(default_factory=dict)
    tail: Literal["overlap", "drop"] = "overlap"


MIMIC_IV_ECG = (
    "Poor data quality",
    "Sinus rhythm",
    "Premature ventricular contraction",
    "Tachycardia",
    "Ventricular tachycardia",
    "Supraventricular tachycardia with aberrancy",
    "Atrial fibrillation",
    "Atrial flutter",
    "Bradycardia",
    "Accessory pathway conduction",
    "Atrioventricular block",
    "1st degree atrioventricular block",
    "Bifascicular block",
    "Right bundle branch block",
    "Left bundle branch block",
    "Infarction",
    "Electronic pacemaker",
)

# What shows in one segment of a recording already counts for the whole.
_ANYWHERE = (
    "Poor data quality",
    "Premature ventricular contraction",
    "Ventricular tachycardia",
    "Supraventricular tachycardia with aberrancy",
    "Electronic pacemaker",
)

PRESETS: dict[str, Preset] = {
    "ecg-fm": Preset(
        files=("mimic_iv_ecg_physionet_pretrained.pt", "mimic_iv_ecg_finetuned.pt"),
        preprocess=PreprocessConfig(sample_rate=500.0, normalize="lead"),
        label_names={17: MIMIC_IV_ECG},
        join={name: "max" if name in _ANYWHERE else "mean_probability" for name in MIMIC_IV_ECG},
        tail="drop",
    )
}


def find_preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        CheckpointError: there is none.
    """
    if name not in PRESETS:
        raise CheckpointError(f"no preset {name!r}{known_are(name, PRESETS)}")
    return PRESETS[name]


def preset_for_file(name: str) -> str | None:
    """The preset under whose files a file name stands, if any."""
    return next((key for key, preset in PRESETS.items() if name in preset.files), None)
