"""Marks for tests that need a package which not everybody installs; nothing is imported to see whether it is there."""

from importlib.util import find_spec

import pytest


def package(name, advice=""):
    """Skips a test, and says why, where this package is not installed."""
    reason = f"{name} is not installed{advice and ': '}{advice}"
    return pytest.mark.skipif(find_spec(name) is None, reason=reason)
