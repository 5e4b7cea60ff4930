"""What the API takes and gives, as it stands in its OpenAPI description."""

from typing import Annotated

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
    """Probabilities of one recording."""

    name: str
    leads: list[str] = Field(description="those that the model saw")
    probabilities: dict[str, float]
    thresholds: dict[str, float] = Field(description="for these leads, chosen on validation data")


class Predictions(BaseModel):
    """Answer of /predict."""

    recordings: list[Prediction]


class Embedding(BaseModel):
    """Vector of one recording."""

    name: str
    leads: list[str]
    vector: list[float]


class Embeddings(BaseModel):
    """Answer of /embed."""

    recordings: list[Embedding]


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
    """Strength in [0, 1]."""

    leads: list[str]
    sample_rate: float = Field(description="of the values, Hz")
    values: list[list[float]]


class ExplanationOut(BaseModel):
    """Answer of /explain."""

    name: str
    label: str | None
    probability: float | None
    method: str
    by_lead: dict[str, float] = Field(description="fall of the score without the lead")
    saliency: Saliency


class RecordingOut(BaseModel):
    """A recording as it was read."""

    name: str
    leads: list[str]
    sample_rate: float
    unit: str
    signal: list[list[float | None]]
    about: dict[str, str | float] = Field(description="age, sex, time and text, where stated")


class Example(BaseModel):
    """A generated recording to try."""

    name: str
    title: str


class ModelOut(BaseModel):
    """What is served."""

    kind: str
    label_names: list[str]
    thresholds: dict[str, dict[str, float]] | None = Field(description="by lead set and label")
    task: str | None
    sample_rate: float
    segment_seconds: float
    has_gallery: bool
    methods: list[str]
    lead_sets: dict[str, list[str]]
    leads: list[str] = Field(description="those that the model sees where a request names none")
    limits: dict[str, float]
    version: str
    notice: str


class ErrorOut(BaseModel):
    """Every answer that is no success."""

    error: str
