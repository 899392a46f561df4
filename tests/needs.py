"""Marks for tests that need a package which not everybody installs; nothing is imported to see whether it is there."""

import shutil
import subprocess
from importlib.util import find_spec

import pytest


def package(name, advice=""):
    """Skips a test, and says why, where this package is not installed."""
    reason = f"{name} is not installed{advice and ': '}{advice}"
    return pytest.mark.skipif(find_spec(name) is None, reason=reason)


def missing_program(*command):
    """Why a program cannot be used here, in a few words, or "" if it can: a container may have it, and forbid it."""
    if not shutil.which(command[0]):
        return f"this machine has no {command[0]}"
    tried = subprocess.run(command, capture_output=True, text=True)
    return tried.returncode and f"{command[0]} does not work here: {tried.stderr.strip()}"


BUBBLEWRAP = ("bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true")
NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "true")
