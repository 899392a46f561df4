"""A class-conditional diffusion model for 16x16 pixel art, one module a topic: the course's reference code."""

__version__ = "0.1.0"
