"""Checks of chapter 6: classifier-free guidance."""

from __future__ import annotations

import torch

from pixel_edu.course.checking import Ask, Slips, exercise

NULL = 5


@exercise(
    "ex-06-1", "guide(eps_cond, eps_uncond, guidance_scale)", "One line, right at both ends and beyond."
)
def guide(ask: Ask) -> None:
    """The line through two answers."""
    cond, uncond = ask.randn(4, 3, 16, 16), ask.randn(4, 3, 16, 16)
    for w in (3.0, 1.0, 0.0):
        ask.same(
            ask(cond, uncond, w, like=cond, what=f"at a scale of {w:g}"),
            uncond + w * (cond - uncond),
            _slips(cond, uncond, w),
        )
    scales = torch.tensor([0.0, 1.0, 2.0, 7.5]).reshape(-1, 1, 1, 1)
    ask.same(
        ask(cond, uncond, scales, like=cond, what="with a scale for each image"),
        uncond + scales * (cond - uncond),
    )


def _slips(cond: torch.Tensor, uncond: torch.Tensor, w: float) -> Slips:
    """Guidance gone wrong."""
    step = cond - uncond
    part = torch.cat([(uncond + w * step)[:, :3], cond[:, 3:]], dim=1)
    return [
        (
            cond + w * step,
            "This is the paper's formula, which counts from 0: here a scale of 1 is the conditional answer, and 0 the "
            "one without a label.",
        ),
        (cond - w * step, "The two answers are swapped: at a scale of 0 the label must have no effect."),
        (
            cond + (w - 1) * -step,
            "Your line starts at the conditional answer: at a scale of 0 the label must have no effect.",
        ),
        (w * step, "The step is right, but its starting point is missing: add the answer without a label."),
        (
            uncond - w * step,
            "The difference has the wrong sign: guidance goes towards the label, not away from it.",
        ),
        (uncond + w * cond, "At a scale of 1 this is the sum of both answers: the step is their difference."),
        (cond, "The scale has no effect: this is the conditional answer."),
        ((cond + uncond) / 2, "This is the mean of the two answers, whatever the scale."),
        (part, "Only the first three channels are guided, and the others are the conditional answer."),
    ]


@exercise(
    "ex-06-2",
    "by_the_paper(eps_cond, eps_uncond, scale)",
    "Two conventions, and you can translate between them.",
)
def by_the_paper(ask: Ask) -> None:
    """Ho and Salimans' scale, which counts from zero."""
    cond, uncond = ask.randn(2, 3, 8, 8), ask.randn(2, 3, 8, 8)
    for scale in (3.0, 0.5, 0.0):
        guided, w = ask(cond, uncond, scale, like=(cond, 1.0), what=f"for scale = {scale:g}")
        ask.same(
            guided,
            (1 + scale) * cond - scale * uncond,
            [
                (
                    uncond + scale * (cond - uncond),
                    "Your noise is that of this course's scale: at 0 the paper's formula is the conditional answer.",
                ),
                (
                    (1 + scale) * cond + scale * uncond,
                    "The second term is added: the paper subtracts the answer without a label.",
                ),
                ((1 + scale) * uncond - scale * cond, "The two answers are swapped."),
                (scale * cond - scale * uncond, "The first factor is 1 + scale, not scale."),
            ],
        )
        ask.same(
            w,
            scale + 1,
            [
                (
                    scale,
                    "Your scale is the paper's number itself: compare what the two conventions give at 0.",
                ),
                (
                    scale - 1,
                    "Your scale is on the wrong side: at the paper's 0 the label is taken as it is, which is 1 here.",
                ),
                (1 - scale, "Your scale falls as the paper's number grows: it must rise."),
            ],
            what="The scales",
        )


def _model(calls: list[int]):
    """A stand-in that depends on image, timestep and label, and notes the size of each batch."""

    def model(x: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return x * (1 + c.reshape(-1, 1, 1, 1) / 3) + t.reshape(-1, 1, 1, 1) / 500

    return model


@exercise(
    "ex-06-3",
    "both_answers(model, x, t, c, null_label)",
    "Both answers, each image with its own label, in one call.",
)
def both_answers(ask: Ask) -> None:
    """A batch of two halves."""
    calls: list[int] = []
    x, t, c = ask.randn(3, 3, 16, 16), torch.tensor([10, 500, 990]), torch.tensor([0, 2, 4])
    truth = _model([])
    cond, uncond = truth(x, t, c), truth(x, t, torch.full_like(c, NULL))
    got = ask(_model(calls), x, t, c, NULL, like=(cond, uncond))
    mixed = (
        torch.stack([x, x], 1).flatten(0, 1),
        torch.stack([t, t], 1).flatten(),
        torch.cat([c, torch.full_like(c, NULL)]),
    )
    apart = truth(*mixed).chunk(2)
    ask.same(
        tuple(got),
        (cond, uncond),
        [
            (
                (uncond, cond),
                "You return the answer without a label first: the pair is eps_cond, eps_uncond.",
            ),
            (
                (cond, cond),
                "Both answers have the label: the second half must have `null_label` as its label.",
            ),
            ((uncond, uncond), "Neither answer has the label: the first half keeps its own."),
            ((cond, truth(x, t, 0 * c)), "Label 0 is a class: the answer without a label has `null_label`."),
            (
                (cond, truth(x, t, 0 * c - 1)),
                "Label -1 was never trained on: the answer without a label has `null_label`.",
            ),
            (
                tuple(apart),
                "Images and labels are in different orders: one repeats each element, the other the whole batch.",
            ),
            (
                (cond, truth(x, t.flip(0), torch.full_like(c, NULL))),
                "The timesteps are not in the order of the images.",
            ),
        ],
    )
    ask.that(
        len(calls) == 1,
        f"The answers are right, but the model was called {len(calls)} times: call it once, for both.",
    )
    other = ask(_model([]), x, t, c, 9, like=(cond, uncond), what="with null_label = 9")
    ask.that(
        bool(torch.allclose(other[1], truth(x, t, torch.full_like(c, 9)), atol=1e-4)),
        "With another `null_label`, the second answer stays the same: use the argument, not a fixed number.",
    )


@exercise(
    "ex-06-4",
    "guided(model, c, guidance_scale, null_label, interval)",
    "Guidance where it helps, half the work elsewhere.",
)
def guided(ask: Ask) -> None:
    """Guidance in an interval of timesteps."""
    calls: list[int] = []
    x, c, w = ask.randn(3, 3, 16, 16), torch.tensor([0, 2, 4]), 3.0
    truth = _model([])

    def right(t: torch.Tensor, inside: bool) -> torch.Tensor:
        cond, uncond = truth(x, t, c), truth(x, t, torch.full_like(c, NULL))
        return uncond + w * (cond - uncond) if inside else cond

    for interval, when in ((None, (0, 999)), ((200, 700), (199, 200, 450, 700, 701))):
        predict = ask(_model(calls), c, w, NULL, interval, like=callable)
        for at in when:
            calls.clear()
            t = torch.full((3,), at)
            inside = interval is None or interval[0] <= at <= interval[1]
            got = ask(x, t, of=predict, method="__call__", like=x)
            where = "without an interval" if interval is None else f"at t = {at} for the interval {interval}"
            uncond = truth(x, t, torch.full_like(c, NULL))
            ask.same(
                got,
                right(t, inside),
                [
                    (
                        truth(x, t, c),
                        f"{where} there is no guidance, but both ends belong to the interval.".capitalize(),
                    ),
                    (
                        right(t, True),
                        f"There is guidance {where}: outside the interval, return the conditional answer as it is.",
                    ),
                    (
                        uncond,
                        f"Only the answer without a label is left {where}: there the label still counts.",
                    ),
                ],
                what=f"Its values {where}",
            )
            ask.that(
                calls == [6 if inside else 3],
                f"The values are right, but {where} the model was called {len(calls)} times with {sum(calls)} images "
                f"in all: {'one call with both halves' if inside else 'one call with the batch itself'} is enough.",
            )


@exercise(
    "ex-06-5",
    "guide_all(eps_cond, eps_uncond, guidance_scale)",
    "All channels are guided now, however many there are.",
)
def guide_all(ask: Ask) -> None:
    """A planted bug: three of the channels."""
    for channels in (8, 4):
        cond, uncond = ask.randn(2, channels, 16, 16), ask.randn(2, channels, 16, 16)
        step, w = cond - uncond, 2.5
        right = uncond + w * step
        ask.same(
            ask(cond, uncond, w, like=cond, what=f"for {channels} channels"),
            right,
            [
                (
                    torch.cat([right[:, :3], cond[:, 3:]], dim=1),
                    "The planted bug is still there: channels beyond the third are not guided.",
                ),
                (
                    torch.cat([right[:, :3], uncond[:, 3:]], dim=1),
                    "The channels beyond the third are now the answer without a label: they need guidance too.",
                ),
                (
                    torch.cat([cond[:, :3], right[:, 3:]], dim=1),
                    "Now the first three channels are not guided: guide all of them.",
                ),
                (
                    torch.cat([right[:, : channels // 2], cond[:, channels // 2 :]], dim=1),
                    "Only half of the channels are guided: the formula is the same for all of them.",
                ),
                (cond, "The scale has no effect: this is the conditional answer."),
                (
                    cond + w * step,
                    "This is the paper's formula, which counts from zero: here a scale of 1 is the conditional answer.",
                ),
            ],
        )
