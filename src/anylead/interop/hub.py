"""Models on the Hugging Face hub: an anylead folder with a model card beside it.

`hf://owner/name` is a repository, `hf://owner/name@revision` one state of it, and
`hf://owner/name/file.pt` a single file of it. Without network the local cache answers.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from anylead.checkpoint import DESCRIPTION, WEIGHTS, save_checkpoint, write_atomically
from anylead.errors import CheckpointError
from anylead.interop.model_card import model_card

_PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:/([^@]+))?(?:@(.+))?")
CARD = "README.md"


def is_remote(source: str | Path) -> bool:
    """Whether a source is an address on the hub."""
    return isinstance(source, str) and source.startswith(_PREFIX)


def address(source: str | Path) -> str | Path:
    """A source as `pull` wants it: "owner/name" that is nowhere on the disk is on the hub."""
    is_named = isinstance(source, str) and _ADDRESS.fullmatch(f"{_PREFIX}{source}") is not None
    return f"{_PREFIX}{source}" if is_named and not Path(source).exists() else source


def pull(address: str) -> Path:
    """Fetch a model, or one file, from the hub; returns where it lies in the local cache.

    Raises:
        CheckpointError: no such repository or file, or the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise CheckpointError(f"{address}: want hf://owner/name or hf://owner/name/file.pt")
    repo, file, revision = match.groups()
    try:
        if file is not None:
            return Path(hf_hub_download(repo, file, revision=revision))
        wanted = [WEIGHTS, DESCRIPTION, CARD]
        return Path(snapshot_download(repo, revision=revision, allow_patterns=wanted))
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{address}: not in the local cache, and the hub cannot be reached"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{address}: cannot be fetched ({reason})") from error


def push(
    tensors: Mapping[str, Tensor],
    description: Mapping[str, Any],
    target: str,
    *,
    private: bool = True,
) -> str:
    """Write a model with its card to the hub ("owner/name" or "hf://owner/name").

    Raises:
        CheckpointError: no token, no right to write there, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repo = target.removeprefix(_PREFIX)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), tensors, description)
        write_card(Path(folder), repo)
        try:
            hub = HfApi()
            url = str(hub.create_repo(repo, private=private, exist_ok=True))
            hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="Model by anylead")
        except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(
                f"{target}: cannot be pushed ({reason}); log in with `hf auth login`"
            ) from error
    return url


def copy_model(source: Path, target: Path) -> Path:
    """Copy a model folder, with a card if it has none: sharing where there is no network.

    Raises:
        CheckpointError: no model there.
    """
    if not (source / WEIGHTS).is_file():
        raise CheckpointError(f"{source}: no {WEIGHTS} there; want a folder written by anylead")
    target.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, DESCRIPTION, CARD):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if not (target / CARD).is_file():
        write_card(target)
    return target


def write_card(folder: Path, repo: str | None = None) -> Path:
    """Write README.md from the model.json in a folder; a card that is there is kept.

    Raises:
        CheckpointError: no model.json, or the folder cannot be written.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {DESCRIPTION}; want a folder written by anylead")
    card = folder / CARD
    if not card.is_file():
        write_atomically(card, model_card(json.loads(path.read_text()), repo).encode())
    return card
