"""How recordings are made ready for a model, as settings: what stores and checkpoints remember.

`anylead.signals` does it.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from anylead.errors import RecipeError

# No ECG is slower or faster, and beyond these a number is a slip or an attack.
LOWEST_RATE, HIGHEST_RATE = 1.0, 100_000.0  # Hz
Normalization = Literal["none", "record", "lead", "lead_range"]
Resampler = Literal["polyphase", "fourier", "linear", "windowed_sinc"]
PublishedFilter = Literal["none", "hubert_ecg", "ecgfounder"]


@dataclass(frozen=True)
class PreprocessConfig:
    """How a recording is made ready for a model; it is written into stores and checkpoints.

    Attributes:
        sample_rate: Hz.
        highpass_hz: lower edge of the pass band; None keeps slow parts.
        lowpass_hz: upper edge of the pass band; None keeps fast parts.
        notch_hz: a frequency to take out, such as that of the mains.
        normalize: "none" keeps mV; "record" takes the mean from each lead and divides all of them
            by one standard deviation; "lead" divides each lead by its own, which breaks the
            relation between leads; "lead_range" brings each lead to the range from -1 to 1.
        complete_limb_leads: compute missing limb leads that follow exactly from two present ones.
        from_frank: estimate missing leads from Frank's X, Y, Z (by Dower's matrix) where a file
            has all three.
        resampler: "polyphase" is ours; published encoders were trained with "fourier", "linear" or
            "windowed_sinc".
        published_filter: steps of the authors of a published encoder, beside the filters above:
            "hubert_ecg" (before resampling) or "ecgfounder" (after it).
        clip_mv: cut what is larger, before resampling; None keeps it.
    """

    sample_rate: float = 500.0
    highpass_hz: float | None = None
    lowpass_hz: float | None = None
    notch_hz: float | None = None
    normalize: Normalization = "none"
    complete_limb_leads: bool = False
    from_frank: bool = False
    resampler: Resampler = "polyphase"
    published_filter: PublishedFilter = "none"
    clip_mv: float | None = None

    def __post_init__(self) -> None:
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise RecipeError(
                f"sample_rate {self.sample_rate}: want {LOWEST_RATE:g} to {HIGHEST_RATE:g} Hz"
            )
        for name in ("highpass_hz", "lowpass_hz", "notch_hz"):
            edge = getattr(self, name)
            if edge is not None and not 0 < edge < self.sample_rate / 2:
                raise RecipeError(
                    f"{name} {edge}: want a frequency between 0 and half the sample rate"
                    f" ({self.sample_rate / 2} Hz)"
                )
        if self.highpass_hz and self.lowpass_hz and self.highpass_hz >= self.lowpass_hz:
            raise RecipeError(
                f"highpass_hz {self.highpass_hz} is not below lowpass_hz {self.lowpass_hz}"
            )
        for name, known in (
            ("normalize", get_args(Normalization)),
            ("resampler", get_args(Resampler)),
            ("published_filter", get_args(PublishedFilter)),
        ):
            if getattr(self, name) not in known:
                raise RecipeError(f"{name} {getattr(self, name)!r}: want {', '.join(known)}")
        if self.clip_mv is not None and not self.clip_mv > 0:
            raise RecipeError(f"clip_mv {self.clip_mv}: want a number of mV above 0")


def differences(prepared: PreprocessConfig, wanted: PreprocessConfig) -> dict[str, tuple[Any, Any]]:
    """What was done to signals beside what is wanted, for each field in which they differ."""
    pairs = {name: (value, getattr(wanted, name)) for name, value in asdict(prepared).items()}
    return {name: (found, want) for name, (found, want) in pairs.items() if found != want}
