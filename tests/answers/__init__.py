"""The bank of answers to the exercises, and the chapters that have exercises."""

from pathlib import Path

CHAPTERS = sorted(path.stem for path in (Path(__file__).parents[2] / "chapters").glob("[0-9][0-9]_*.ipynb"))
"""Their names, such as "02_noise". The capstone is a notebook without a chapter, and asks nothing of its own."""
