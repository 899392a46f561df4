"""What tests of the widgets share."""

import subprocess

import pytest


@pytest.fixture(scope="session")
def run():
    """Runs Deno, and returns what it printed; a failure shows what it said."""
    deno = pytest.importorskip("deno", reason="deno is not installed")

    def ran(*words, said=""):
        command = [deno.find_deno_bin(), *words]
        done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return ran
