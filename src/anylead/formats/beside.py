"""The JSON beside a file that tells about it: its own (`ecg.json`), or `anylead.json`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anylead.errors import FormatError

FOLDER_FILE = "anylead.json"
MAX_BYTES = 2**20


def side_car(path: Path) -> Mapping[str, Any]:
    """The JSON of a file itself, else that of its folder, else nothing.

    Raises:
        FormatError: it is no JSON object, or too large to be one of ours.
    """
    # Texts, since no `Path` is needed where there is none, as beside nearly every file.
    folder, name = os.path.split(path)
    for candidate in (f"{path.stem}.json", FOLDER_FILE):
        if candidate == name or not os.path.isfile(os.path.join(folder, candidate)):
            continue
        beside = path.with_name(candidate)
        if beside.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: side-car {beside.name} has over {MAX_BYTES} bytes; shorten")
        try:
            found = json.loads(beside.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: side-car {beside.name} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise FormatError(f"{path}: side-car {beside.name} is no JSON object; want {{...}}")
        return found
    return {}
