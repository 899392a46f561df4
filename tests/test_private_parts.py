"""Parts of other packages that promise nothing: where one moves, this says so before anything else breaks."""

import importlib
from importlib.metadata import version

import pytest

PARTS = [
    ("accelerate", "1.", "accelerate.state", "PartialState._shared_state", "training._accelerator"),
    ("accelerate", "1.", "accelerate.state", "AcceleratorState._reset_state", "training._accelerator"),
    ("torchmetrics", "1.", "torchmetrics.image.kid", "poly_mmd", "distances.kernel_distance"),
    ("ipykernel", "7.", "ipykernel.iostream", "IOPubThread._setup_pipe_in", "grading.sandbox.forkserver"),
]


@pytest.mark.parametrize(
    ("package", "tried", "module", "name", "user"), PARTS, ids=[part[3] for part in PARTS]
)
def test_a_private_part_is_where_it_was(package, tried, module, name, user):
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    here = version(package)
    assert found is not None, (
        f"{package} {here} has no {module}.{name}: look at pixel_edu.{user}, which needs it"
    )
    assert here.startswith(tried), (
        f"{name} was tried with {package} {tried}x, not with {here}: see pixel_edu.{user}"
    )
