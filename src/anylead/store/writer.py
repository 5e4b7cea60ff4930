"""One shard: recordings -> rows of an Arrow IPC file."""

import math
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anylead.leads import NUM_LEADS
from anylead.records import Record
from anylead.signals import Prepared
from anylead.store.files import HashingFile
from anylead.store.quantize import quantize
from anylead.store.schema import SHARD

# A record batch holds signals of up to this size, or one recording: the memory a writer needs.
_BATCH_BYTES = 32 * 2**20


class ShardWriter:
    """Append recordings to one shard, in bounded memory.

    Args:
        file: where the shard goes.
    """

    def __init__(self, file: HashingFile):
        self._writer = pa.ipc.new_file(pa.PythonFile(file, mode="w"), SHARD)
        self._rows: list[dict[str, Any]] = []
        # Filled again for every batch: fresh memory costs as much as writing it to a file.
        self._values = np.empty(_BATCH_BYTES // 2, dtype=np.int16)
        self._ends = [0]
        self.num_records = 0
        self.labels: dict[str, set[str]] = {}

    def add(self, record: Record, prepared: Prepared) -> None:
        """Append one recording; `record` tells all but the signal."""
        present = prepared.has_lead
        signal = prepared.signal if present.all() else prepared.signal[present]
        steps = self._room(signal.size).reshape(signal.shape)
        scale = np.zeros(NUM_LEADS, dtype=np.float32)
        scale[present] = quantize(signal, prepared.resolution[present], steps)
        unknown = record.unknown
        for told in (record.labels, record.unknown):
            for task, labels in told.items():
                self.labels.setdefault(task, set()).update(labels)
        self._rows.append(
            {
                "record_id": record.record_id,
                "patient_id": record.patient_id,
                "split": record.split,
                "fold": record.fold,
                "split_draw": split_draw(record),
                "labels": [(task, list(record.labels[task])) for task in sorted(record.labels)],
                "unknown": [(task, list(unknown[task])) for task in sorted(unknown)],
                "num_samples": signal.shape[1],
                "has_lead": present.tolist(),
                "scale": scale.tolist(),
                "quality": prepared.quality.tolist(),
                "age": _finite(record.age),
                "sex": record.sex,
                "unit": record.unit,
                "source_rate": record.sample_rate,
                "crc32": crc32(steps.data),
                "measurements": sorted(record.measurements.items()),
                "marks": record.marks and [mark._asdict() for mark in record.marks],
            }
        )
        self.num_records += 1

    def close(self) -> None:
        """Write what is left and the end of the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _room(self, num: int) -> NDArray[np.int16]:
        """Where the next `num` values of the record batch go; a full batch is written first."""
        if self._rows and self._ends[-1] + num > len(self._values):
            self._flush()
        if num > len(self._values):
            self._values = np.empty(num, dtype=np.int16)
        begin = self._ends[-1]
        self._ends.append(begin + num)
        return self._values[begin : begin + num]

    def _flush(self) -> None:
        columns = [
            pa.array([row[name] for row in self._rows], type=kind)
            for name, kind in zip(SHARD.names[:-1], SHARD.types[:-1], strict=True)
        ]
        values = pa.array(self._values[: self._ends[-1]])
        columns.append(pa.LargeListArray.from_arrays(pa.array(self._ends, pa.int64()), values))
        self._writer.write_batch(pa.record_batch(columns, schema=SHARD))
        self._rows, self._ends = [], [0]


def split_draw(record: Record) -> int:
    """32 bits that depend on the patient alone, or on the recording where none is known."""
    who = f"record {record.record_id}" if record.patient_id is None else record.patient_id
    return int.from_bytes(sha256(who.encode()).digest()[:4], "big")


def _finite(age: float | None) -> float | None:
    return None if age is None or not math.isfinite(age) else age
