"""Parts of other packages that promise nothing: where one moves, this says so before anything else breaks."""

import importlib
import re
from importlib.metadata import version

import pytest

from pixel_edu.tracking.connecting import PLACES

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


MLFLOW = "3."
"""What `tracking.connecting._follow` was tried with."""
ELSEWHERE = {
    "webhooks.url",
    "mcp_access_endpoints.url",
    "mcp_server_versions.source",
    "workspaces.trace_archival_location",
}
"""Columns of MLflow's tables in which an address of something else stands; nothing here makes a workspace."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_keeps_the_places_of_files_in_the_columns_that_are_changed_when_a_project_moves():
    sqlalchemy = pytest.importorskip("sqlalchemy")
    importlib.import_module("mlflow.store.tracking.dbmodels.models")
    importlib.import_module("mlflow.store.model_registry.dbmodels.models")
    importlib.import_module("mlflow.store.workspace.dbmodels.models")  # a test of a server may have, or not
    tables = importlib.import_module("mlflow.store.db.base_sql_model").Base.metadata.sorted_tables
    texts = {
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.columns
        if re.search(r"_location$|_uri$|^uri$|^url$|^source$|_path$", column.name)
        and isinstance(column.type, sqlalchemy.String)
    }
    ours = {f"{table}.{column}" for table, column in PLACES}
    here = version("mlflow")
    assert texts - ELSEWHERE == ours, (
        f"MLflow {here} keeps places of files elsewhere: see pixel_edu.tracking.connecting.PLACES"
    )
    assert here.startswith(MLFLOW), f"MLflow {MLFLOW}x was tried, not {here}: see tracking.connecting._follow"
