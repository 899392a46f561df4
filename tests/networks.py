"""What tests of networks begin with."""

import torch
from torch import nn


def woken(module):
    """The same module, its zeros replaced by small numbers, as after some training."""
    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return module.eval()


def asked(config, rows=8, columns=8):
    """Two images, timesteps and labels, of which one is "no label"."""
    x = torch.randn(2, config.image_channels, rows, columns)
    return x, torch.tensor([7, 600]), torch.tensor([1, config.classes])
