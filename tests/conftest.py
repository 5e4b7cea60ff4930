"""Where the optional real data and reference numbers are found."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _beside_the_repository(name: str) -> Path:
    for parent in (ROOT.parent, ROOT.parent.parent):
        folder = parent / "shared" / name
        if folder.is_dir():
            return folder
    pytest.skip(f"no folder shared/{name} beside the repository")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real ECGs (see its README)."""
    return _beside_the_repository("data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers of the original implementation (see its README)."""
    return _beside_the_repository("golden")


@pytest.fixture(scope="session")
def golden_encoders() -> Path:
    """Numbers of other public encoders with stand-in weights (see its README)."""
    return _beside_the_repository("golden_encoders")
