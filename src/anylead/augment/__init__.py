"""Augmentations: `Batch` -> `Batch` on the device, one per file, seeded by `batch.seed`.

To add one: a frozen dataclass of plain fields (among them `prob`; 0 leaves the batch as it is) with
`__call__(batch) -> Batch` in its own file, and a line here.
"""

from collections.abc import Callable

from anylead.catalogue import Catalogue
from anylead.objective import Batch

Augmentation = Callable[[Batch], Batch]

AUGMENTATIONS: Catalogue[Callable[..., Augmentation]] = Catalogue(
    "anylead.augment",
    {
        "random_lead_mask": "RandomLeadMask",
        "keep_leads": "KeepLeads",
        "powerline_noise": "PowerlineNoise",
        "emg_noise": "EmgNoise",
        "baseline_wander": "BaselineWander",
        "baseline_shift": "BaselineShift",
        "vcg_rotation": "VcgRotation",
        "time_mask": "TimeMask",
    },
)


def compose(augmentations: list[Augmentation]) -> Augmentation:
    """One augmentation that applies several, first to last."""

    def apply_all(batch: Batch) -> Batch:
        for augmentation in augmentations:
            batch = augmentation(batch)
        return batch

    return apply_all
