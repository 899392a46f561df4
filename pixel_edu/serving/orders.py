"""What a client may ask for and what it gets: the API's contract, as types.

How much one request may ask for is stated here, since it is part of the contract. How much the server accepts at a time
is configuration: see `studio.Limits`. A running server shows every field at `/docs`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pixel_edu.config import CLASSES, SampleConfig
from pixel_edu.samplers import SAMPLERS

MOST_SPRITES, MOST_STEPS, MOST_CALLS = 64, 1000, 3200
MOST_SEED = 2**53 - 1
"""The largest integer that JSON carries exactly to every language."""

DISTILLED = "Omit it for a distilled model, which has its own."
ClassName = Annotated[str, Field(json_schema_extra={"enum": list(CLASSES)})]
"""Which names there are depends on the model: `studio` refuses others, and `api` states the model's in the document."""
SamplerName = Annotated[
    Literal[tuple(SAMPLERS)],
    Field(
        description="How to walk from noise to sprite: dpmpp_2m_sde and ddpm draw fresh noise at every step, and "
        "ddpm wants hundreds of steps."
    ),
]
GuidanceScale = Annotated[
    float,
    Field(
        ge=-20,
        le=20,
        allow_inf_nan=False,
        description=f"1 takes the class as it is, above 1 exaggerates it, 0 ignores it. {DISTILLED}",
    ),
]
Seed = Annotated[int, Field(default_factory=lambda: secrets.randbelow(2**31), ge=0, le=MOST_SEED)]
Scale = Annotated[int, Field(ge=1, le=32)]
Transparent = Annotated[
    bool, Field(description="Make the background transparent: the white that is reached from the border.")
]
Pixels = list[list[int]]


class Order(BaseModel):
    """Sprites to draw. Every field may be omitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_: ClassName | None = Field(
        None, alias="class", description="What to draw; default: every class in turn."
    )
    n: int = Field(1, ge=1, le=MOST_SPRITES, description="How many sprites.")
    guidance_scale: GuidanceScale = SampleConfig.guidance_scale
    num_steps: int = Field(
        SampleConfig.num_steps,
        ge=1,
        le=MOST_STEPS,
        description=f"Model calls for each sprite; n times num_steps is at most {MOST_CALLS}. {DISTILLED}",
    )
    sampler: SamplerName = SampleConfig.sampler
    seed: Seed = Field(
        description="Of the first sprite; the next has seed + 1. The same seed draws the same sprite; its last 32 "
        "bits count. Default: a random one; the answer says which.",
    )

    @model_validator(mode="after")
    def _not_too_much(self) -> Self:
        if self.calls > MOST_CALLS:
            raise ValueError(
                f"{self.n} sprites of {self.num_steps} steps are {self.calls} model calls: "
                f"ask for at most {MOST_CALLS} at a time"
            )
        return self

    @property
    def calls(self) -> int:
        """Model calls for all sprites together, guidance not counted; this is what the work is measured in."""
        return self.n * self.num_steps

    @property
    def config(self) -> SampleConfig:
        """How to sample."""
        return SampleConfig(self.sampler, self.num_steps, self.guidance_scale)

    @property
    def seeds(self) -> list[int]:
        """One for each sprite."""
        return list(range(self.seed, self.seed + self.n))

    def classes(self, known: Sequence[str]) -> list[str]:
        """One for each sprite, of those that the model knows."""
        return [self.class_ or known[i % len(known)] for i in range(self.n)]


class QueryOrder(Order):
    """Sprites to draw, and the form to get them in."""

    format: Literal["png", "json", "indexed"] = Field(
        "png",
        description="png: one picture to look at, enlarged, ten sprites a row. indexed: one PNG at true size that "
        "lists its colours, without gaps, for a game or an editor. json: each sprite by itself, with its palette.",
    )
    scale: Scale = Field(8, description="Of a png: screen pixels for each pixel of a sprite.")
    transparent: Transparent = False

    @property
    def lasting(self) -> bool:
        """Whether the same order always gets the same answer: whether it names a seed."""
        return "seed" in self.model_fields_set


class SpriteOrder(BaseModel):
    """One sprite, as a picture. Every field may be omitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_: ClassName | None = Field(
        None, alias="class", description="What to draw; default: the model's first class."
    )
    seed: Seed = Field(
        description="The same seed draws the same sprite, which caches then keep. Default: a random one.",
    )
    transparent: Transparent = False
    scale: Scale = Field(1, description="Screen pixels for each pixel of the sprite.")
    guidance_scale: GuidanceScale = SampleConfig.guidance_scale
    num_steps: int = Field(
        SampleConfig.num_steps, ge=1, le=MOST_STEPS, description=f"Model calls for the sprite. {DISTILLED}"
    )
    sampler: SamplerName = SampleConfig.sampler
    v: str = Field(
        "",
        max_length=64,
        description="Any text, which changes nothing: give another one when the server gets another model, since "
        "caches keep a sprite for a year.",
    )

    @property
    def lasting(self) -> bool:
        """Whether the same order always gets the same answer: whether it names a seed."""
        return "seed" in self.model_fields_set

    @property
    def alone(self) -> Order:
        """What is to be drawn for it; as in this order, only what somebody typed counts as asked for."""
        typed = self.model_dump(by_alias=True, include=set(Order.model_fields), exclude_unset=True)
        return Order.model_validate(typed | {"seed": self.seed})


class DrawOrder(QueryOrder):
    """What `QueryOrder` holds, as JSON, where a number is not text."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {"class": "food", "seed": 7},
                {"class": "characters", "n": 10, "format": "indexed", "seed": 1},
                {"n": 5, "guidance_scale": 2, "num_steps": 10, "sampler": "ddim", "format": "json"},
            ]
        },
    )

    @field_validator("n", "num_steps", "seed", "scale", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """In JSON, 4.0 is an integer too; text and booleans are not."""
        return int(value) if isinstance(value, float) and value.is_integer() else value


class StreamOrder(Order):
    """Sprites to draw, and how often to show them before they are finished."""

    every: int = Field(1, ge=1, le=MOST_STEPS, description="Show the guess after every this many steps.")


class Sprite(BaseModel):
    """One finished sprite."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    class_: str = Field(alias="class")
    seed: int
    png: str = Field(description="An indexed PNG at true size, as a data address for an img element.")
    palette: list[str] = Field(
        description="Its colours, such as #ffffff; #ffffff00 is a transparent one.", min_length=1
    )
    pixels: Pixels = Field(description="For each pixel, row by row from the top, the number of its colour.")


class DrawnSprites(BaseModel):
    """Finished sprites, in the order of their seeds."""

    sprites: list[Sprite]


class PreviewEvent(BaseModel):
    """An event on the way: the guess for the clean sprites after `step` steps."""

    step: int
    num_steps: int
    images: list[str] = Field(description="A PNG at true size for each sprite, as a data address.")


class Problem(BaseModel):
    """Why a request failed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "n is 0: input should be greater than or equal to 1"}]}
    )

    error: str = Field(description="One sentence: what is wrong, and what to do.")
