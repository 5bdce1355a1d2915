"""Does the interactive map follow the hand?

Writes metrics/bench/map.json and prints it as the table of the README. 6,000 random points are dragged for three
seconds in headless Chromium, which draws without a graphics card. `frame` is the median time from one frame to the
next, of which the screen allows one per 16.7 ms, and `slow` the 95th percentile; `drawing` is what the page itself
takes for a frame.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from _measuring import provenance

from pullback import files
from pullback.report._map_page import render_map

OUT, POINTS, CHROMIUM = Path("metrics/bench/map.json"), 6000, "/usr/bin/chromium"
SCREENS = {
    "desktop, 1280 x 800": {"viewport": {"width": 1280, "height": 800}},
    "phone, 390 x 844, 3 dots per pixel": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3},
}
DRAG = """
async () => {
  const box = canvas.getBoundingClientRect(), frames = [], drawing = [], start = performance.now();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind,
    { pointerId: 1, pointerType: "mouse", buttons: 1, clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  const drawn = window.draw;
  window.draw = (now) => {
    const began = performance.now();
    drawn(now);
    drawing.push(performance.now() - began);
  };
  canvas.setPointerCapture = () => {};
  send("pointerdown", 100, 100);
  for (let i = 0, before = start; before - start < 3000; i++) {
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
    send("pointermove", 100 + 60 * Math.sin(i / 10), 100 + 40 * Math.sin(i / 7));
  }
  send("pointerup", 100, 100);
  return { frames: frames.slice(5), drawing: drawing.slice(5) };
}
"""


def page() -> str:
    """A map of three sources, of which no image and no neighbour means anything."""
    rng = np.random.default_rng(0)
    told = {"trustworthiness": 1.0, "continuity": 1.0}
    return render_map(
        SimpleNamespace(
            prepared={"name": "digits", "classes": [str(i) for i in range(10)]},
            feature_map={"name": "pixels"},
            evaluations={"gan": {}, "vae": {}},
            sources=["real", "gan prior", "vae prior"],
            manifold={"maps": {"tsne": {"all": told}}},
            maps={"tsne": rng.normal(size=(POINTS, 2))},
            map_sources=np.repeat(["real", "gan prior", "vae prior"], POINTS // 3),
            map_images=rng.integers(0, 256, (POINTS, 1, 8, 8), np.uint8),
            map_labels=np.arange(POINTS) % 10,
            map_clusters=np.arange(POINTS) % 10,
            map_neighbors=rng.integers(0, POINTS, (POINTS, 2, 5)),
            map_distances=np.sort(rng.random((POINTS, 2, 5))),
            examples=rng.integers(0, 256, (10, 1, 8, 8), np.uint8),
        )
    )


def dragged(file: Path, screen: dict[str, Any]) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_context(reduced_motion="reduce", **screen).new_page()
        tab.goto(file.as_uri())
        found = tab.evaluate(DRAG)
        browser.close()
    frames, drawing = found["frames"], found["drawing"]
    middle, slow = np.percentile(frames, [50, 95])
    return {
        "frame_ms": round(float(middle), 1),
        "slow_frame_ms": round(float(slow), 1),
        "drawing_ms": round(float(np.median(drawing)), 1),
        "frames_per_second": round(1000 / float(np.mean(frames)), 1),
    }


def table(result: dict[str, Any]) -> str:
    """The results as the table of the README."""
    lines = ["| 6,000 points, dragged | frames per second | frame | slow | drawing |", "|---|---|---|---|---|"]
    for screen, found in result["results"].items():
        times = " | ".join(f"{found[f'{key}_ms']:.3g} ms" for key in ("frame", "slow_frame", "drawing"))
        lines.append(f"| {screen} | {found['frames_per_second']:.3g} | {times} |")
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "map.html"
        files.write_text(file, page())
        result = provenance() | {"results": {screen: dragged(file, options) for screen, options in SCREENS.items()}}
    files.write_json(OUT, result)
    print(table(result))


if __name__ == "__main__":
    main()
