"""Columns of a store: shards hold one row per recording, the index all of it but the signal.

`signal` holds the leads of `has_lead` one after another, each `num_samples` long, as int16;
times `scale` they are mV. `labels` has one key per task that the recording is labelled for.
`split_draw` is a hash of the patient (or the recording where no patient is known), uniform over
32 bits: it gives a split that does not change when recordings are added. `unknown` lists, by task,
the classes that nobody looked for in a recording that is labelled otherwise; `crc32` is that of the
signal, by which whoever reads it knows that it is whole. Stores of version 1 have neither, and
those before version 3 no `measurements` (numbers by name). `marks`, from version 4 on, are waves or
beats that somebody marked, in seconds, which hold at any sample rate; null where nobody looked.
"""

import pyarrow as pa

from anylead.leads import NUM_LEADS

VERSION, FIRST_VERSION = 4, 1

_MARK = pa.struct(
    dict.fromkeys(("lead", "name"), pa.string()) | dict.fromkeys(("onset", "offset"), pa.float64())
)

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("record_id", pa.string()),
    ("patient_id", pa.string()),
    ("split", pa.string()),
    ("fold", pa.int16()),
    ("split_draw", pa.uint32()),
    ("labels", pa.map_(pa.string(), pa.list_(pa.string()))),
    ("unknown", pa.map_(pa.string(), pa.list_(pa.string()))),
    ("num_samples", pa.int64()),
    ("has_lead", pa.list_(pa.bool_(), NUM_LEADS)),
    ("scale", pa.list_(pa.float32(), NUM_LEADS)),
    ("quality", pa.list_(pa.uint16(), NUM_LEADS)),
    ("age", pa.float32()),
    ("sex", pa.string()),
    ("unit", pa.string()),
    ("source_rate", pa.float32()),
    ("crc32", pa.uint32()),
    ("measurements", pa.map_(pa.string(), pa.float64())),
    ("marks", pa.list_(_MARK)),
]
METADATA = pa.schema(_COLUMNS)
SHARD = pa.schema([*_COLUMNS, ("signal", pa.large_list(pa.int16()))])
# Where the signal of a recording lies: shard, record batch in it, first element in the batch.
INDEX = pa.schema([*_COLUMNS, ("shard", pa.int32()), ("batch", pa.int32()), ("begin", pa.int64())])
