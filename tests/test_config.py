"""The facts, and picking a device."""

import os
import subprocess
import sys

import pytest
import torch

from pixel_edu import config


def test_the_null_label_is_no_class():
    assert config.NULL_LABEL == len(config.CLASSES) == 5
    assert config.CLASSES == ("characters", "creatures", "food", "items", "side_view")


def test_auto_picks_a_device_that_computes():
    device = config.pick_device()
    assert float(torch.ones(2, device=device).sum()) == 2


def test_auto_prefers_cuda_then_apple_then_the_cpu(monkeypatch):
    for cuda, mps, expected in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert config.pick_device("auto").type == expected


def test_a_named_device_is_taken_as_it_is():
    assert config.pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", "cpu:x", "cuda:-1", "cuda:99"])
def test_a_device_that_is_not_here_is_one_sentence_that_names_what_is(name):
    with pytest.raises(config.UserError, match=r"use auto or one of: .*cpu") as error:
        config.pick_device(name)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process be bound to a core"
)
def test_cores_are_those_that_this_process_may_use():
    code = """
import os
from pixel_edu import config
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
print(config.cores())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("features", "fast"),
    [
        ({"avx2": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, False),
        ({"architecture": "aarch64", "bf16": True}, False),  # not measured
        ({}, False),
    ],
)
def test_bf16_is_for_processors_with_instructions_for_it(features, fast, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert config.has_bf16("cpu") is fast
    assert config.has_bf16("mps") is False


def test_an_older_pytorch_tells_no_features(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert config.cpu_features() == frozenset()
    assert config.has_bf16("cpu") is False


@pytest.mark.parametrize(("generation", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_is_for_gpus_that_do_not_only_imitate_it(generation, fast, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: generation)
    assert config.has_bf16("cuda") is fast


@pytest.mark.parametrize(("given", "used"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_told_otherwise(given, used):
    """Beside other programs, a thread that spins keeps a core from the one that it waits for."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import pixel_edu, os; print(os.environ['OMP_WAIT_POLICY'])"
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert done.stdout.strip() == used
