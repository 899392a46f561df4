"""Folders for sockets: short names, and none left of a program that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixel_edu import files


def test_a_folder_for_sockets_has_a_name_that_leaves_room_for_theirs():
    made = files.socket_folder()
    assert made.is_dir()
    assert len(os.fsencode(made / "k-12345")) < 104
    made.rmdir()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system does not say what runs")
def test_folders_of_killed_programs_are_swept(tmp_path):
    for name in (f"pe-{os.getpid()}-a", "pe-99999999-b", "pe-mine"):
        (tmp_path / name).mkdir()
    files.sweep_sockets(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pe-mine", f"pe-{os.getpid()}-a"][::-1]


def test_where_tmp_may_not_be_written_another_place_is_taken(tmp_path):
    code = (
        "import os, tempfile; old = os.access\n"
        "os.access = lambda path, mode: str(path) != '/tmp' and old(path, mode)\n"
        "from pixel_edu import files; print(files.SOCKETS)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert done.stdout.strip() == str(tmp_path)
