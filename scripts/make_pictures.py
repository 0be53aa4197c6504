"""Make docs/pictures/*.png: ``python scripts/make_pictures.py``. Needs Chromium; nothing is asked of any model."""

from __future__ import annotations

import io
import json
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from complaint_llm.ledger.summary import summarise  # noqa: E402 - the root is on the path first
from complaint_llm.report.page_frame import write_text  # noqa: E402
from complaint_llm.report.spend import render_spend  # noqa: E402
from tests.ledger.made_ledgers import make_ledger, office_calls  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
BADGE = (
    "<div style='position:fixed;z-index:99;top:8px;right:8px;background:#8a1f11;color:#fff;padding:6px 12px;"
    "font:bold 15px sans-serif'>DEMO: no real numbers</div>"
)
DEMO_SERVER = BADGE.replace("no real numbers", "a test server answered").replace("top:8px", "bottom:8px")


def screenshot(page: Path, name: str, width: int, height: int) -> None:
    """A PNG of the top of a page."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--virtual-time-budget=4000"]
    command += [f"--window-size={width},{height}", f"--screenshot={PICTURES / name}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(PICTURES / name) as picture:
        picture.convert("RGB").quantize(48).save(PICTURES / name, optimize=True)


def program(folder: Path, *arguments: str) -> None:
    """Run the command line in a folder."""
    subprocess.run([sys.executable, "-m", "complaint_llm", *arguments], cwd=folder, check=True, capture_output=True)


def claims_page(folder: Path) -> None:
    """The page of a batch by plain rules; its band says so."""
    shutil.copytree(ROOT / "examples" / "intakes", folder / "intakes")
    config = {"BACKENDS": [{"id": "offline", "type": "mock", "echo": True}]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    program(folder, "batch", "intakes", "--task", "claims", "-o", "claims.csv", "--demo", "--limit", "6", "--yes")
    program(folder, "report", "claims.demo.csv", "-o", "page.html")
    screenshot(folder / "page.demo.html", "claims.png", 1000, 760)


def ledger_page(folder: Path) -> None:
    """The page of a made-up ledger, with a badge; the picture's copy has no content policy, for the badge's style."""
    ledger = make_ledger(folder / "ledger.db", office_calls(4000, 90))
    page = folder / "spend.html"
    write_text(page, render_spend(summarise(ledger), "What the calls cost", made=1_795_840_000.0))
    text = page.read_text(encoding="utf-8").replace("Content-Security-Policy", "x-policy")
    page.write_text(text.replace("</body>", f"{BADGE}</body>"), encoding="utf-8")
    screenshot(page, "ledger.png", 1000, 900)


def terminal_picture(folder: Path) -> None:
    """What scripts/newcomer.py saw in its terminal; plain rules answered, as a badge says."""
    newcomer = runpy.run_path(str(ROOT / "scripts" / "newcomer.py"))
    mistake, _, batch, _ = newcomer["CHAPTERS"]
    _, shown = newcomer["run"]((mistake, batch), installed=True, columns=108)
    console = Console(record=True, file=io.StringIO(), width=108, force_terminal=True)
    console.print(Text.from_ansi(shown), no_wrap=True, overflow="ignore", crop=False)
    page = folder / "terminal.html"
    code = "<pre style='font:14px/1.35 DejaVu Sans Mono,monospace;margin:0'>{code}</pre>"
    style = "background:#0c0c0c;color:#e6e8eb;margin:0;padding:14px 18px"
    body = console.export_html(theme=MONOKAI, inline_styles=True, code_format=code)
    page.write_text(f"<meta charset=utf-8><body style='{style}'>{DEMO_SERVER}{body}</body>", encoding="utf-8")
    screenshot(page, "terminal.png", 960, 46 + 19 * len(shown.splitlines()))


def main() -> None:
    """Make each."""
    PICTURES.mkdir(exist_ok=True)
    chosen = sys.argv[1:] or ["claims_page", "ledger_page", "terminal_picture"]
    for make in (claims_page, ledger_page, terminal_picture):
        if make.__name__ in chosen:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder))


if __name__ == "__main__":
    main()
