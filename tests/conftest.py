"""Where the optional real data and reference numbers are found; a Ray cluster of this machine."""

import os
import sys
from pathlib import Path

import pytest

from skips import pytest_sessionfinish  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
SMALL_GOLDEN = ROOT / "tests" / "golden"


def _beside_the_repository(name: str) -> Path | None:
    for parent in (ROOT.parent, ROOT.parent.parent):
        folder = parent / "shared" / name
        if folder.is_dir():
            return folder
    return None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real ECGs (see its README)."""
    folder = _beside_the_repository("data")
    return folder or pytest.skip("no folder shared/data beside the repository")


class Golden:
    """Numbers of the original program: all of them beside the repository, else the part in it."""

    def __init__(self, whole: Path | None):
        self.whole = whole

    def __truediv__(self, name: str) -> Path:
        path = (self.whole or SMALL_GOLDEN) / name
        if not path.exists():
            pytest.skip(f"{name}: no folder shared/golden beside the repository")
        return path


@pytest.fixture(scope="session")
def golden() -> Golden:
    """Files of the original program by name (see golden/README.md)."""
    return Golden(_beside_the_repository("golden"))


@pytest.fixture(scope="session")
def golden_encoders() -> Path:
    """Numbers of other public encoders with stand-in weights (see its README)."""
    folder = _beside_the_repository("golden_encoders")
    return folder or pytest.skip("no folder shared/golden_encoders beside the repository")


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of this machine."""
    ray = pytest.importorskip("ray")
    path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=path)
    yield ray
    ray.shutdown()
