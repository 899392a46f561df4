"""The reference code of the course: a class-conditional diffusion model for 16 x 16 pixel art, one module a topic."""

__version__ = "0.1.0"
