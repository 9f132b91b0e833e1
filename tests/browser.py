"""A real browser without a window."""

import subprocess
from pathlib import Path

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# How long the page's own clock runs before it is looked at.
_SETTLED_MS = 15_000


def rendered(url: str, folder: Path) -> tuple[str, str, bytes]:
    """Opens a page; returns its document once settled, what the console said, and a picture."""
    picture = folder / "page.png"
    outcome = subprocess.run(
        [
            "chromium",
            *_FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            f"--virtual-time-budget={_SETTLED_MS}",
            "--window-size=1200,1600",
            f"--screenshot={picture}",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        check=True,
        timeout=120,
    )
    console = [line for line in outcome.stderr.decode().splitlines() if ":CONSOLE" in line]
    return outcome.stdout.decode(), "\n".join(console), picture.read_bytes()
