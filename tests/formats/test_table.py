import json

from format_samples import SAMPLES
from format_table import COUNTS, PAGE, page


def test_the_page_of_formats_says_what_the_readers_do():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m format_table"


def test_every_format_was_fuzzed_with_20000_files_and_no_finding():
    counts = json.loads(COUNTS.read_text())
    for name in SAMPLES:
        assert counts[name]["examples"] >= 20_000
        assert counts[name]["findings"] == 0
