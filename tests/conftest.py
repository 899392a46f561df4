"""Shared by all tests: shape annotations are checked at run time, and where the private data lies, if it does."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("NO_COLOR", "1")  # command-line tests read plain text

# Before the package is imported: every annotated shape of these modules is checked on every call.
install_import_hook(["pixel_edu.schedules", "pixel_edu.diffusion"], "beartype.beartype")

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real labels and the script that writes a full-size stand-in; not in this repository."""
    if not (SHARED_DATA / "make_kaggle_layout.py").exists():
        pytest.skip("../shared/data is not here: it holds the real labels, which are not redistributed")
    return SHARED_DATA
