"""A sampler, a schedule and a preset that are registered are offered everywhere, without another edit."""

import json
import re
import subprocess
import sys

import pytest

REGISTERED = """
import json
from pixel_edu import samplers, schedules, unet
samplers.SAMPLERS["toy"] = samplers.Sampler("The toy", samplers.SAMPLERS["ddim"].steps)
schedules.SCHEDULES["toyish"] = schedules.cosine
unet.PRESETS["small"] = unet.UNetConfig((8, 16), (False, False))
"""


def told(code: str) -> str:
    """What a fresh Python prints in which both are registered."""
    done = subprocess.run([sys.executable, "-c", REGISTERED + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


HELP = """
from typer.testing import CliRunner
from pixel_edu.cli import app
print(CliRunner().invoke(app, ["{command}", "--help"], env={{"COLUMNS": "200"}}).output)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name"), [("sample", "toy"), ("evaluate", "toy"), ("train", "toyish"), ("train", "small")]
)
def test_the_command_line_offers_what_is_registered(command, name):
    assert name in re.findall(r"\w+", told(HELP.format(command=command)))


@pytest.mark.slow
def test_the_api_offers_what_is_registered():
    pytest.importorskip("fastapi")
    schema = told(
        """
from pixel_edu import load_reference
from pixel_edu.serving import api
print(json.dumps(api.create_app(load_reference("tiny")).openapi()))
"""
    )
    components = json.loads(schema)["components"]["schemas"].values()
    offered = [
        each["properties"]["sampler"]["enum"]
        for each in components
        if "sampler" in each.get("properties", {})
    ]
    assert offered
    assert all("toy" in names for names in offered)


@pytest.mark.slow
def test_the_widgets_data_hold_what_is_registered():
    pytest.importorskip("anywidget")
    module = told("from pixel_edu.widgets import facts; print(facts.text())")
    assert '"toy": "The toy"' in module
    assert '"toyish"' in module


@pytest.mark.slow
def test_a_registered_sampler_draws():
    drawn = told(
        """
from pixel_edu import load_reference
from pixel_edu.config import SampleConfig
from pixel_edu.generate import generate
model = load_reference("tiny")
both = [generate(model, [2], [0], SampleConfig(name, 3)).tobytes() for name in ("toy", "ddim")]
print(both[0] == both[1])
"""
    )
    assert drawn.split() == ["True"]


def test_the_widgets_facts_are_those_of_the_package():
    facts = pytest.importorskip("pixel_edu.widgets.facts")
    assert facts.PATH.read_text(encoding="utf-8") == facts.text(), "run python -m pixel_edu.widgets.facts"


@pytest.mark.slow
def test_a_registered_preset_has_a_recipe():
    code = """
from pixel_edu.training import RECIPES, TrainConfig
print(RECIPES["small"] == TrainConfig(unet.PRESETS["small"]))
"""
    assert told(code).split() == ["True"]


def test_a_name_that_is_not_registered_is_refused_in_a_sentence_of_ours():
    done = subprocess.run(
        [sys.executable, "-m", "pixel_edu.cli", "sample", "--sampler", "euler"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "'euler' is not one of 'dpmpp_2m_sde', 'dpmpp_2m'" in done.stderr
    assert "Value error" not in done.stderr  # pydantic's words, which typer passes on
