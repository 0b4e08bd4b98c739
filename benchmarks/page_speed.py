"""Milliseconds from the last stroke of a drawing to the prediction and the maps of all layers, by the browser's clock.

    neocog serve RUN --page --port 8000 &
    python benchmarks/page_speed.py http://127.0.0.1:8000 [STROKES]

Needs playwright, and Chromium on the path. The drawing is made on the view See, where both appear.
"""

import shutil
import statistics
import sys

from playwright.sync_api import sync_playwright

WATCH = """() => {
  window.times = { prediction: [], layers: [] };
  let [ended, stroke, drawing] = [0, -1, true];
  for (const id of ["prediction", "layers"]) {
    new MutationObserver(() => { // the last of them, for the whole stroke, stays
      if (!drawing) window.times[id][stroke] = performance.now() - ended;
    }).observe(document.getElementById(id), { childList: true, subtree: true });
  }
  const pad = document.querySelector("canvas.pad");
  pad.addEventListener("pointerdown", () => { drawing = true; }, true);
  pad.addEventListener("pointerup", () => { [ended, stroke, drawing] = [performance.now(), stroke + 1, false]; }, true);
}"""


def main() -> None:
    address, strokes = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(f"{address}/#see")
        page.wait_for_selector("canvas.pad")
        page.evaluate(WATCH)
        box = page.locator("canvas.pad").bounding_box()
        assert box is not None
        for stroke in range(strokes):
            page.get_by_role("button", name="Clear").click()
            page.mouse.move(box["x"] + 40, box["y"] + 30 + 5 * (stroke % 5))
            page.mouse.down()
            page.mouse.move(box["x"] + 120, box["y"] + 30, steps=8)
            page.mouse.move(box["x"] + 70, box["y"] + 140, steps=8)
            page.mouse.up()
            page.wait_for_timeout(500)
        times = page.evaluate("() => window.times")
        browser.close()
    for name, values in times.items():
        values.sort()
        middle, late = statistics.median(values), values[int(0.95 * (len(values) - 1))]
        print(f"{name}: {len(values)} of {strokes} strokes, median {middle:.0f} ms, 95% {late:.0f} ms")


if __name__ == "__main__":
    main()
