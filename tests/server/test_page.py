"""The web page in a real browser, looked at through its screenshots in build/screenshots."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from server import running

SHOTS = Path(os.environ.get("ANYLEAD_SCREENSHOTS", Path(__file__).parents[2] / "build/screenshots"))
pytestmark = pytest.mark.browser


def find(*names):
    return next((found for found in map(shutil.which, names) if found), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    with running.server("--gallery", str(running.gallery(folder))) as (address, _):
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
    assert text(page, "answer-hint").startswith("from I, II;")
    click(page, "lead-V2")
    until(
        page,
        "return document.getElementById('answer-hint').textContent.startsWith('from I, II, V2')",
    )
    assert page.find_element("id", "set-3").get_attribute("aria-pressed") == "true"
    click(page, "set-12")
    until(page, "return document.querySelectorAll('#labels .before').length === 0")
    assert probabilities(page) == before


def test_what_an_answer_rests_on_is_shaded(page):
    open_example(page, "right-bundle-branch-block")
    click(page, "shade")
    until(page, "return document.getElementById('status').textContent.startsWith('shaded')")
    assert text(page, "fall-V1")[:1] in ("+", "−")
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
    saved, drawn = (page.downloads / name for name in ("anylead.json", "anylead.pdf"))
    end = time.monotonic() + 30
    while not (saved.exists() and drawn.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    result = json.loads(saved.read_text())
    assert result["identity"]["person"] == "p3"
    assert set(result["probabilities"]) == {"SR", "SBRAD", "STACH", "AFIB", "LBBB", "RBBB", "STE"}
    assert "no medical device" in result["notice"]
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


def test_a_file_that_cannot_be_read_is_told_why(browser, site):
    look(browser, 1400, 1000)
    browser.get(site[0])
    until(browser, "return document.getElementById('drop').dataset.ready")
    file = site[1] / "letter.txt"
    file.write_text("Dear colleague,")
    browser.find_element("id", "files").send_keys(str(file))
    until(browser, "return !document.getElementById('error').hidden")
    assert text(browser, "error").startswith("letter.txt: no known ECG format")
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
