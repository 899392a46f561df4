"""The last that the process behind `tests/command.py` imports: what it has by then, no command looks through for waste.

Looking through all of PyTorch takes a third of a second, and each command would do it, in memory that it then no longer
shares.
"""

import gc
import sys

if "pytest" not in sys.modules:  # which imports this file, too, where it looks for doctests
    gc.collect()
    gc.freeze()
