"""What a run depends on: its data to the last bit, its code, its machine."""

import shutil
import subprocess

import numpy as np

from pixel_edu import sprites, tracking
from pixel_edu.tracking import describing

DRAWN = sprites.make(64)


def test_the_digest_is_of_pixels_labels_order_shape_and_kind():
    images, labels = DRAWN.images, DRAWN.labels
    other = images.copy()
    other[0, 0, 0, 0] ^= 1
    different = [
        (images, labels),
        (other, labels),
        (images, labels[::-1]),
        (images[::-1], labels[::-1]),
        (images[:-1], labels[:-1]),
        (images.reshape(64, 32, 8, 3), labels),
        (images, labels.astype(np.uint64)),
        (images,),
    ]
    assert len({tracking.digest(*arrays) for arrays in different}) == len(different)
    assert tracking.digest(images, labels) == tracking.digest(np.asfortranarray(images), labels.copy())


def test_settings_within_settings_get_names_with_dots():
    assert describing.flat({"a": 1, "b": {"c": (2, 3), "d": {}}, "e": None}) == {
        "a": 1,
        "b.c": (2, 3),
        "e": None,
    }


def test_the_environment_names_versions_and_machine():
    found = tracking.environment()
    assert {"pixel_edu", "python", "torch", "platform", "hardware"} <= set(found)
    assert all(isinstance(value, str) and value for value in found.values())


def test_the_commit_is_that_of_the_package_s_own_checkout(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True
        )

    package = tmp_path / "env" / "pixel_edu"
    (package / "tracking").mkdir(parents=True)
    shutil.copy(describing.__file__, package / "tracking" / "describing.py")
    (package / "__init__.py").touch()
    git("init")
    git("commit", "--allow-empty", "-m", "somebody else's")
    monkeypatch.setattr(describing, "__file__", str(package / "tracking" / "describing.py"))
    assert "mlflow.source.git.commit" not in describing.environment()  # it lies there, and is not part of it
    git("add", ".")
    git("commit", "-m", "ours")
    commit = git("rev-parse", "HEAD").stdout.strip()
    assert describing.environment()["mlflow.source.git.commit"] == commit
    assert describing.environment()["changed since the commit"] == "False"
    (package / "__init__.py").write_text("changed = True")
    assert describing.environment()["changed since the commit"] == "True"
