#!/usr/bin/env bash
# What `make course-in-colab` does inside Colab's image: as the book's setup page says, without the pins, so that torch
# and the rest stay those of Colab.
set -euo pipefail
pip install -q ".[grade,serve,server,track]"
pixel-edu course run --profile smoke --out runs/course-colab
