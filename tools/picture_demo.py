"""Photograph the running demo for the book: `picture_demo.py [CHROMIUM]` writes book/_static/demo.png.

As wide as a phone, so that the page need not scale it down, which would blur the text.
"""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from pixel_edu.serving.demo import FIRST_SEED

OUT = Path(__file__).parents[1] / "book" / "_static" / "demo.png"
WIDTH, HEIGHT = 328, 660
ORDERS = (("items", 3), ("characters", FIRST_SEED))


def photograph(address: str, chromium: str) -> None:
    """Draw some sprites, the last of which is seen large, and take the picture."""
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(address)
        for kind, seed in ORDERS:
            page.get_by_label(kind, exact=True).check()
            page.get_by_label("Seed", exact=True).fill(str(seed))
            page.get_by_role("button", name="Draw").click()
            page.wait_for_selector(f'#picture img[alt="{kind}, seed {seed}"]')
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_timeout(500)
        page.screenshot(path=OUT)
        browser.close()


def main(chromium: str = "/usr/bin/chromium") -> None:
    """Start the demo, photograph it, and end it."""
    command = [sys.executable, "-m", "pixel_edu.cli", "demo", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as demo:
        try:
            photograph(demo.stdout.readline().split()[1], chromium)
        finally:
            demo.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
