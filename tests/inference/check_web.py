#!/usr/bin/env python3
"""The demo page in a real browser, headless: it shows the depth that the native library computes, by mouse, keyboard and
file, in any model, and says what is wrong where something is.

    check_web.py WEB_FOLDER LEADLINE SCREENSHOT.png      needs playwright (its Python package) and Chromium

Exit status 77: no Chromium here.
"""
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

from playwright.sync_api import sync_playwright

web, leadline, screenshot = map(pathlib.Path, sys.argv[1:4])
browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not browser:
    print("no Chromium")
    sys.exit(77)


def npy(file):
    data = pathlib.Path(file).read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def noise(file, width=160, height=120):
    """A PNG of random grey values."""
    rows = b"".join(b"\0" + random.Random(y).randbytes(width) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return file


def native(sample):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([leadline, "predict", web / "models/rooms.lead", sample, "--size", "network", "--format", "npy",
                        "--out", folder], check=True, stdout=subprocess.DEVNULL)
        return npy(next(pathlib.Path(folder).iterdir()))


def compare(page, sample):
    ours, theirs = page.evaluate("Array.from(view.depth)"), native(sample)
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    worst = max(abs(a - b) for a, b in zip(ours, theirs))
    assert worst <= 1e-3 * max(theirs), f"{sample}: {worst} m from the native library's depth"
    return worst


server = subprocess.Popen([sys.executable, web / "serve.py", "0"], stdout=subprocess.PIPE, text=True)
try:
    url = server.stdout.readline().split()[0]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=[
            "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        errors, others = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: others.append(request.url) if not request.url.startswith((url, "data:", "blob:")) else None)

        def settled(text="for this picture"):
            page.wait_for_function("document.body.dataset.ready === 'yes'", timeout=60000)
            page.wait_for_function("text => document.getElementById('status').textContent.includes(text)", arg=text,
                                   timeout=60000)
            assert not page.is_visible("#problem"), page.inner_text("#problem")

        page.goto(url)
        settled()
        samples = sorted((web / "samples").glob("*.png"))
        print(f"first picture: {compare(page, web / 'samples/room3.png'):.1e} m from native, {page.inner_text('#status')}")
        assert "plumbing demo" in page.inner_text("#note")
        page.click("summary")
        assert "passed" in page.inner_text("#about"), page.inner_text("#about")

        # a picture from a file
        for sample in samples:
            page.evaluate("say('')")
            page.set_input_files("#file", sample)
            settled()
            compare(page, sample)

        # metres under the mouse, then by keyboard
        page.hover("#depth", position={"x": 30, "y": 200})
        near = page.inner_text("#metres")
        assert near.endswith(" m"), near
        page.focus("#depth")
        for _ in range(10):
            page.keyboard.press("Shift+ArrowUp")
            page.keyboard.press("ArrowRight")
        assert page.inner_text("#metres") != near

        # the cloud turns
        def turned(action):
            before = page.locator("#cloud").screenshot()
            action()
            assert page.locator("#cloud").screenshot() != before, "the cloud didn't turn"

        box = page.locator("#cloud").bounding_box()

        def drag():
            page.mouse.move(box["x"] + 100, box["y"] + 100)
            page.mouse.down()
            page.mouse.move(box["x"] + 160, box["y"] + 120)
            page.mouse.up()

        turned(drag)
        page.focus("#cloud")
        turned(lambda: page.keyboard.press("ArrowLeft"))
        page.screenshot(path=screenshot, full_page=True)

        # what the network is unsure of fades; a picture of noise has no metres, and the page says why
        before = page.evaluate("document.getElementById('depth').toDataURL()")
        page.check("#fade")
        assert page.evaluate("document.getElementById('depth').toDataURL()") != before, "nothing fades"
        page.uncheck("#fade")
        assert page.evaluate("document.getElementById('depth').toDataURL()") == before, "what faded doesn't come back"
        assert not page.is_visible("#unlike"), page.inner_text("#unlike")
        page.evaluate("say('')")
        page.set_input_files("#file", noise(pathlib.Path(tempfile.mkdtemp()) / "noise.png"))
        settled()
        assert page.is_visible("#unlike"), page.evaluate("view.doubt")
        assert page.inner_text("#near") == "near" and " m" not in page.inner_text("#metres"), page.inner_text("#metres")
        page.screenshot(path=screenshot.with_stem(screenshot.stem + "_noise"), full_page=True)

        # the camera (a fake one)
        page.click("#camera")
        settled("frames/s")
        page.click("#camera")

        # every model of the list, each with its limits in sight; a visitor's own; a file that is none; a picture that is none
        for name in page.evaluate("Array.from(document.getElementById('model').options).map((o) => o.value)"):
            page.evaluate("say('')")
            page.select_option("#model", name)
            settled()
            assert page.inner_text("#note"), name
            assert "passed" in page.inner_text("#about"), page.inner_text("#about")
        page.set_input_files("#own", web / "models/rooms.lead")
        settled()
        broken = pathlib.Path(tempfile.mkdtemp()) / "broken.lead"
        broken.write_bytes((web / "models/rooms.lead").read_bytes()[:5000])
        page.set_input_files("#own", broken)
        page.wait_for_selector("#problem:visible")
        assert "model" in page.inner_text("#problem") or "file" in page.inner_text("#problem"), page.inner_text("#problem")
        page.set_input_files("#file", web / "serve.py")
        page.wait_for_function("document.getElementById('problem').textContent.includes('no picture')")

        # a phone
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than a phone"

        # a browser without SIMD is told so
        old = chromium.new_page()
        old.add_init_script("WebAssembly.validate = () => false")
        old.goto(url)
        old.wait_for_selector("#problem:visible")
        assert "SIMD" in old.inner_text("#problem")
        assert not errors, errors
        assert not others, f"the page asked others: {others}"
        chromium.close()
finally:
    server.terminate()
print("all passed")
