"""Build a release: `release.py v1.2.0` writes the wheel and its notes to dist/."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(tag: str) -> None:
    """Check that tag, package and changelog agree, and build; or exit with one sentence."""
    version = re.search(
        r'__version__ = "(.+)"', (ROOT / "pixel_edu/__init__.py").read_text(encoding="utf-8")
    )[1]
    if tag != f"v{version}":
        sys.exit(f"error: the tag is {tag!r} and the package's version {version}: tag v{version}")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    notes = re.search(rf"^## {re.escape(version)}\b.*?\n(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL)
    if not notes or not notes[1].strip():
        sys.exit(f"error: CHANGELOG.md has no section {version}: give the section Unreleased that heading")
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", dist, "."]
    subprocess.run(build, cwd=ROOT, check=True)
    (dist / "notes.md").write_text(notes[1].strip() + "\n", encoding="utf-8")
    print(*sorted(path.name for path in dist.iterdir()), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
