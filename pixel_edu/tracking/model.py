"""A trained network as a model of MLflow's, which `mlflow models serve` runs: classes and seeds in, PNG files out.

MLflow stores the checkpoint and this package's code beside it, so whoever serves the model needs nothing of ours.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pixel_edu
from pixel_edu import palette
from pixel_edu.checkpoints import load_model
from pixel_edu.config import SampleConfig
from pixel_edu.denoiser import Denoiser
from pixel_edu.generate import generate
from pixel_edu.images import indexed_png_bytes
from pixel_edu.samplers import SAMPLERS
from pixel_edu.tracking.connecting import asking

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

NAME = "sprites"
MOST_SPRITES, MOST_STEPS = 256, 1000
"""Of one request."""
NOT_NEEDED = ("weights", "course", "cli", "classifier.safetensors")
"""Parts of this package that serving does without."""


class SpriteModel:
    """The model in the form that MLflow calls: an object with `predict`.

    Args:
        path: of a checkpoint.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.denoiser = load_model(path)

    def predict(self, asked: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Draw a sprite for each row.

        Args:
            asked: a row for each sprite, with its `class` and its `seed`.
            params: `guidance_scale`, `num_steps` and `sampler`, for all of them.

        Returns:
            A row for each, with `png`: the file, in base64.

        Raises:
            MlflowException: a value is not allowed; the server answers 400.
        """
        import pandas as pd

        names, seeds, config = _understood(asked, params or {}, self.denoiser)
        drawn = palette.as_sprites(generate(self.denoiser, names, seeds, config), self.denoiser.palette)
        return pd.DataFrame({"png": [base64.b64encode(indexed_png_bytes(each)).decode() for each in drawn]})


def _understood(
    asked: pd.DataFrame, params: dict[str, Any], denoiser: Denoiser
) -> tuple[list[str], list[int], SampleConfig]:
    """Classes, seeds and settings, if all are allowed to a model."""
    from mlflow.exceptions import MlflowException

    scale = params.get("guidance_scale", SampleConfig.guidance_scale)
    steps = params.get("num_steps", SampleConfig.num_steps)
    sampler = params.get("sampler", SampleConfig.sampler)
    classes = denoiser.classes
    unknown = sorted(set(asked["class"]) - set(classes))
    lowest = asked["seed"].min()
    wrong = {
        f"{len(asked)} sprites: ask for 1 to {MOST_SPRITES}": not 1 <= len(asked) <= MOST_SPRITES,
        f"class {(unknown or [''])[0]!r}: use {', '.join(classes)}": unknown,
        f"seed {lowest}: use 0 or more": lowest < 0,
        f"num_steps {steps}: use 1 to {MOST_STEPS}": not 1 <= steps <= MOST_STEPS,
        f"guidance_scale {scale}: use a number from -20 to 20": not -20 <= scale <= 20,
        f"sampler {sampler!r}: use {', '.join(SAMPLERS)}": sampler not in SAMPLERS,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise MlflowException.invalid_parameter_value(message)
    try:
        config = denoiser.sampling(SampleConfig(sampler, int(steps), float(scale)))
    except ValueError as error:
        raise MlflowException.invalid_parameter_value(str(error)) from None
    return asked["class"].tolist(), asked["seed"].tolist(), config


def _load_pyfunc(path: str) -> SpriteModel:
    """What MLflow calls to load the model; the name is its convention."""
    return SpriteModel(path)


def log_checkpoint(client: MlflowClient, run_id: str, checkpoint: str | os.PathLike) -> str:
    """Log a checkpoint as a run's model.

    Args:
        client: see `connect`.
        run_id: the run that made it.
        checkpoint: of either kind; read once, so that a broken one is not logged.

    Returns:
        The model's address, to load it by or to register it.

    Raises:
        CheckpointError: it is not a checkpoint.
        TrackingError: MLflow does not answer, or knows no such run.
    """
    import mlflow
    import pandas as pd
    from mlflow.entities import LoggedModelOutput

    names = load_model(checkpoint).classes
    example = pd.DataFrame({"class": [names[0], names[-1]], "seed": np.array([0, 1], np.int64)})
    with asking(client), as_default(client), _code() as code:
        run = client.get_run(run_id)  # not made active: leaving it would end the run
        made = client.create_logged_model(
            run.info.experiment_id, name=NAME, source_run_id=run_id, params=run.data.params
        )
        client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
        info = mlflow.pyfunc.log_model(
            model_id=made.model_id,
            loader_module=__name__,
            data_path=str(checkpoint),
            code_paths=[str(code)],
            signature=_signature(),
            input_example=example,
            pip_requirements=_requirements(),
        )
    return info.model_uri


def register(client: MlflowClient, run_id: str, checkpoint: str | os.PathLike, name: str = NAME) -> str:
    """Log a run's checkpoint as a model, and give it the next version number under a name.

    A run has one version: a second call returns its number.

    Raises:
        As for `log_checkpoint`.
    """
    with asking(client):
        found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if found:
        return str(found[0].version)
    uri = log_checkpoint(client, run_id, checkpoint)
    with asking(client), as_default(client):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        made = client.create_model_version(name, uri, run_id, model_id=uri.removeprefix("models:/"))
    return str(made.version)


@contextmanager
def as_default(client: MlflowClient) -> Iterator[None]:
    """While this lasts, MLflow's functions that take no client use this one."""
    import mlflow

    tracking, registry = (os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"))
    try:
        mlflow.set_tracking_uri(client.tracking_uri)
        mlflow.set_registry_uri(client.tracking_uri)
        yield
    finally:  # MLflow keeps both in the environment too
        mlflow.set_tracking_uri(tracking)  # pyright: ignore[reportArgumentType] None forgets it
        mlflow.set_registry_uri(registry or "")
        if registry is None:
            os.environ.pop("MLFLOW_REGISTRY_URI", None)


def _signature():
    """What goes into the model, and what comes out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "class"), ColSpec(DataType.long, "seed")]),
        outputs=Schema([ColSpec(DataType.string, "png")]),
        params=ParamSchema(
            [
                ParamSpec("guidance_scale", DataType.double, SampleConfig.guidance_scale),
                ParamSpec("num_steps", DataType.long, SampleConfig.num_steps),
                ParamSpec("sampler", DataType.string, SampleConfig.sampler),
            ]
        ),
    )


@contextmanager
def _code() -> Iterator[Path]:
    """A copy of this package without what serving does not need."""
    source = Path(pixel_edu.__file__).parent

    def without(folder: str, names: list[str]) -> list[str]:
        here = Path(folder).relative_to(source)
        return [name for name in names if str(here / name) in NOT_NEEDED or name == "__pycache__"]

    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(source, Path(folder) / source.name, ignore=without))


def _requirements() -> list[str]:
    """This package's own requirements, at the versions that are here, and MLflow."""
    needed = [
        re.findall(r"^[\w.-]+", each)[0]
        for each in metadata.requires("pixel-edu") or []
        if "extra ==" not in each
    ]
    return [f"{name}=={metadata.version(name)}" for name in [*needed, "mlflow"]]
