"""Exit with one sentence if this Python cannot make the environment. Any Python 3 can read this file."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (that is what it is for)
    here = "{} is Python {}.{}".format(sys.executable, *sys.version_info[:2])
    sys.exit(
        "error: " + here + " and the course needs 3.11 or newer: install one, or name it: make PYTHON=..."
    )
try:
    import ensurepip  # noqa: F401
except ImportError:
    sys.exit("error: " + sys.executable + " cannot make environments: install python3-venv, or its like")
