"""What pages, and the model in one of them, cost a reader in seconds, bytes and memory, in headless Chromium.

    make html && python benchmarks/page.py

Ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Page, sync_playwright

from pixel_edu.config import hardware
from pixel_edu.making.hosting import served
from pixel_edu.widgets import assets

ROOT = Path(__file__).parents[1]
PAGE = "book/intro.html"
PAGES = (
    PAGE,
    "book/setup.html",
    "chapters/02_noise.html",
    "chapters/10_tracking.html",
    "book/api/grading.html",
)
"""Pages of each kind: with a widget, plain, with formulas, with code alone, and the longest."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--js-flags=--expose-gc"]
GUIDED, FIRST, MODEL, GROWTH, LANDING = 1.0, 4.0, 4e6, 0.05, 0.6e6
"""The bars: seconds of a guided sprite of 20 calls, seconds from a cold page to the first sprite, bytes of the model,
the share by which memory may grow while 100 sprites are drawn, after a warm-up, and bytes of the page before the model
is wanted."""

WHEN = """() => new Promise(done => new PerformanceObserver(list => {
  const tasks = list.getEntries().map(task => task.startTime + task.duration);
  const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  done([paint, Math.max(performance.timing.domInteractive - performance.timing.navigationStart, ...tasks)]);
}).observe({ type: "longtask", buffered: true }) ?? setTimeout(() => done([
  performance.getEntriesByName("first-contentful-paint")[0].startTime,
  performance.timing.domInteractive - performance.timing.navigationStart,
]), 500))"""
"""Milliseconds to the first paint, and until the page answers at once."""


@contextmanager
def opened(address: str, name: str = PAGE) -> Iterator[Page]:
    """A page in a fresh browser, without a cache."""
    with sync_playwright() as p, tempfile.TemporaryDirectory() as profile:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        context = p.chromium.launch_persistent_context(profile, executable_path=found, args=FLAGS)
        page = context.new_page()
        page.answers = []
        page.on("response", lambda answer: page.answers.append(answer))
        page.goto(address + name, wait_until="commit")
        yield page
        context.close()


def draw(page: Page, number: int) -> float:
    """Press Draw and wait for the sprite: seconds."""
    began = time.perf_counter()
    page.locator(".pixel-widget").get_by_role("button", name="Draw").click()
    page.wait_for_function(f"document.querySelector('.pixel-panel').dataset.drawn >= {number}", polling=5)
    return time.perf_counter() - began


def weight(page: Page) -> int:
    """Bytes that came over the network so far."""
    return sum(int(answer.header_value("content-length") or 0) for answer in page.answers)


def opening(page: Page) -> tuple[float, float, float]:
    """What opening a page took: MB, seconds to its first paint, and to the end of the last task of 50 ms or more."""
    page.wait_for_load_state("networkidle")
    paint, ready = page.evaluate(WHEN)
    return weight(page) / 1e6, paint / 1e3, max(paint, ready) / 1e3


def memory(page: Page) -> float:
    """MB that the page's process holds, WebAssembly's included, after a collection."""
    page.evaluate("gc()")
    time.sleep(1)
    here = psutil.Process().children(recursive=True)
    return max(each.memory_info().rss for each in here if "--type=renderer" in each.cmdline()) / 1e6


def main() -> None:
    """Measure, print a table, and end with 1 where a bar is missed."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    built = ROOT / "_build" / "html"
    if not (built / PAGE).exists():
        sys.exit("the book is not built: run make html first")
    firsts: list[float] = []
    with served(built) as address:
        print("| page | MB | first paint | answers at once |\n| :--- | ---: | ---: | ---: |")
        for name in PAGES:
            with opened(address, name) as page:
                size, paint, ready = opening(page)
            print(f"| {name} | {size:.2f} | {paint:.2f} s | {ready:.2f} s |")
        print()
        for _ in range(3):
            with opened(address) as page:
                began = time.perf_counter()
                page.wait_for_selector(".pixel-widget")
                page.locator(".pixel-widget").first.scroll_into_view_if_needed()
                page.wait_for_selector(".pixel-widget[data-live]")
                light = weight(page)
                draw(page, 1)
                firsts.append(time.perf_counter() - began)
                whole = weight(page)
        with opened(address) as page:
            page.locator(".pixel-widget").first.scroll_into_view_if_needed()
            page.wait_for_selector(".pixel-widget[data-live]")
            draw(page, 1)
            page.get_by_label("sampler").first.select_option("DDIM")
            page.wait_for_function("document.querySelector('.pixel-panel').dataset.drawn >= 2")
            guided = [draw(page, 3 + i) for i in range(10)]
            held = []
            for i in range(300):
                draw(page, 13 + i)
                if i + 1 in (100, 200, 300):
                    held.append(memory(page))
    model = sum(assets.PATHS[name].stat().st_size for name in ("reference.onnx", "reference.safetensors"))
    rows = [
        ("a guided sprite of 20 calls", f"{median(guided):.2f} s", f"{GUIDED:g} s", median(guided) <= GUIDED),
        ("first sprite after a cold page", f"{max(firsts):.2f} s", f"{FIRST:g} s", max(firsts) <= FIRST),
        ("the model", f"{model / 1e6:.2f} MB", f"{MODEL / 1e6:g} MB", model <= MODEL),
        (
            "the page, until the model is wanted",
            f"{light / 1e6:.2f} MB",
            f"{LANDING / 1e6:g} MB",
            light <= LANDING,
        ),
        ("the page with the model", f"{whole / 1e6:.2f} MB", "", True),
        (
            "memory after 100, 200 and 300 sprites",
            ", ".join(f"{each:.0f}" for each in held) + " MB",
            f"+{GROWTH:.0%} from 200 to 300",
            held[2] <= held[1] * (1 + GROWTH),
        ),
    ]
    print(f"Chromium on {hardware()}\n\n| what | measured | bar |\n| :--- | ---: | ---: |")
    for name, value, bar, _ in rows:
        print(f"| {name} | {value} | {bar} |")
    sys.exit(not all(held for *_, held in rows))


if __name__ == "__main__":
    main()
