"""A folder with the stores that the recipes name, prepared from small corpora as they say."""

import pytest
from rich.console import Console

from anylead.commands import prepare
from anylead.signals import PreprocessConfig
from recipes.small_corpora import challenge, make_stores, ptbxl


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """Stores of the challenge, of PTB-XL and of generated ECGs; recipes are run in here."""
    folder = tmp_path_factory.mktemp("desk")
    challenge(folder / "challenge")
    ptbxl(folder / "ptbxl")
    make_stores(folder, folder / "challenge", folder / "ptbxl")
    (folder / "store").mkdir()
    (folder / "store" / "ptbxl100").symlink_to(folder / "stores" / "ptbxl100")
    generated = prepare.Recipe(
        dataset="synthetic",
        out=folder / "store" / "synthetic-tiny",
        options={"num_patients": 40},
        preprocess=PreprocessConfig(sample_rate=125.0, highpass_hz=0.5),
        num_workers=1,
    )
    prepare.run(generated, Console(quiet=True))
    return folder
