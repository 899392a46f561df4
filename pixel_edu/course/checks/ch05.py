"""Checks of chapter 5: the loss, hidden labels, the running average, and batches that come again."""

from __future__ import annotations

import torch

from pixel_edu import sprites
from pixel_edu.course.checking import Ask, exercise
from pixel_edu.course.checks.ch02 import levels
from pixel_edu.images import to_tensor
from pixel_edu.schedules import Levels, cosine


def _questions(ask: Ask) -> tuple[torch.Tensor, torch.Tensor, Levels, dict[str, torch.Tensor]]:
    """Sprites, noise, levels, and the right answers."""
    x0 = to_tensor(sprites.make(5, seed=ask.seed).images)
    eps, level = ask.randn(5, 3, 16, 16), levels(torch.tensor([0.99, 0.8, 0.5, 0.2, 0.02]))
    return x0, eps, level, {"eps": eps, "x0": x0, "v": level.signal * eps - level.noise * x0}


@exercise("ex-05-1", "target(x0, eps, level, prediction)", "Three targets, and each is what its name says.")
def target(ask: Ask) -> None:
    """eps, x0 and v."""
    x0, eps, level, right = _questions(ask)
    s, n = level.signal, level.noise
    for prediction in ("v", "eps", "x0"):
        ask.same(
            ask(x0, eps, level, prediction, like=x0, what=f'for "{prediction}"'),
            right[prediction],
            [
                (
                    s * x0 + n * eps,
                    f'For "{prediction}" you return x_t, which the network is given: it has to predict something else.',
                ),
                (
                    n * x0 - s * eps,
                    f'For "{prediction}" the sign is wrong: v goes from the noise to the negative sprite.',
                ),
                (
                    n * eps - s * x0,
                    f'For "{prediction}" signal and noise are swapped: for a nearly clean sprite, v is the noise.',
                ),
                (
                    s**2 * eps - n**2 * x0,
                    f'For "{prediction}" the levels are squared: use signal and noise as they are.',
                ),
                (eps - x0, f'For "{prediction}" the levels are missing: signal and noise weigh the two.'),
                (eps, f'For "{prediction}" you return the noise.'),
                (x0, f'For "{prediction}" you return the clean sprites.'),
                (right["v"], f'For "{prediction}" you return the velocity.'),
            ],
        )


@exercise(
    "ex-05-2",
    "loss(answer, x0, eps, level, prediction)",
    "One number for each sprite: that is the whole loss.",
)
def loss(ask: Ask) -> None:
    """The mean square of each sprite's error."""
    x0, eps, level, right = _questions(ask)
    scale = torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5]).reshape(-1, 1, 1, 1)
    for prediction in ("v", "eps", "x0"):
        answer = right[prediction] + scale * ask.randn(5, 3, 16, 16)
        off = answer - right[prediction]
        each = off.square().mean(dim=(1, 2, 3))
        got = ask(answer, x0, eps, level, prediction, what=f'for "{prediction}"')
        size = getattr(got, "numel", lambda: 0)()
        ask.that(
            size != 1,
            "This is one number for the whole batch: each sprite needs its own, so exclude the batch from the mean.",
        )
        ask.that(
            tuple(getattr(got, "shape", ())) != (3, 16, 16),
            "The mean runs over the batch: it must run over channels, rows and columns, but not over the batch.",
        )
        got = ask(answer, x0, eps, level, prediction, like=each, what=f'for "{prediction}"')
        others = {name: (answer - value).square().mean(dim=(1, 2, 3)) for name, value in right.items()}
        ask.same(
            got,
            each,
            [
                (
                    off.square().sum(dim=(1, 2, 3)),
                    "These are sums: with the mean, the size of the images does not matter.",
                ),
                (
                    off.abs().mean(dim=(1, 2, 3)),
                    "These are mean absolute errors: square the difference instead.",
                ),
                (each.sqrt(), "You take a root at the end: the loss is the mean square itself."),
                (
                    off.mean(dim=(1, 2, 3)).square(),
                    "This is the square of the mean error: square first, then take the mean.",
                ),
                (each / 2, "These are halves: the loss is the mean square, without a factor."),
                (
                    others["eps"],
                    f'For "{prediction}" you compare with the noise: the target depends on `prediction`.',
                ),
                (
                    others["x0"],
                    f'For "{prediction}" you compare with the clean sprites: the target depends on `prediction`.',
                ),
                (
                    others["v"],
                    f'For "{prediction}" you compare with the velocity: the target depends on `prediction`.',
                ),
            ],
        )


@exercise(
    "ex-05-3",
    "hide_labels(c, p_uncond, null_label, generator)",
    "Hidden with the right probability, and the right way round.",
)
def hide_labels(ask: Ask) -> None:
    """Each label on its own, with the given probability."""
    c = torch.from_numpy(ask.rng.integers(0, 5, 4000))

    def draw(p: float, null: int = 5, seed: int = ask.seed) -> torch.Tensor:
        where = f"with p_uncond = {p:g}"
        return ask(c, p, null, torch.Generator().manual_seed(seed), like=c, what=where)

    got = draw(0.1)
    kept = got == c
    known = kept | (got == 5)
    ask.that(
        bool((got[~known] != 0).any()) or bool(known.all()),
        "Hidden labels became 0, which is a class of its own: they must become `null_label`.",
    )
    ask.that(
        bool((got[~known] != -1).any()) or bool(known.all()),
        "Hidden labels became -1, which the network was never taught: they must become `null_label`.",
    )
    ask.that(bool(known.all()), "Some labels are neither the old one nor `null_label`.")
    share = float((~kept).float().mean())
    ask.that(
        not share > 0.8, f"With p_uncond = 0.1, {share:.0%} of the labels are hidden: the mask is inverted."
    )
    ask.that(
        0 < share < 1 or draw(0.5).eq(c).float().mean() not in (0, 1),
        "All labels of a batch are hidden or kept together: draw for each of them.",
    )
    ask.that(
        abs(share - 0.1) < 0.03,
        f"With p_uncond = 0.1, {share:.1%} of the labels are hidden: it should be a tenth of them.",
    )
    ask.that(bool((draw(0.0) == c).all()), "With p_uncond = 0 every label must stay.")
    ask.that(bool((draw(1.0) == 5).all()), "With p_uncond = 1 every label must be hidden.")
    ask.that(
        bool((draw(1.0, null=9) == 9).all()),
        "With null_label = 9, hidden labels are not 9: use the argument.",
    )
    ask.that(
        bool((draw(0.5) == draw(0.5)).all()),
        "Two generators of the same seed hide different labels: draw with the generator that you are given.",
    )
    ask.that(
        bool((draw(0.5) != draw(0.5, seed=ask.seed + 1)).any()),
        "The same labels are hidden whatever the generator: draw with the generator that you are given.",
    )
    first = draw(0.3) == 5
    ask.that(
        0.2 < float(first[:2000].float().mean()) < 0.4,
        "The hidden labels are all in one place: draw for each label on its own.",
    )
    ask(c, 0.5, 5, None, like=c, what="without a generator")


@exercise(
    "ex-05-4",
    "ema_update(average, values, n, decay)",
    "An average of everything that a network holds, and quick to forget its start.",
)
def ema_update(ask: Ask) -> None:
    """One step of the running average."""
    average = {"weight": ask.randn(4, 3), "running_mean": ask.randn(4), "count": torch.tensor(7)}
    values = {"weight": ask.randn(4, 3), "running_mean": ask.randn(4), "count": torch.tensor(8)}

    def moved(share: float) -> dict[str, torch.Tensor]:
        return {
            key: (1 - share) * average[key] + share * values[key]
            if values[key].is_floating_point()
            else values[key]
            for key in values
        }

    for n, decay in ((20, 0.9), (1, 0.999), (100_000, 0.999)):
        d = min(decay, n / (n + 9))
        right = moved(1 - d)
        ask.same(
            ask(average, values, n, decay, like=right, what=f"at step {n} with a decay of {decay}"),
            right,
            [
                (
                    moved(d),
                    "The old average and the new value are swapped: the average keeps the larger share.",
                ),
                (
                    moved(1 - decay),
                    "There is no warm-up: the share that is kept is the smaller of `decay` and n / (n + 9).",
                ),
                (
                    moved(1 - n / (n + 9)),
                    "`decay` has no effect: the share that is kept is the smaller of `decay` and n / (n + 9).",
                ),
                (
                    right | {"running_mean": average["running_mean"]},
                    "Buffers such as `running_mean` stay as they were: average everything that is floating point.",
                ),
                (
                    right | {"running_mean": values["running_mean"]},
                    "Buffers such as `running_mean` are copied: average everything that is floating point.",
                ),
                (right | {"count": average["count"]}, "The counter is the old one: copy it from `values`."),
                (average, "Nothing has moved: these are the old averages."),
                (values, "These are the network's own values: nothing is averaged."),
                (
                    moved(1 - min(decay, (n + 1) / (n + 10))),
                    "You count one step too many: at step n the warm-up's share is n / (n + 9).",
                ),
            ],
            tolerance=1e-5,
        )


@exercise(
    "ex-05-5",
    "batch_rows(count, batch_size, seed, step)",
    "Kill the run whenever you like: it resumes exactly where it was.",
)
def batch_rows(ask: Ask) -> None:
    """Rows that follow from seed and step alone."""
    form, seed = torch.zeros(64, dtype=torch.int64), 13 + ask.seed

    def rows(seed: int, step: int, count: int = 50) -> torch.Tensor:
        return ask(count, 64, seed, step, like=form, what=f"for seed {seed} and step {step}")

    first = rows(seed, 5)
    ask.that(int(first.min()) >= 0, "There is a row number below 0.")
    ask.that(int(first.max()) < 50, "There is a row number of `count` or more: the last row is count - 1.")
    torch.rand(7)
    ask.that(
        bool((rows(seed, 5) == first).all()),
        "The same seed and step give other rows the second time: do not draw from PyTorch's global generator.",
    )
    ask.that(
        bool((rows(seed, 6) != first).any()), "Every step gets the same rows: they must depend on the step."
    )
    ask.that(
        bool((rows(seed + 1, 5) != first).any()),
        "Every seed gets the same rows: they must depend on the seed.",
    )
    ask.that(
        bool((rows(seed + 1, 4) != first).any()),
        "Step 4 of the next seed has the rows of step 5 of this one: do not just add seed and step.",
    )
    ask.that(
        bool((rows(5, 7) != rows(7, 5)).any()),
        "Seed 5 at step 7 has the rows of seed 7 at step 5: seed and step must not be interchangeable.",
    )
    many = torch.cat([rows(seed, step, count=10) for step in range(1, 20)])
    seen = torch.bincount(many, minlength=10)[:10]
    ask.that(
        bool((seen > 0).all()),
        f"Rows {torch.nonzero(seen == 0).flatten().tolist()} of 10 were never drawn: draw from all of them.",
    )
    ask.that(
        float(seen.max() / seen.float().mean()) < 1.6,
        "Some rows come far more often than others: draw them uniformly.",
    )
    ask.that(
        len(set(first.tolist())) > 20, "Nearly all rows of a batch are the same: draw each row on its own."
    )


@exercise("ex-05-6", "min_snr_weight(level, prediction, gamma)", "Easy sprites no longer crowd out the rest.")
def min_snr_weight(ask: Ask) -> None:
    """min(SNR, gamma), divided by the factor of the answer's error."""
    a = torch.from_numpy(ask.rng.uniform([0.99, 0.8, 0.4, 0.1, 0.01], [0.999, 0.95, 0.6, 0.3, 0.05]))
    level = levels(a)
    snr = (a / (1 - a)).float()
    parts = {"v": snr + 1, "eps": snr, "x0": torch.ones(5)}
    for gamma in (5.0, 1.0):
        for prediction, part in parts.items():
            right = snr.clamp(max=gamma) / part
            half = snr.sqrt()
            ask.same(
                ask(level, prediction, gamma, like=right, what=f'for "{prediction}" and gamma = {gamma:g}'),
                right,
                [
                    (
                        half.clamp(max=gamma) / {"v": half + 1, "eps": half, "x0": 1}[prediction],
                        "You use the root of the SNR: λ is half its log, so the SNR is exp(2λ).",
                    ),
                    (
                        snr.clamp(min=gamma) / part,
                        "You take the maximum: large SNRs must be cut down to gamma.",
                    ),
                    (
                        snr.clamp(max=gamma),
                        f'For "{prediction}" the weight is that of "x0": divide by the factor of the error.',
                    ),
                    (snr.clamp(max=gamma) / snr, f'For "{prediction}" the weight is that of "eps".'),
                    (snr.clamp(max=gamma) / (snr + 1), f'For "{prediction}" the weight is that of "v".'),
                    (snr.clamp(max=5.0) / part, "gamma is always 5: use the argument."),
                    (snr / part, "The minimum is missing: cut the SNR at gamma."),
                    (snr.clamp(max=gamma) * part, "You multiply instead of dividing."),
                ],
                tolerance=1e-3,
            )


@exercise(
    "ex-05-7",
    "random_timesteps(schedule, count, generator)",
    "Every timestep that a sampler visits has been trained on.",
)
def random_timesteps(ask: Ask) -> None:
    """A planted bug: one end of the range is never drawn."""
    T, form = 8, torch.zeros(4000, dtype=torch.int64)

    def draw(seed: int) -> torch.Tensor:
        return ask(cosine(T), 4000, torch.Generator().manual_seed(seed), like=form)

    t = draw(ask.seed)
    ask.that(int(t.max()) < T, f"Timestep {int(t.max())} is drawn, but this schedule ends at {T - 1}.")
    ask.that(int(t.min()) >= 0, "Timestep -1 is drawn: that is clean data, which has nothing to teach.")
    seen = torch.bincount(t, minlength=T)
    ask.that(
        seen[0] > 0 or seen[-1] > 0,
        "Both ends are missing now: a sampler begins at T-1, and its last call is at 0.",
    )
    ask.that(
        seen[0] > 0,
        "The planted bug is still there: timestep 0, the last call of every sampler, is never drawn.",
    )
    ask.that(
        seen[-1] > 0,
        "Now the other end is missing: timestep T-1, where every sampler begins, is never drawn.",
    )
    ask.that(
        float(seen.max() / seen.min().clamp(min=1)) < 1.5,
        "Some timesteps come far more often than others: draw them uniformly.",
    )
    ask.that(
        bool((draw(1) == draw(1)).all()),
        "Two generators of the same seed give different timesteps: draw with the generator that you are given.",
    )
