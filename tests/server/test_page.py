"""The web page in a real browser, looked at through its screenshots in build/screenshots."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import fitted_model
from anylead.checkpoint import save_checkpoint
from server import running

SHOTS = Path(os.environ.get("ANYLEAD_SCREENSHOTS", Path(__file__).parents[2] / "build/screenshots"))
pytestmark = pytest.mark.browser


def find(*names):
    return next((found for found in map(shutil.which, names) if found), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    model = running.trusted(folder / "model")
    gallery = str(running.gallery(folder))
    with running.server("--gallery", gallery, model=model) as (address, _):
        yield address, folder


@pytest.fixture(scope="module")
def browser(site, tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = find("chromium", "chromium-browser", "google-chrome"), find("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    downloads = str(tmp_path_factory.mktemp("downloads"))
    options.add_experimental_option("prefs", {"download.default_directory": downloads})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.downloads = Path(downloads)
    yield started
    started.quit()


@pytest.fixture
def page(browser, site):
    look(browser, 1400, 1000)
    browser.get(site[0])
    until(browser, "return document.getElementById('drop').dataset.ready")
    yield browser
    serious = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
    assert serious == []
    asked = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    addresses = [
        each["params"]["request"]["url"]
        for each in asked
        if each["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert all(address.startswith((site[0], "blob:", "data:")) for address in addresses)


def look(browser, width, height, dark=False):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def until(browser, script, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = browser.execute_script(script)
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {script}")


def shoot(browser, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))


def click(browser, name):
    browser.find_element("id", name).click()


def text(browser, name):
    return browser.find_element("id", name).text


def choose(browser, name, value):
    browser.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('change'));", name, value,
    )  # fmt: skip


def open_example(browser, name):
    choose(browser, "examples", name)
    title = browser.execute_script(
        "return document.querySelector(`#examples [value='${arguments[0]}']`).textContent", name
    )
    until(browser, f"return document.getElementById('ecg-title').textContent === '{title}'")
    until(browser, "return document.querySelectorAll('#labels .value').length === 7")
    return probabilities(browser)


def probabilities(browser):
    until(browser, "return !document.getElementById('labels').ariaBusy")
    return browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('#labels .value')]"
        ".map(e => [e.dataset.label, e.previousSibling?.textContent + '|' + e.textContent]))"
    )


def ink(browser):
    """How many pixels of the page are of the trace's colour."""
    return browser.execute_script(
        "const c = document.getElementById('paper');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i] + d[i+1] + d[i+2] < 120;"
        "return n"
    )


def test_an_example_is_drawn_and_judged_at_once(page):
    assert "no medical device" in text(page, "notice")
    shoot(page, "empty")
    found = open_example(page, "left-bundle-branch-block")
    assert set(found) == {"SR", "SBRAD", "STACH", "AFIB", "LBBB", "RBBB", "STE"}
    assert ink(page) > 3000
    until(page, "return document.querySelectorAll('#nearest tr').length === 5")
    shoot(page, "desktop")


def test_leads_taken_away_change_the_probabilities(page):
    before = open_example(page, "left-bundle-branch-block")
    all_ink = ink(page)
    click(page, "set-2")
    until(page, "return document.querySelectorAll('#labels .before').length > 0")
    assert probabilities(page) != before
    assert ink(page) < 0.6 * all_ink
    assert text(page, "answer-hint").startswith("Probability of each label, from I, II.")
    assert text(page, "set-meaning") == "2 leads: I, II"
    click(page, "lead-V2")
    until(
        page,
        "return document.getElementById('answer-hint').textContent.includes('from I, II, V2.')",
    )
    assert page.find_element("id", "set-3").get_attribute("aria-pressed") == "true"
    click(page, "set-12")
    until(page, "return document.querySelectorAll('#labels .before').length === 0")
    assert probabilities(page) == before


def test_what_an_answer_rests_on_is_shaded(page):
    open_example(page, "right-bundle-branch-block")
    click(page, "shade")
    until(page, "return document.getElementById('status').textContent.startsWith('shaded')")
    assert "without V1: " in page.find_element("id", "fall-V1").get_attribute("title")
    assert "its probability would be" in text(page, "lead-hint")
    assert page.find_element("id", "legend").is_displayed()
    shoot(page, "saliency")
    choose(page, "method", "attention")
    until(page, "document.querySelector('#labels [value=STE]').click(); return true")
    until(page, "return document.getElementById('status').textContent.includes('\"STE\"')")


def test_calipers_measure_by_mouse_and_by_keyboard(page):
    from selenium.webdriver import ActionChains, Keys

    open_example(page, "sinus-rhythm")
    click(page, "calipers")
    assert text(page, "measure") == "800 ms · 75 bpm · 1.00 mV"
    paper = page.switch_to.active_element
    assert paper.get_attribute("id") == "paper"
    paper.send_keys(Keys.ARROW_RIGHT * 5, Keys.ARROW_UP)
    assert text(page, "measure") == "900 ms · 67 bpm · 1.05 mV"
    scale = float(paper.get_attribute("data-scale"))  # pixels of a millimetre
    dragged = ActionChains(page).move_to_element_with_offset(paper, -200, 0)
    dragged.click_and_hold().move_by_offset(
        round(scale * 25), round(scale * 10)
    ).release().perform()
    milliseconds, _, volts = text(page, "measure").split(" · ")
    assert int(milliseconds.split()[0]) == pytest.approx(1000, abs=25)
    assert float(volts.split()[0]) == pytest.approx(1.0, abs=0.06)
    shoot(page, "calipers")
    width = paper.size["width"]
    paper.send_keys("+")
    assert paper.size["width"] > 1.2 * width
    paper.send_keys("0")
    assert paper.size["width"] == width


def test_files_are_read_identified_and_downloaded(page, site):
    record = running.recording(3, 0)
    file = running.write(record, site[1] / "mine.npz")
    page.find_element("id", "files").send_keys(str(file))
    until(page, "return document.getElementById('person').textContent.startsWith('p3')")
    assert text(page, "ecg-title") == "mine"
    until(page, "return document.querySelectorAll('#labels .value').length === 7")
    shoot(page, "identified")
    click(page, "save-json")
    click(page, "save-pdf")
    saved, drawn = (page.downloads / name for name in ("mine-anylead.json", "mine-anylead.pdf"))
    end = time.monotonic() + 30
    while not (saved.exists() and drawn.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    result = json.loads(saved.read_text())
    assert result["identity"]["person"] == "p3"
    assert set(result["answer"]["probabilities"]) == {
        "SR",
        "SBRAD",
        "STACH",
        "AFIB",
        "LBBB",
        "RBBB",
        "STE",
    }
    assert "no medical device" in result["notice"]
    assert result["recording"]["name"] == "mine"
    assert result["model"]["name"] == "rhythm-tiny" and result["model"]["version"]
    assert result["date"].startswith("20")
    assert drawn.read_bytes().startswith(b"%PDF")


def test_a_recording_of_few_leads_offers_only_those(page, site):
    record = running.recording(5, 0)
    few = type(record)(record.signal[[1, 7]], ("II", "V2"), record.sample_rate)
    page.find_element("id", "files").send_keys(str(running.write(few, site[1] / "few.npz")))
    until(page, "return document.querySelectorAll('#labels .value').length === 7")
    enabled = page.execute_script(
        "return [...document.querySelectorAll('#boxes input:enabled')].map(e => e.id)"
    )
    assert enabled == ["lead-II", "lead-V2"]
    assert not page.find_element("id", "set-2").is_enabled()
    for name in enabled:
        click(page, name)
    until(page, "return document.getElementById('error').textContent.includes('at least one lead')")


def test_everything_can_be_reached_with_the_keyboard(page):
    from selenium.webdriver import Keys

    open_example(page, "tachycardia")
    page.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = set()
    page.find_element("tag name", "body").send_keys(Keys.TAB)
    for _ in range(50):
        focused = page.switch_to.active_element
        reached.add(focused.get_attribute("id") or focused.get_attribute("name"))
        focused.send_keys(Keys.TAB)
    wanted = {"choose", "examples", "zoom-in", "calipers", "layout", "paper", "set-6", "lead-V6"}
    assert wanted | {"label", "shade", "method", "save-pdf", "save-json"} <= reached


def test_the_page_fits_a_phone_and_the_dark(page):
    open_example(page, "atrial-fibrillation")
    look(page, 1400, 1000, dark=True)
    until(page, "return getComputedStyle(document.body).backgroundColor === 'rgb(20, 22, 26)'")
    shoot(page, "desktop-dark")
    for dark in (False, True):
        look(page, 390, 844, dark)
        until(page, "return innerWidth === 390")
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        small = page.execute_script(
            "return [...document.querySelectorAll('button, select')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 36).map(e => e.id)"
        )
        assert small == []
        height = page.execute_script("return document.documentElement.scrollHeight")
        look(page, 390, height, dark)
        time.sleep(0.3)
        shoot(page, f"phone{'-dark' if dark else ''}")


def test_an_answer_tells_its_threshold_its_score_and_its_training(page):
    open_example(page, "left-bundle-branch-block")
    rows = page.execute_script(
        "return [...document.querySelectorAll('#labels .label')].map(e => [e.classList.contains("
        "'yes'), e.querySelector('.value').textContent, e.querySelector('.name').textContent])"
    )
    for is_yes, value, name in rows:
        number = float(value.strip("<>% "))
        assert is_yes == (number >= 50) or number == 50
        assert " " in name  # full name, then the abbreviation
    assert "Left bundle branch block LBBB" in {name for _, _, name in rows}
    assert "yes begins at 50 %, chosen with 12 leads" in text(page, "meaning")
    trust = text(page, "trust")
    assert "Validated with exactly these leads: macro AUROC 0.900 [0.850, 0.950]" in trust
    assert "rhythm-tiny" in trust and "generated ECGs only" in trust
    click(page, "set-3")
    until(page, "return document.getElementById('trust').textContent.includes('nearest set')")


def test_rows_keep_apart_and_names_stand_clear(page, site):
    record = running.recording(2, 0)
    tall = type(record)(2 * record.signal, record.leads, record.sample_rate)
    page.find_element("id", "files").send_keys(str(running.write(tall, site[1] / "tall.npz")))
    until(page, "return document.getElementById('ecg-title').textContent === 'tall'")
    found = page.execute_script("return document.getElementById('paper').dataset.baselines")
    baselines = [float(part) for part in found.split()]
    centred = tall.signal - np.median(tall.signal, axis=1, keepdims=True)
    quarters = np.array_split(10 * centred, 4, axis=1)  # mm; (12, quarter)
    for row in range(2):
        for column, quarter in enumerate(quarters):
            above, below = quarter[3 * column + row], quarter[3 * column + row + 1]
            gap = baselines[row + 1] - baselines[row]
            assert gap > below.max() - above.min(), (row, column)
    shoot(page, "tall")


def test_several_files_stand_in_a_list_with_their_answers(page, site):
    paths = [running.write(running.recording(i, 0), site[1] / f"many{i}.npz") for i in range(3)]
    page.find_element("id", "files").send_keys("\n".join(map(str, paths)))
    until(page, "return document.querySelectorAll('#list small:not(:empty)').length === 3")
    assert text(page, "ecg-title") == "many0"
    page.find_elements("css selector", "#list button")[2].click()
    until(page, "return document.getElementById('ecg-title').textContent === 'many2'")
    shoot(page, "several")


def test_a_long_recording_opens_with_an_overview_and_a_window(page, site):
    record = running.recording(1, 0)
    long = type(record)(np.tile(record.signal, 60), record.leads, record.sample_rate)  # 300 s
    page.find_element("id", "files").send_keys(str(running.write(long, site[1] / "holter.npz")))
    until(page, "return document.querySelectorAll('#labels .value').length === 7")
    until(page, "return document.getElementById('overview').ariaValueNow === '0'")
    assert "00:00 to 01:00 of 05:00" in text(page, "paper-hint")
    click(page, "overview")  # the middle
    until(
        page, "return document.getElementById('paper-hint').textContent.includes('02:00 to 03:00')"
    )
    assert page.find_element("id", "overview").get_attribute("aria-valuenow") == "120"
    shoot(page, "long")


def test_what_looks_like_noise_is_not_answered_unless_asked(page, site):
    record = running.recording(1, 0)
    rng = np.random.default_rng(0)
    noise = type(record)(rng.standard_normal(record.signal.shape).astype(np.float32),
                         record.leads, record.sample_rate)  # fmt: skip
    page.find_element("id", "files").send_keys(str(running.write(noise, site[1] / "noise.npz")))
    until(page, "return document.getElementById('warnings').textContent.startsWith('No answer')")
    assert page.find_elements("css selector", "#labels .value") == []
    shoot(page, "noise")
    click(page, "force")
    until(page, "return document.querySelectorAll('#labels .value').length === 7")
    assert text(page, "warnings").startswith("Doubtful")


def test_a_strip_that_scrolls_says_so(page):
    open_example(page, "sinus-rhythm")
    assert not page.find_element("id", "shown").is_displayed()
    look(page, 390, 844)
    until(page, "return !document.getElementById('shown').hidden")
    assert text(page, "shown").startswith("0.0 to ") and "swipe" in text(page, "shown")
    page.execute_script("document.getElementById('scroller').scrollLeft = 9999")
    until(page, "return document.getElementById('shown').textContent.includes('to 10.0 s of 10.0')")
    assert not page.execute_script(
        "return document.getElementById('strip').classList.contains('more')"
    )


def test_numbers_without_facts_open_the_fields_and_go_on_from_there(browser, site):
    look(browser, 1400, 1000)
    browser.get(site[0])
    until(browser, "return document.getElementById('drop').dataset.ready")
    file = site[1] / "bare.npy"
    np.save(file, running.recording(1, 0).signal[:2])
    browser.find_element("id", "files").send_keys(str(file))
    until(browser, "return !document.getElementById('error').hidden")
    assert "Fill in the sampling rate" in text(browser, "error-words")
    assert browser.switch_to.active_element.get_attribute("id") == "fact-sample_rate"
    shoot(browser, "facts")
    for name, value in (("sample_rate", "100"), ("leads", "I,II"), ("unit", "mV")):
        browser.find_element("id", f"fact-{name}").send_keys(value)
    click(browser, "again")
    until(browser, "return document.getElementById('ecg-title').textContent === 'bare'")
    browser.get_log("browser")  # the refusal stands there too


def test_the_page_of_an_encoder_says_what_it_can_do(browser, tmp_path):
    made = fitted_model.checkpoint()
    tensors = {name: t for name, t in made.tensors.items() if name.startswith("encoder.")}
    save_checkpoint(tmp_path / "encoder", tensors, {**made.description, "kind": "pretraining"})
    with running.server(model=tmp_path / "encoder") as (address, _):
        browser.get(address)
        until(browser, "return document.getElementById('drop').dataset.ready")
        choose(browser, "examples", "sinus-rhythm")
        until(browser, "return document.getElementById('save-vector').offsetParent !== null")
        assert "a vector of 48 numbers" in text(browser, "other-words")
        assert not browser.find_element("css selector", ".answer").is_displayed()
        browser.get(f"{address}/docs")
        assert "curl" in browser.find_element("tag name", "body").text
        shoot(browser, "api")


OTHER_KINDS = {
    "multiclass": {"label_names": list(fitted_model.LABELS)},
    "regression": {"label_names": ["LVEF", *(f"number {i}" for i in range(6))]},
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_classes_that_exclude_each_other_and_numbers_are_shown(kind, browser, tmp_path):
    made = fitted_model.checkpoint()
    described = {**made.description, **OTHER_KINDS[kind], "kind": kind}
    save_checkpoint(tmp_path / "model", made.tensors, described)
    with running.server(model=tmp_path / "model") as (address, _):
        look(browser, 1400, 1000)
        browser.get(address)
        until(browser, "return document.getElementById('drop').dataset.ready")
        browser.get_log("browser")
        choose(browser, "examples", "left-bundle-branch-block")
        until(browser, "return document.querySelector('#labels .value')")
        values = browser.execute_script(
            "return [...document.querySelectorAll('#labels .value')]"
            ".map((each) => [each.dataset.label, each.textContent])"
        )
        assert {name for name, _ in values} == set(described["label_names"])
        if kind == "multiclass":
            verdicts = browser.execute_script(
                "return [...document.querySelectorAll('#labels .verdict')].map(e => e.textContent)"
            )
            assert verdicts == ["answer"]
            assert "exclude each other" in text(browser, "answer-hint")
        else:
            assert all(float(value) == float(value) for _, value in values)
            assert "in its own unit" in text(browser, "answer-hint")
        click(browser, "shade")
        until(browser, "return !document.getElementById('legend').hidden", 60)
        told = text(browser, "lead-hint")
        assert "NaN" not in told and ("LVEF" in told or kind == "multiclass")
        shoot(browser, kind)
        look(browser, 390, 844, dark=True)
        shoot(browser, f"{kind}-phone-dark")
        serious = [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
        assert serious == []


def test_a_file_that_cannot_be_read_is_told_why(browser, site):
    look(browser, 1400, 1000)
    browser.get(site[0])
    until(browser, "return document.getElementById('drop').dataset.ready")
    file = site[1] / "letter.txt"
    file.write_text("Dear colleague,")
    browser.find_element("id", "files").send_keys(str(file))
    until(browser, "return !document.getElementById('error').hidden")
    assert text(browser, "error-words") == "This is no ECG file that can be read here."
    assert text(browser, "error-detail").startswith("letter.txt: no known ECG format")
    browser.get_log("browser")  # the refusal stands there too


def test_a_server_of_few_leads_offers_only_those_and_says_why(browser):
    with running.server("--leads", "I,V2") as (address, _):
        browser.get(address)
        until(browser, "return document.getElementById('drop').dataset.ready")
        open_example(browser, "left-bundle-branch-block")
        boxes = browser.execute_script(
            "return [...document.querySelectorAll('#boxes input')]"
            ".map(e => [e.id, e.disabled, e.checked, e.parentElement.title])"
        )
    assert len(boxes) == 12
    for name, disabled, checked, title in boxes:
        is_seen = name in ("lead-I", "lead-V2")
        assert (disabled, checked) == (not is_seen, is_seen)
        assert title == ("" if is_seen else "not seen by this model")


def test_waves_are_tinted_and_a_number_shows_where_it_was_measured(browser):
    with running.server(model="ptbxl-small") as (address, _):
        look(browser, 1400, 1000)
        browser.get(address)
        until(browser, "return document.getElementById('drop').dataset.ready")
        choose(browser, "examples", "sinus-rhythm")
        until(browser, "return document.querySelectorAll('#intervals button').length")
        before = drawn(browser)
        click(browser, "tint")
        assert drawn(browser) != before
        pr = "document.querySelectorAll('#intervals button')[2]"
        told = browser.execute_script(f"{pr}.click(); return {pr}.textContent")
        shown = until(browser, "return document.getElementById('measure').textContent")
        assert abs(int(shown.split(" ms")[0]) - int(told.split(" ms")[0])) <= 25
        shoot(browser, "waves")
        the_median_beat_has_calipers_that_snap(browser)
        for width, dark in ((1400, True), (390, False), (390, True)):
            look(browser, width, 1000, dark)
            browser.execute_script("document.getElementById('median').scrollIntoView()")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            shoot(browser, f"waves-{width}{'-dark' if dark else ''}")


def the_median_beat_has_calipers_that_snap(browser):
    from selenium.webdriver import ActionChains, Keys

    said = browser.execute_script(
        "return [...document.querySelectorAll('#intervals button')]"
        ".map(e => parseInt(e.textContent))"
    )
    _, _, pr, qrs, qt = said[:5]
    found = text(browser, "median-measure")
    assert found.startswith("QRS onset to T offset: ") and abs(int(found.split()[-2]) - qt) <= 12
    canvas = browser.find_element("id", "median-canvas")
    for _ in range(99):  # the second line goes back to the end of the complex
        canvas.send_keys(Keys.ARROW_LEFT)
        if "QRS offset" in text(browser, "median-measure"):
            break
    assert abs(int(text(browser, "median-measure").split()[-2]) - qrs) <= 12
    for _ in range(99):
        canvas.send_keys(Keys.SHIFT, Keys.ARROW_LEFT)
        if "P onset" in text(browser, "median-measure"):
            break
    assert text(browser, "median-measure").startswith("P onset to QRS offset: ")
    # Dragged to five pixels beside QRS onset, the line takes it.
    width = canvas.size["width"]
    place = lambda seconds: round((seconds + 0.35) * width - width / 2)  # noqa: E731
    drag = ActionChains(browser).move_to_element_with_offset(canvas, place(-pr / 1000), 0)
    drag.click_and_hold().move_to_element_with_offset(canvas, place(0) + 5, 0).release().perform()
    assert text(browser, "median-measure").startswith("QRS onset to QRS offset: ")
    choose(browser, "median-lead", "V2")
    assert text(browser, "median-measure").startswith("QRS onset to T offset: ")


def drawn(browser):
    return browser.execute_script("return document.getElementById('paper').toDataURL()")
