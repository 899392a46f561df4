"""A model as a folder that plain diffusers loads and runs, with a model card, and its upload to a hub.

    from diffusers import DDIMScheduler, DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline(["food", "items"]).images

The folder holds the code of the model and of the pipeline, so this package need not be installed. From the
same noise, diffusers' DDPM, DDIM and DPM-Solver++ give the images of `samplers`. The pipeline comes with the SDE's
DPM-Solver++, our default; `from_config(config, algorithm_type="dpmsolver++")` makes it follow the path of the ODE.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pixel_edu.checkpoints import load_model, read_about
from pixel_edu.config import UserError, not_installed
from pixel_edu.denoiser import Denoiser
from pixel_edu.files import replacing_folder
from pixel_edu.serving import card
from pixel_edu.serving.standalone import standalone

if TYPE_CHECKING:
    from pixel_edu.checkpoints import About

INDEX = "model_index.json"
PARTS = "pixel_edu.serving.pipeline"
"""The module of the classes that are written into the folder."""


def save(
    checkpoint: str | os.PathLike, folder: str | os.PathLike, report: str | os.PathLike | None = None
) -> None:
    """Write a checkpoint's averaged network as a pipeline of diffusers, with its code and its card.

    Args:
        checkpoint: of either kind.
        folder: to write, whole or not at all; it must be new or empty.
        report: the report.json that `pixel-edu evaluate` wrote about this checkpoint, for the card.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        UserError: diffusers is not installed, the report is about another model, or the folder is not empty or cannot
            be written.
    """
    if Path(folder).exists() and (not Path(folder).is_dir() or any(Path(folder).iterdir())):
        raise UserError(f"{folder} is already there and not empty: choose another folder")
    try:
        import diffusers

        from pixel_edu.serving.pipeline import SpriteUNet
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    about, denoiser = read_about(checkpoint), load_model(checkpoint)
    measured = card.read_report(report, checkpoint) if report is not None else None
    unet = SpriteUNet(dataclasses.asdict(about.config.unet))
    unet.network.load_state_dict(denoiser.network.state_dict())
    with replacing_folder(Path(folder)) as new:
        unet.save_pretrained(new / "unet")
        (new / "unet" / "sprite_unet.py").write_text(standalone(PARTS, "SpriteUNet"), encoding="utf-8")
        (new / "pipeline.py").write_text(standalone(PARTS, "SpritePipeline"), encoding="utf-8")
        version = {"_diffusers_version": diffusers.__version__}
        (new / "scheduler").mkdir()
        _write(new / "scheduler" / "scheduler_config.json", scheduler_config(denoiser) | version)
        _write(new / INDEX, _index(about) | version)
        card.write(new, about, denoiser, measured)


def scheduler_config(denoiser: Denoiser) -> dict[str, Any]:
    """The settings with which diffusers' schedulers walk as `samplers` does.

    They serve three classes at once: a scheduler ignores the settings of another, and keeps them for a scheduler that
    is made from its configuration.
    """
    alpha_bar = denoiser.schedule.alpha_bar
    before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
    return {
        "_class_name": "DPMSolverMultistepScheduler",
        "num_train_timesteps": len(alpha_bar),
        "trained_betas": (1 - alpha_bar / before).tolist(),
        "prediction_type": {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}[denoiser.prediction],
        "clip_sample": False,
        "timestep_spacing": "trailing",  # begin at T-1, where the noise is all there is
        "set_alpha_to_one": True,  # after the last timestep comes clean data; this and the rest are defaults
        "final_sigmas_type": "zero",  # the same, in DPM-Solver's words
        "variance_type": "fixed_small",  # the posterior's
        # A distilled network learned steps of DDIM, which is DPM-Solver++ of first order.
        "algorithm_type": "dpmsolver++" if denoiser.calls else "sde-dpmsolver++",
        "solver_order": 1 if denoiser.calls else 2,
        "solver_type": "midpoint",
    }


def push(folder: str | os.PathLike, repo_id: str, private: bool = False, update: bool = False) -> str:
    """Upload a folder that `save` wrote to the Hugging Face Hub; HF_ENDPOINT names another hub.

    Args:
        folder: what to upload.
        repo_id: the repository, such as "you/sprites".
        private: only its owner sees it; for a new repository.
        update: add a commit to an existing repository; otherwise it must be new.

    Returns:
        The repository's address.

    Raises:
        UserError: the folder holds no pipeline, huggingface_hub is not installed, or the hub refused.
    """
    if not (Path(folder) / INDEX).is_file():
        raise UserError(f"{folder} holds no pipeline: write one with pixel-edu export --format diffusers")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError(not_installed(error)) from error
    api = HfApi()
    try:
        address = api.create_repo(repo_id, private=private, exist_ok=update)
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(folder, copy, dirs_exist_ok=True)
            page = Path(copy) / card.CARD
            page.write_text(
                page.read_text(encoding="utf-8").replace(card.REPOSITORY, repo_id), encoding="utf-8"
            )
            api.upload_folder(repo_id=repo_id, folder_path=copy, commit_message="Upload a sprite pipeline")
    except Exception as error:  # whatever the hub, the network or the disk raise
        raise UserError(_refused(error, repo_id)) from error
    return str(address)


def _refused(error: Exception, repo_id: str) -> str:
    """Why a hub refused it, in one sentence."""
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.HFValidationError):
        return f"{repo_id} is not a repository name: use one such as you/sprites"
    if status == 409:
        return f"{repo_id} is already there: choose another name, or add a commit to it with --update"
    if status in (401, 403) or isinstance(error, errors.LocalTokenNotFoundError):
        return f"the hub does not let you write to {repo_id}: run hf auth login with a token that may write"
    if status is None:
        return f"{repo_id} could not be reached ({type(error).__name__}): check the network and try again"
    return f"the hub refused {repo_id} (status {status}): try again later"


def _index(about: About) -> dict[str, Any]:
    """What diffusers reads first: which class each part of the pipeline is of."""
    return {
        "_class_name": ["pipeline", "SpritePipeline"],
        "unet": ["sprite_unet", "SpriteUNet"],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "id2label": dict(enumerate(about.classes)),
        "palette": about.data.palette and " ".join(about.data.palette),
        "size": about.data.size,
        "calls": about.config.calls,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
