from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.pictures.style import plain, text_width_mm, wrap


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(st.characters(codec="ascii"), max_size=200),
    width=st.floats(15, 120),
    max_lines=st.integers(1, 5),
)
def test_wrapped_lines_fit_and_lose_nothing_without_an_ellipsis(text, width, max_lines):
    lines = wrap(text, width, 9, max_lines)
    assert len(lines) <= max_lines
    assert all(text_width_mm(line, 9) <= width for line in lines)
    if not (lines and lines[-1].endswith("…")):
        assert "".join(lines).replace(" ", "") == plain(text).replace(" ", "")


def test_plain_text_has_no_control_characters_and_one_line():
    assert plain("a\x00b\n\tc \x1b[31md\ud800") == "a b c [31md"
