"""What the API takes and gives, as it stands in its OpenAPI description."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class RecordingIn(BaseModel):
    """A recording as numbers."""

    model_config = ConfigDict(extra="forbid", strict=True)

    signal: list[list[float | None]] = Field(description="(lead, time); null where missing")
    leads: list[str] | str = Field(description='names of the rows, or a set such as "12"')
    sample_rate: float = Field(gt=0, le=100_000, allow_inf_nan=False, description="Hz")
    unit: str = Field("mV", description="mV, uV, V, nV, or NU for none")
    name: Annotated[str, Field(max_length=200)] = ""


class RecordingsIn(BaseModel):
    """A request in JSON."""

    model_config = ConfigDict(extra="forbid", strict=True)

    recordings: list[RecordingIn] = Field(min_length=1)


class Prediction(BaseModel):
    """What the model says of one recording, and what one must know to trust it."""

    name: str
    leads: list[str] = Field(description="those that the model saw")
    probabilities: dict[str, float] = Field(
        description="calibrated where the model holds a calibration; empty where it does not answer"
    )
    values: dict[str, float] = Field(
        description="by target, of a model that answers with numbers, in their own units"
    )
    decisions: dict[str, bool] = Field(
        description="of labels that have a threshold; of classes that exclude each other, of all"
    )
    thresholds: dict[str, float]
    decided_with: str | None = Field(description="the set of leads that the thresholds are from")
    quality: dict[str, list[str]] = Field(description="lead -> flags of its signal")
    warnings: list[str] = Field(description="what speaks against trusting the answer")
    refusal: str | None = Field(
        description="why there is no answer, or would be none without force"
    )
    scores: dict[str, tuple[float, float, float]] = Field(
        description="value and 95 % interval, on recordings the model did not learn from"
    )
    scored_with: str | None = Field(description="the set of leads that the scores are from")
    is_measured: bool = Field(description="whether that is exactly these leads")
    measured: str = Field(description="the same in words")


class AboutOut(BaseModel):
    """Which model answers, and what it learned from."""

    name: str
    version: str
    anylead: str
    trained: str
    training: dict[str, Any]
    licence: str | None


class Predictions(BaseModel):
    """Answer of /predict."""

    recordings: list[Prediction]
    model: AboutOut
    notice: str


class Embedding(BaseModel):
    """Vector of one recording."""

    name: str
    leads: list[str]
    vector: list[float]


class Embeddings(BaseModel):
    """Answer of /embed."""

    recordings: list[Embedding]


class Wave(BaseModel):
    """A wave of a lead, or of all together ("global")."""

    lead: str
    name: str = Field(description="P, QRS or T")
    onset: float = Field(description="seconds from the start")
    offset: float


class MeasureOut(BaseModel):
    """A number, and how far to trust it."""

    value: float | None
    quality: str = Field(description='good, fair, poor, or "not measurable" without a number')
    beats: int


class DelineationOut(BaseModel):
    """Waves and intervals of one recording."""

    name: str
    seconds: float
    leads: list[str]
    intervals: dict[str, dict[str, MeasureOut]] = Field(description='by lead and "global"')
    waves: list[Wave]
    refusal: str | None = Field(description="why nothing is measured")


class Delineations(BaseModel):
    """Answer of /delineate."""

    recordings: list[DelineationOut]
    notice: str


class Person(BaseModel):
    """A person that a recording may be of."""

    person: str
    cosine: float


class Neighbour(Person):
    """An enrolled recording."""

    file: str
    leads: list[str]
    labels: list[str]


class Identity(BaseModel):
    """Who a recording is of."""

    name: str
    person: str = Field(description='the nearest person, or "unknown" below the threshold')
    threshold: float
    persons: list[Person]
    nearest: list[Neighbour]


class Identities(BaseModel):
    """Answer of /identify."""

    recordings: list[Identity]


class Saliency(BaseModel):
    """Strength in [-1, 1]: above 0 for the answer, below 0 against it."""

    leads: list[str]
    sample_rate: float = Field(description="of the values, Hz")
    values: list[list[float]]


class ExplanationOut(BaseModel):
    """Answer of /explain."""

    name: str
    label: str | None
    probability: float | None
    method: str
    by_lead: dict[str, float | None] = Field(
        description="fall of the score without the lead; null for the only lead"
    )
    without_lead: dict[str, float | None] = Field(
        description="the probability without the lead; empty for numbers and vectors"
    )
    segments: list[tuple[float, float]] = Field(description="what the model saw, seconds")
    saliency: Saliency


class OverviewOut(BaseModel):
    """A whole long recording."""

    seconds: float
    lead: str
    low: list[float]
    high: list[float]


class RecordingOut(BaseModel):
    """A recording as it was read."""

    name: str
    leads: list[str]
    sample_rate: float
    unit: str
    signal: list[list[float | None]]
    about: dict[str, str | float] = Field(description="age, sex, time and text, where stated")
    start: float = Field(0.0, description="seconds into the file")
    overview: OverviewOut | None = Field(None, description="of a file that is longer than this")


class Example(BaseModel):
    """A generated recording to try."""

    name: str
    title: str


class ModelOut(BaseModel):
    """What is served."""

    kind: str
    about: AboutOut
    label_names: list[str]
    titles: dict[str, str] = Field(description="full names of labels, where known")
    thresholds: dict[str, dict[str, float]] = Field(description="by set of leads and label")
    scores: dict[str, dict[str, tuple[float, float, float]]] = Field(
        description="by set of leads: value and 95 % interval"
    )
    dim: int = Field(description="length of a vector")
    task: str | None
    sample_rate: float
    segment_seconds: float
    has_gallery: bool
    has_waves: bool = Field(description="whether /delineate can be asked")
    methods: list[str]
    lead_sets: dict[str, list[str]]
    leads: list[str] = Field(description="those that the model sees where a request names none")
    limits: dict[str, float]
    version: str
    notice: str


class ErrorOut(BaseModel):
    """Every answer that is no success."""

    error: str
