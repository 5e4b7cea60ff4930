"""What a picture needs to know of a recording: `anylead.records.Record` has all of it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Recording(Protocol):
    """A recording as the pictures see it; its facts are told in `anylead.records.Record`."""

    @property
    def signal(self) -> NDArray[np.float32]: ...

    @property
    def leads(self) -> tuple[str, ...]: ...

    @property
    def sample_rate(self) -> float: ...

    @property
    def seconds(self) -> float: ...

    @property
    def unit(self) -> str: ...

    @property
    def record_id(self) -> str: ...

    @property
    def patient_id(self) -> str | None: ...

    @property
    def age(self) -> float | None: ...

    @property
    def sex(self) -> str | None: ...

    @property
    def start_time(self) -> str | None: ...

    @property
    def diagnosis(self) -> str | None: ...

    def canonical(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(12, time) with zeros for missing leads, and (12,) bool `has_lead`."""
        ...
