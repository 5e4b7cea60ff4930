import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser

import numpy as np
import pytest

from anylead.errors import AnyleadError
from anylead.leads import LEADS
from anylead.metrics import bootstrap
from anylead.pictures import Interval, Report, ecg_page, embedding_map, roc_curves
from anylead.pictures.report import cell_text

NASTY = "<script>alert('1')</script> & \"quoted\" ]]> $x$"


@dataclass(frozen=True)
class Row:
    model: str
    macro_auroc: Interval
    records: int
    note: str | None = None


class Page(HTMLParser):
    """Elements, attributes and texts of a page, as a browser would see them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [value for key, value in self.attributes if key == name]


def nasty_figure():
    random = np.random.default_rng(0)
    target = random.random((40, 2)) < 0.5
    return roc_curves(random.random((40, 2)), target, [NASTY, 'id="x" href="#y" url(#z)'])


@pytest.fixture(scope="module")
def page(ecg):
    many = np.random.default_rng(0).normal(size=(2100, 3))
    report = Report(NASTY).section(NASTY).text(NASTY).code(NASTY)
    report.table([{NASTY: NASTY}], caption=NASTY).figure(nasty_figure(), NASTY)
    report.section("ECG").figure(ecg_page(ecg(), header=NASTY), "one ECG")
    report.figure(ecg_page(ecg(seed=1)))
    report.figure(embedding_map(many, ["a"] * 2100), "points drawn as a raster")
    return report.html()


def test_nothing_of_the_input_is_ever_markup(page):
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert "<script" not in page.lower()
    text = " ".join(parsed.texts)
    # title, heading, section, its link, paragraph, code, column, cell, two captions, legend, header
    assert text.count("<script>alert('1')</script>") == 12
    assert NASTY in parsed.all("data-name")


def test_the_file_needs_nothing_outside_itself(page):
    parsed = Page(page)
    assert not {"link", "iframe", "script", "object", "embed", "base", "img"} & set(parsed.tags)
    for name in ("href", "xlink:href", "src"):
        assert all(value.startswith(("#", "data:image/png")) for value in parsed.all(name))
    assert not re.search(r"https?:|@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]


def test_every_name_is_used_once_and_every_reference_meets_its_name(page):
    parsed = Page(page)
    ids = parsed.all("id")
    assert len(set(ids)) == len(ids)
    wanted = [v[1:] for n in ("href", "xlink:href") for v in parsed.all(n) if v.startswith("#")]
    wanted += [
        name for _, value in parsed.attributes for name in re.findall(r"url\(#(.*?)\)", value or "")
    ]
    assert set(wanted) <= set(ids)
    assert 'id="x" href="#y" url(#z)' in "".join(parsed.texts)


def test_lead_names_stay_text_that_can_be_searched(page):
    assert set(LEADS) <= set(Page(page).texts)


def test_a_dataclass_and_its_dict_make_the_same_table():
    rows = [
        Row("a", Interval(0.9312, 0.912, 0.948), 1234),
        Row("b", Interval(0.8, 0.7, 0.9), 5, "x"),
    ]
    as_dicts = [vars(row) for row in rows]
    assert Report("t").table(rows).html() == Report("t").table(as_dicts).html()


def test_numbers_stand_right_and_words_left():
    rows = [Row("a", Interval(0.9312, 0.912, 0.948), 1234), Row("b", Interval(0.8, 0.7, 0.9), 5)]
    html = Report("t").table(rows, caption="scores").html()
    interval = '0.931 <span class="interval">[0.912, 0.948]</span>'
    assert f'<td class="number" data-name="macro auroc">{interval}</td>' in html
    assert '<td class="number" data-name="records">1,234</td>' in html
    assert '<td data-name="model">a</td>' in html
    assert '<th scope="col" class="number">macro auroc</th>' in html
    assert "<caption>scores</caption>" in html


def test_rows_may_lack_columns():
    parsed = Page(Report("t").table([{"a": 1}, {"b": 2.5}]).html())
    cells = [text for text in parsed.texts if text.strip() in {"1", "2.500", "–"}]
    assert cells == ["1", "–", "–", "2.500"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (0, "0"),
        (0.0, "0.000"),
        (-0.25, "−0.250"),
        (3e-7, "3e−07"),
        (12345.678, "12,345.678"),
        (np.float32(0.5), "0.500"),
        (np.int64(12345), "12,345"),
        (("I", "II"), "I, II"),
        (Interval(0.5, float("nan"), 1.0), "0.500 [–, 1.000]"),
        (bootstrap.Interval(0.5, 0.4, 0.6, 100), "0.500 [0.400, 0.600]"),
    ],
)
def test_a_cell_reads_as_people_write(value, text):
    assert cell_text(value) == text


def test_the_same_pieces_give_the_same_bytes(ecg):
    def html():
        return Report("t").figure(ecg_page(ecg()), "a").figure(nasty_figure()).html()

    assert html() == html()


def test_paragraphs_are_parted_by_empty_lines():
    assert Report("t").text("one\ntwo\n\n\n three ").html().count("<p>") == 2


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "report.html"
    Report("t\ud800").text("é").save(path)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    with pytest.raises(AnyleadError, match="cannot be written"):
        Report("t").save(path / "report.html")
    assert [child.name for child in path.parent.iterdir()] == ["report.html"]


def test_a_table_that_sorts_brings_a_script_that_the_policy_knows():
    html = Report("t").table([{"a": 1}], is_sortable=True).html()
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert '<th scope="col" class="number"><button type="button">a</button></th>' in html


def test_what_is_folded_can_be_opened():
    report = Report("t")
    with report.fold("more <b>", is_open=True):
        report.text("inside")
    with report.fold("closed"):
        report.text("hidden")
    html = report.html()
    assert "<details open><summary>more &lt;b&gt;</summary>\n<p>inside</p>\n</details>" in html
    assert "<details><summary>closed</summary>" in html


def test_a_figure_may_have_another_for_narrow_screens(ecg):
    html = Report("t").figure(nasty_figure(), "a", narrow=nasty_figure()).html()
    assert html.count("<svg") == 2
    assert 'class="picture broad"' in html and 'class="picture narrow"' in html
