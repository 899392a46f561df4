"""What chapter 12 shows of real images: what an intruder may do, how servers stop, what a changed line costs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engine import LOCKED, ROOT, Broken, ContainerEngine, tag, tell, wait_until

SERVE = "python3 -m pixel_edu.cli serve --host 0.0.0.0 --port 8000"
CONNECT = "import socket; socket.create_connection(('127.0.0.1', 8000))"
CONTEXT = (".dockerignore", "constraints.txt", "pyproject.toml", "README.md", "LICENSE")


def measure(engine: ContainerEngine) -> dict:
    """All of it; some minutes."""
    return {"attempts": ask_intruders(engine), "stop": time_stops(engine), "order": time_changes(engine)}


def ask_intruders(engine: ContainerEngine) -> dict[str, dict[str, bool]]:
    """What somebody in the server's place could do: as root, as the image's user, and locked."""
    ways = {"root": ["--user=0"], "user 10001": [], "locked": LOCKED}
    return {name: engine.probe(tag("api"), "attempts", *options) for name, options in ways.items()}


def time_stops(engine: ContainerEngine) -> dict[str, tuple[float, int]]:
    """How the server stops when it is started by a list, and by lines for a shell."""
    ways = {"a list": [tag("api")]}
    for name, line in (("a line", SERVE), ("a line that goes on after it", f"{SERVE}; echo ended")):
        ways[name] = ["--entrypoint=/bin/sh", tag("api"), "-c", line]
    found = {}
    for name, words in ways.items():
        with engine.running(*LOCKED, *words) as container:
            wait_until(lambda inside=container: engine("exec", inside, "python3", "-c", CONNECT), name)
            found[name] = engine.stop(container)
            tell(f"started by {name}: stopped after {found[name][0]:.1f} s with exit code {found[name][1]}")
    return found


def time_changes(engine: ContainerEngine) -> dict[str, float]:
    """Seconds of builds of the API's image: from nothing, unchanged, and after a change of the code in two orders."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for name in CONTEXT:
            shutil.copy(ROOT / name, context)
        shutil.copytree(
            ROOT / "pixel_edu", context / "pixel_edu", ignore=shutil.ignore_patterns("__pycache__")
        )
        ours, other = ROOT / "docker" / "api.Dockerfile", context / "other.Dockerfile"
        other.write_text(all_files_first(ours.read_text(encoding="utf-8")), encoding="utf-8")
        found = {}
        for title, dockerfile in (("code changed", ours), ("code changed, all files first", other)):
            found.setdefault(
                "from nothing", engine.build("pixel-edu-timed", dockerfile, context, "--no-cache")
            )
            engine.build("pixel-edu-timed", dockerfile, context)
            found.setdefault("nothing changed", engine.build("pixel-edu-timed", dockerfile, context))
            with (context / "pixel_edu" / "generate.py").open("a", encoding="utf-8") as file:
                file.write(f"# {title}\n")
            found[title] = engine.build("pixel-edu-timed", dockerfile, context)
        engine("rmi", "pixel-edu-timed")
    for title, seconds in found.items():
        tell(f"a build, {title}: {seconds:.1f} s")
    return found


def all_files_first(dockerfile: str) -> str:
    """The same Dockerfile, except that it copies all files before it installs anything."""
    pins = "COPY constraints.txt ./\n"
    if pins not in dockerfile:
        raise Broken(f"the Dockerfile has no line {pins.strip()!r} to change")
    return dockerfile.replace(pins, "COPY . ./\n")
