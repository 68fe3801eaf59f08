"""The page of ``inif view`` in Chromium: its pictures are the decoded planes, to the pixel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import imagecodecs
import numpy as np
import pytest
import tifffile

import inif
from inif.image import Channel, Image, Metadata

pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
pytest.importorskip("starlette", reason="the extra 'serve' is not installed")

STACK = Path(__file__).parents[2] / "examples" / "hipsc_dna_zyx_u16.ome.tif"
WAIT = 180_000  # milliseconds; a machine may be busy
SIZE = {"width": 1400, "height": 900}

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What waits until the window has drawn what is known now."""

Open = Callable[[str], Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    names = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", f"--host-resolver-rules={names}"],
            timeout=WAIT,
        )
        yield found
        found.close()


@contextmanager
def served(*words: object) -> Iterator[str]:
    """The address of the page while a server runs."""
    command = [sys.executable, "-m", "inif", "view", *map(str, words), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
            assert process.poll() is None
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[inif.File]:
    path = tmp_path_factory.mktemp("stack") / "stack.inif"
    inif.compress(STACK, out=path, ratio=32, method="latent", effort=1).close()
    with inif.open(path) as file:
        yield file


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    samples: np.ndarray = tifffile.imread(STACK)
    return samples


@pytest.fixture(scope="module")
def address(stack: inif.File) -> Iterator[str]:
    with served(stack.name, "--original", STACK) as found:
        yield found


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Open]:
    """Open the stack's page with some state; at the end nothing failed and nothing left home."""
    asked: list[str] = []
    wrong: list[str] = []
    with browser.new_context(viewport=SIZE) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.asked = asked

        def go(state: str) -> Any:
            page.goto(f"{address}#{state}")
            shown(page)
            return page

        yield go
    assert wrong == []
    assert asked
    assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked


def shown(page: Any, where: str | None = None) -> None:
    """Wait until all that belongs on the screen is there."""
    page.wait_for_selector("#stage[data-shown]" if where is None else f'[data-shown="{where}"]')


def until(page: Any, truth: str) -> None:
    """Wait until an expression is true; the page itself refuses to evaluate text."""
    for _ in range(WAIT // 50):
        if page.evaluate(truth):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {truth}; {page.url}")


def picture(page: Any, kind: str, rows: int, columns: int) -> np.ndarray:
    """What a panel shows of a plane in its middle, a pixel for each sample: (rows, columns, 3)."""
    page.evaluate(DRAWN)
    screen = imagecodecs.png_decode(page.screenshot())[..., :3]
    top, left = corner(page, kind, rows, columns)
    found: np.ndarray = screen[top : top + rows, left : left + columns]
    return found


def corner(page: Any, kind: str, rows: int, columns: int) -> tuple[int, int]:
    """Where on the screen a plane begins that lies in the middle of a panel, top and left."""
    y, x, height, width = page.locator(f'figure[data-kind="{kind}"] canvas[role]').evaluate(
        """one => {
             const box = one.getBoundingClientRect();
             return [box.y, box.x, one.clientHeight, one.clientWidth];
           }"""
    )
    top, left = (np.floor(n / 2 - k / 2 + 0.5) for n, k in ((height, rows), (width, columns)))
    return int(np.floor(y + 0.5) + top), int(np.floor(x + 0.5) + left)


def shades(samples: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Samples as 0 … 255 between two limits."""
    low, high = window
    scaled = (samples.astype(np.float64) - low) * 255 / (high - low)
    found: np.ndarray = np.floor(scaled + 0.5).clip(0, 255)
    return found


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    """The same picture: no shade is further off than rounding."""
    assert found.shape == wanted.shape
    assert np.abs(found - wanted.astype(np.float64)).max() <= 1


def gray(samples: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    return np.repeat(shades(samples, window)[..., None], 3, axis=-1)


def error_colors(error: np.ndarray, limit: float) -> np.ndarray:
    anchors = [(140, 205, 255), (30, 105, 185), (14, 17, 22), (190, 75, 20), (255, 190, 130)]
    at = np.floor(127.5 + 127.5 * error / limit + 0.5).clip(0, 255) / 255 * 4
    bands = [np.interp(at, range(5), band) for band in zip(*anchors, strict=True)]
    return np.stack(bands, -1)


def test_the_picture_is_the_decoded_plane(visit: Open, stack: inif.File) -> None:
    page = visit("mode=decoded&zoom=1")
    close(picture(page, "decoded", 256, 256), gray(stack[30], stack.windows[0]))


def test_keys_move_and_compare(visit: Open, stack: inif.File, original: np.ndarray) -> None:
    page = visit("mode=decoded&zoom=1")
    window = stack.windows[0]
    for key, plane in (("ArrowRight", 31), ("PageDown", 41), ("End", 59), ("ArrowLeft", 58)):
        page.keyboard.press(key)
        shown(page, f"Z {plane}")
    close(picture(page, "decoded", 256, 256), gray(stack[58], window))
    page.keyboard.press("f")
    shown(page)
    close(picture(page, "original", 256, 256), gray(original[58], window))
    page.keyboard.press("f")
    shown(page)
    close(picture(page, "decoded", 256, 256), gray(stack[58], window))
    page.keyboard.press("s")
    shown(page)
    close(picture(page, "original", 256, 256), gray(original[58], window))
    close(picture(page, "decoded", 256, 256), gray(stack[58], window))


def test_the_error_map_is_decoded_less_original(
    visit: Open, stack: inif.File, original: np.ndarray
) -> None:
    page = visit("mode=error&zoom=1&error=2000&Z=12")
    error = stack[12].astype(int) - original[12]
    close(picture(page, "error", 256, 256), error_colors(error, 2000))
    page.keyboard.press("a")
    shown(page)
    assert page.locator("figure:visible").count() == 3
    page.locator("#limit-auto").check()
    ticks = page.locator(".ramp span").all_inner_texts()
    limit = float(ticks[2].rpartition("+")[2])
    psnr = stack.header["lossy"]["psnr"]
    assert limit == pytest.approx(4 * 65535 * 10 ** (-psnr / 20), rel=0.05)


def test_figures_and_the_worst_plane(visit: Open, stack: inif.File, original: np.ndarray) -> None:
    page = visit("")
    page.wait_for_selector("text=PSNR along Z")
    error = (np.asarray(stack).astype(float) - original) / 65535
    psnr = -10 * np.log10(np.square(error).mean(axis=(1, 2)))
    order = np.argsort(psnr)
    listed = page.locator(".worst button").all_inner_texts()
    assert listed == [f"Z {z}: {psnr[z]:.2f} dB" for z in order[:5]]
    page.keyboard.press("w")
    shown(page, f"Z {order[0]}")
    page.wait_for_selector(f"#lost tbody td:text-is('{psnr[order[0]]:.4g}')")
    page.keyboard.press("w")
    shown(page, f"Z {order[1]}")
    whole = -10 * np.log10(np.square(error).mean())
    assert f"Whole image: {whole:.2f} dB" in page.locator("#lost").inner_text()


def test_samples_under_the_cursor(visit: Open, stack: inif.File, original: np.ndarray) -> None:
    page = visit("mode=side&zoom=1&Z=7")
    top, left = corner(page, "decoded", 256, 256)
    page.mouse.move(left + 100.5, top + 50.5)
    page.wait_for_selector("#readout b")
    said = page.locator("#readout").inner_text().replace("−", "-")
    ours, theirs = int(stack[7, 50, 100]), int(original[7, 50, 100])
    assert "x 100 (26 µm)" in said
    assert "y 50 (13 µm)" in said
    assert f"{ours} original {theirs} error {ours - theirs:+d}" in " ".join(said.split())
    assert page.locator('figure[data-kind="original"] .cross').is_visible()


def test_the_address_keeps_what_is_shown(visit: Open, stack: inif.File) -> None:
    page = visit("mode=decoded&zoom=1")
    page.keyboard.press("ArrowRight")
    page.locator('.ends input[aria-label^="Black"]').fill("5000")
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('5000')")
    page.reload()
    shown(page, "Z 31")
    wanted = gray(stack[31], (5000, stack.windows[0][1]))
    close(picture(page, "decoded", 256, 256), wanted)


def test_zoom_pan_and_the_scale_bar(visit: Open, stack: inif.File) -> None:
    page = visit("mode=decoded")
    for key in ("1", "+", "-"):
        page.keyboard.press(key)
    until(page, "location.hash.includes('zoom=1&')")
    bar = page.locator("figure:visible .scale")
    assert bar.inner_text().strip() == "20 µm"
    assert bar.locator("i").bounding_box()["width"] == pytest.approx(20 / 0.26, abs=0.5)
    box = page.locator("figure:visible canvas[role]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 32, y + 16, steps=3)
    page.mouse.up()
    until(page, "location.hash.includes('center=112.00%2C96.00')")
    page.mouse.wheel(0, -300)
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 100)
    page.keyboard.up("Shift")
    shown(page, "Z 31")
    page.mouse.dblclick(x, y)
    until(page, "!location.hash.includes('zoom')")


def test_help_and_names_for_every_control(visit: Open) -> None:
    page = visit("mode=all")
    page.keyboard.press("?")
    assert "The worst plane" in page.locator("dialog[open]").inner_text()
    assert all(key.strip() for key in page.locator("dialog kbd").all_inner_texts())
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, button, canvas[role]')].filter((one) =>
             !one.ariaLabel && !one.textContent.trim() && !one.labels?.[0]?.textContent.trim()
           ).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_every_plane_is_asked_for_once(visit: Open, stack: inif.File) -> None:
    page = visit("mode=decoded&Z=0")
    for plane in range(1, 12):
        page.keyboard.press("ArrowRight")
        shown(page, f"Z {plane}")
    asked = [parse_qs(urlsplit(url).query) for url in page.asked if "/plane?" in url]
    planes = [int(one["z"][0]) for one in asked if one["of"] == ["decoded"]]
    assert sorted(set(planes)) == sorted(planes)
    assert set(range(12)) <= set(planes)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[inif.File]:
    """Two channels of 1100 × 900 samples: of several tiles, and of levels."""
    rng = np.random.default_rng(0)
    samples = np.kron(rng.integers(0, 255, (2, 55, 45), np.uint8), np.ones((20, 20), np.uint8))
    channels = (Channel("DNA", "#FF8000"), Channel("actin", "#0080FF"))
    path = tmp_path_factory.mktemp("cells") / "cells.inif"
    image = Image(samples, "CYX", Metadata("cells", {}, channels))
    with inif.compress(image, out=path, lossless=True) as file:
        yield file


@pytest.mark.parametrize(("zoom", "level"), [(1, 0), (0.5, 1), (0.25, 2)])
def test_levels_tiles_and_colours(browser: Any, cells: inif.File, zoom: float, level: int) -> None:
    windows = [(20, 200), (10, 240)]
    with served(cells.name) as address:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(WAIT)
        state = "c0=1,FF8000,20,200&c1=1,0080FF,10,240"
        page.goto(f"{address}#zoom={zoom}&center=550,450&{state}")
        shown(page)
        rows, columns = min(1100 >> level, 500), min(900 >> level, 600)
        found = picture(page, "decoded", rows, columns)
        plane = cells[...]
        light = np.zeros((*plane.shape[1:], 3))
        colors = [(1, 128 / 255, 0), (0, 128 / 255, 1)]
        for samples, window, color in zip(plane, windows, colors, strict=True):
            light += np.floor(shades(samples, window)[..., None] * color + 0.5)
        light = light.clip(0, 255)[:: 1 << level, :: 1 << level]
        top, left = (n // 2 - k // 2 for n, k in zip(light.shape, (rows, columns), strict=False))
        close(found, light[top : top + rows, left : left + columns])
        page.close()
