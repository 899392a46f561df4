"""Put a built book on the branch that GitHub Pages serves: `publish.py FOLDER`, or below pr/12: `--under pr/12`.

With `--remove --under pr/12` that folder is removed. The branch holds a single commit, so that it does not grow. If
somebody else publishes at the same time, their commit is fetched and the whole is tried again.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BRANCH = "gh-pages"
PREVIEWS = "pr"
TRIES = 5


def main() -> None:
    """Publish, or exit with one sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="the built book")
    parser.add_argument("--under", default="", help="a folder of the branch; default: its root")
    parser.add_argument("--remove", action="store_true", help="remove what lies there")
    parser.add_argument("--remote", default="origin", help="where to push")
    options = parser.parse_args()
    under = Path(options.under)
    if under.is_absolute() or ".." in under.parts or (options.remove and not under.parts):
        sys.exit(
            f"error: --under {options.under!r} is not a folder of the branch: use one such as {PREVIEWS}/12"
        )
    if not options.remove and not (options.folder and (options.folder / "index.html").exists()):
        sys.exit(f"error: {options.folder} holds no built book: run make html, and give _build/html")
    address = git("remote", "get-url", options.remote) if options.remote == "origin" else options.remote
    for _ in range(TRIES):
        if publish(options.folder, under, address):
            return
    sys.exit(f"error: somebody else published {TRIES} times meanwhile: try again")


def publish(folder: Path | None, under: Path, address: str) -> bool:
    """Replace one folder of the branch; returns False if somebody else was faster."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        git("init", "-q", "-b", BRANCH, where=tree)
        before = git("ls-remote", address, f"refs/heads/{BRANCH}").partition("\t")[0]
        if before:
            git("fetch", "-q", "--depth", "1", address, before, where=tree)
            git("checkout", "-q", before, "--", ".", where=tree)
        clear(tree / under, keep=() if under.parts else (".git", PREVIEWS))
        if folder:
            shutil.copytree(folder, tree / under, dirs_exist_ok=True)
        (tree / ".nojekyll").touch()  # folders such as _static are served as they are
        git("add", "-A", where=tree)
        who = ("-c", "user.name=book", "-c", "user.email=book@localhost")
        git(
            *who,
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            f"{under}: {'new' if folder else 'removed'}",
            where=tree,
        )
        lease = f"--force-with-lease=refs/heads/{BRANCH}:{before}"
        push = ["git", "push", "-q", lease, address, f"HEAD:refs/heads/{BRANCH}"]
        return subprocess.run(push, cwd=tree).returncode == 0


def clear(folder: Path, keep: tuple[str, ...]) -> None:
    """Remove what lies in a folder."""
    for path in folder.glob("*") if folder.exists() else ():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if folder.exists() and not keep:
        folder.rmdir()


def git(*arguments: str, where: Path | None = None) -> str:
    """What git prints; its errors go to stderr."""
    done = subprocess.run(["git", *arguments], cwd=where, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"error: git {arguments[0]} failed")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
