"""What a container may do, and what it holds, asked from inside; prints JSON. try.py runs it there."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = "/opt/venv/lib/python3.11/site-packages"
PARTS = {
    "the model": "/opt/app/pixel_edu/weights",
    "our code": "/opt/app",
    "PyTorch": f"{PACKAGES}/torch",
    "NumPy": f"{PACKAGES}/numpy",
    "other packages": "/opt",
    "Python": "/usr/lib/python3",
    "Debian": "/",
}
"""Each part's beginning of a path; the first that fits counts."""
ATTEMPTS = {
    "change the model": ("/opt/app/pixel_edu/weights/reference.safetensors", "r+b"),
    "change the code": ("/opt/app/pixel_edu/generate.py", "a"),
    "add a program to /usr/bin": ("/usr/bin/mine", "w"),
    "read the password file": ("/etc/shadow", "r"),
    "leave a file in /var/tmp": ("/var/tmp/mine", "w"),
    "leave a file in /tmp": ("/tmp/mine", "w"),
}
"""What an intruder would like to open, and in which mode."""


def files() -> Iterator[str]:
    """Every file of the image, except those of the kernel and of this run."""
    for folder, folders, names in os.walk("/"):
        if folder == "/":
            folders[:] = [
                name for name in folders if name not in ("proc", "sys", "dev", "tmp", "run", "data")
            ]
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and path != "/probe.py":
                yield path


def sizes() -> dict[str, int]:
    """Bytes of each part."""
    found, seen = dict.fromkeys(PARTS, 0), set()
    for path in files():
        facts = os.stat(path)
        if (facts.st_dev, facts.st_ino) not in seen:  # a file with two names is one file
            seen.add((facts.st_dev, facts.st_ino))
            part = next(name for name, start in PARTS.items() if path.startswith(start))
            found[part] += facts.st_size
    return found


def attempts() -> dict[str, bool]:
    """What an intruder in the server's place could do."""
    return {"be root": os.getuid() == 0} | {name: opens(*attempt) for name, attempt in ATTEMPTS.items()}


def opens(path: str, mode: str) -> bool:
    """Whether this user may open a file in this mode."""
    try:
        with open(path, mode):
            return True
    except OSError:
        return False


def holding(word: str) -> list[str]:
    """Files that hold a word which must not be in the image."""
    return [path for path in files() if word.encode() in Path(path).read_bytes()]


if __name__ == "__main__":
    what, *words = sys.argv[1].split()
    print(json.dumps({"sizes": sizes, "attempts": attempts, "holding": holding}[what](*words)))
