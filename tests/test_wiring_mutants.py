"""Connections made wrongly, one at a time: the test that stands beside each must notice it.

No process is started: the package is imported anew with one module's text changed, and the named test is called with
all its parameters. Of fixtures it may have `drawn` and `tmp_path`.
"""

import importlib.util
import inspect
import itertools
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

MUTANTS = {
    ("unet", "wiring", "a_context_of_nothing_leaves_the_normalised_features_as_they_are"): {
        "the context's scale without its 1": (
            "self.norm2(h) * (1 + scale) + shift",
            "self.norm2(h) * scale + shift",
        ),
        "features scaled without the norm": ("self.norm2(h) * (1 + scale)", "h * (1 + scale)"),
        "no activation before the second convolution": (
            "self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))",
            "self.conv2(self.norm2(h) * (1 + scale) + shift)",
        ),
        "activation before the norm": (
            "self.conv1(F.silu(self.norm1(x)))",
            "self.conv1(self.norm1(F.silu(x)))",
        ),
    },
    ("unet", "wiring", "a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift"): {
        "scale and shift exchanged": (
            "scale, shift = self.context(context)",
            "shift, scale = self.context(context)",
        ),
        "no shift": ("* (1 + scale) + shift", "* (1 + scale)"),
        "the shift is scaled too": (
            "self.norm2(h) * (1 + scale) + shift",
            "(self.norm2(h) + shift) * (1 + scale)",
        ),
        "context before the norm, which takes it away again": (
            "self.norm2(h) * (1 + scale) + shift",
            "self.norm2(h * (1 + scale) + shift)",
        ),
    },
    ("unet", "wiring", "a_new_block_is_its_shortcut"): {
        "no shortcut": ("h = self.shortcut(x) + h", "pass"),
        "the shortcut takes normalised features": (
            "self.shortcut(x) + h",
            "self.shortcut(self.norm1(x)) + h",
        ),
        "a new block that is not quiet": ("zeroed(conv3x3(width, width))", "conv3x3(width, width)"),
    },
    ("unet", "wiring", "attention_comes_after_the_shortcut_and_gets_the_label"): {
        "attention before the shortcut is added": (
            "h = self.shortcut(x) + h\n        return h if self.attention is None else self.attention(h, label)",
            "h = h if self.attention is None else self.attention(h, label)\n        return h + self.shortcut(x)",
        ),
        "attention gets the context for the label": (
            "self.attention(h, label)",
            "self.attention(h, context)",
        ),
    },
    ("unet", "wiring", "a_block_attends_where_the_config_says_so"): {
        "attention at all levels or none": (
            "config.channels[depth], config.attention[depth]",
            "config.channels[depth], config.attention[-1]",
        ),
        "no attention in the middle": (
            "self.below = Block(width, width, config, attends)",
            "self.below = Block(width, width, config, False)",
        ),
    },
    ("unet", "wiring", "attention_that_looks_at_the_label_alone_brings_its_value_to_every_place"): {
        "attention does not look at the label": (
            "k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)",
            "pass",
        ),
        "the label's key for its value": (
            "label_k, label_v = self.label(label)",
            "label_v, label_k = self.label(label)",
        ),
    },
    ("unet", "wiring", "attention_is_softmax_over_places_and_label_head_by_head"): {
        "attention looks at the label alone": (
            "k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)",
            "k, v = label_k, label_v",
        ),
        "attention to features without the norm": ("self.qkv(self.norm(x))", "self.qkv(x)"),
        "questions for keys": ("q, k, v = self.qkv", "k, q, v = self.qkv"),
        "attention without 1/√d": (
            "scaled_dot_product_attention(q, k, v)",
            "scaled_dot_product_attention(q, k, v, scale=1.0)",
        ),
        "attention with 1/√width": (
            "scaled_dot_product_attention(q, k, v)",
            "scaled_dot_product_attention(q, k, v, scale=x.shape[1] ** -0.5)",
        ),
        "one head": ("self.heads = config.heads_of(width)", "self.heads = 1"),
        "as many heads at every level": ("max(width // self.head_channels, 1)", "self.heads"),
        "no place is looked for": ("q, k = q + place_q, k + F.pad", "q, k = q, k + F.pad"),
        "no place is found": ("k + F.pad(place_k, (0, 0, 0, 1))", "k"),
        "queries of any length": ("self.norm_q(q.float())", "q"),
        "keys of any length": ("self.norm_k(k.float())", "k"),
        "one norm for both": ("self.norm_k(k.float())", "self.norm_q(k.float())"),
        "the label has the first place": ("F.pad(place_k, (0, 0, 0, 1))", "F.pad(place_k, (0, 0, 1, 0))"),
        "places take turns in heads": (
            "unflatten(1, (2, self.heads, -1)).permute(1, 2, 0, 3)",
            "unflatten(1, (2, -1, self.heads)).permute(1, 3, 0, 2)",
        ),
        "neighbours look alike": (
            "= None, fastest: float = math.pi",
            "= None, fastest: float = 1.0",
        ),
        "heads take turns in the channels": (
            "z.unflatten(1, (self.heads, -1)).transpose(2, 3)",
            "z.unflatten(1, (-1, self.heads)).movedim(2, 1).transpose(2, 3)",
        ),
        "places mixed with channels": ("seen.transpose(2, 3).reshape(x.shape)", "seen.reshape(x.shape)"),
    },
    ("unet", "wiring", "new_attention_changes_nothing"): {
        "attention without its residual": ("return x + self.out(", "return self.out("),
        "the residual is normalised": ("return x + self.out(", "return self.norm(x) + self.out("),
        "new attention that is not quiet": (
            "zeroed(nn.Conv2d(width, width, 1))",
            "nn.Conv2d(width, width, 1)",
        ),
    },
    ("unet", "wiring", "the_last_skip_goes_to_the_first_block_up"): {
        "the first skip to the first block up": ("skips.pop()", "skips.pop(0)"),
        "the last skip to every block up": ("skips.pop()", "skips[-1]"),
        "no skip": ("torch.cat([x, skips.pop()], dim=1)", "torch.cat([x, x], dim=1)"),
        "the skip before the features": ("[x, skips.pop()]", "[skips.pop(), x]"),
        "blocks down beside each other": (
            "            x = block(x, context, label)\n            skips.append(x)",
            "            skips.append(block(x, context, label))",
        ),
        "nothing of what is below": (
            "x = self.grow(self.below(self.shrink(x), context, label))",
            "self.below(self.shrink(x), context, label)",
        ),
    },
    ("unet", "wiring", "context_and_label_reach_every_block_unchanged"): {
        "no context below": (
            "self.below(self.shrink(x), context, label)",
            "self.below(self.shrink(x), 0 * context, label)",
        ),
        "context and label exchanged on the way up": (
            "skips.pop()], dim=1), context, label)",
            "skips.pop()], dim=1), label, context)",
        ),
    },
    ("unet", "wiring", "shrinking_weighs_four_pixels_and_growing_puts_four_channels_in_their_places"): {
        "pixels of four squares for one": (
            "self.shrink = nn.Conv2d(width, width, 2, stride=2)",
            "self.shrink = nn.Conv2d(width, width, 2, stride=2, dilation=2, padding=1)",
        ),
    },
    ("unet", "wiring", "time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone"): {
        "time without its class": (
            "self.embed_time(time_waves(t)) + label",
            "self.embed_time(time_waves(t))",
        ),
        "the class after the activation": (
            "F.silu(self.embed_time(time_waves(t)) + label)",
            "F.silu(self.embed_time(time_waves(t))) + label",
        ),
        "context without activation": (
            "F.silu(self.embed_time(time_waves(t)) + label)",
            "self.embed_time(time_waves(t)) + label",
        ),
        "attention told the time": (
            "self.enter(self.fold(x)), context, label)",
            "self.enter(self.fold(x)), context, context)",
        ),
    },
    ("unet", "wiring", "the_waves_of_time_are_cosines_then_sines_of_falling_frequencies"): {
        "sines before cosines": ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]"),
        "frequencies to the last step": (
            "torch.arange(half, device=t.device) / half",
            "torch.arange(half, device=t.device) / (half - 1)",
        ),
        "time in 0 .. 1": ("t.float()[:, None] * frequencies", "t.float()[:, None] / 1000 * frequencies"),
    },
    ("unet", "wiring", "folding_puts_the_pixels_of_a_square_into_channels_and_unfolding_puts_them_back"): {
        "rows folded for squares": ("self.enter(self.fold(x))", "self.enter(x.reshape(self.fold(x).shape))"),
        "unfolded into rows": (
            "return self.unfold(self.leave(features))",
            "return self.leave(features).reshape(x.shape)",
        ),
    },
    ("unet", "wiring", "the_network_is_what_its_weights_written_out_by_hand_say"): {
        "an answer from features without a norm": (
            "self.unfold(self.leave(features))",
            "self.unfold(self.leave[1:](features))",
        ),
        "the border is the other side": ("padding=1)", 'padding=1, padding_mode="circular")'),
    },
    ("unet", "wiring", "the_answer_is_a_convolution_of_the_normalised_activated_features"): {
        "an answer without activation": (
            "nn.Sequential(norm(top), nn.SiLU(),",
            "nn.Sequential(norm(top), nn.Identity(),",
        ),
    },
    ("unet", "wiring", "norms_are_computed_in_float32"): {
        "one group": ("Float32GroupNorm(GROUPS, width)", "Float32GroupNorm(1, width)"),
        "norms in half precision": ("super().forward(x.float())", "super().forward(x)"),
    },
    ("unet", "wiring", "no_label_is_the_last_row_of_the_table_and_what_hiding_a_label_asks_for"): {
        "no label is class 0": (
            "label = self.embed_class(c)",
            "label = self.embed_class(c % self.config.classes)",
        ),
        "no label is nothing": (
            "nn.Embedding(config.classes + 1, config.embedding)",
            "nn.Embedding(config.classes + 1, config.embedding, padding_idx=config.classes)",
        ),
    },
    ("transformer", "transformer", "a_new_block_is_its_shortcut"): {
        "a gate that begins open": ("x + gate1 * self", "x + (1 + gate1) * self"),
        "the shortcut is normalised": ("x = x + gate1", "x = self.norm1(x) + gate1"),
        "a context that begins anywhere": (
            "zeroed(nn.Linear(width, 6 * width))",
            "nn.Linear(width, 6 * width)",
        ),
    },
    (
        "transformer",
        "transformer",
        "a_known_context_shifts_scales_and_gates_attention_first_and_then_each_token_alone",
    ): {
        "scale and shift exchanged": (
            "shift1, scale1, gate1, shift2, scale2, gate2 = parts",
            "scale1, shift1, gate1, shift2, scale2, gate2 = parts",
        ),
        "gate and scale exchanged": (
            "shift1, scale1, gate1, shift2, scale2, gate2 = parts",
            "shift1, gate1, scale1, shift2, scale2, gate2 = parts",
        ),
        "the second part's context for the first": (
            "shift1, scale1, gate1, shift2, scale2, gate2 = parts",
            "shift2, scale2, gate2, shift1, scale1, gate1 = parts",
        ),
        "one gate for both": ("x + gate2 * self", "x + gate1 * self"),
        "no second gate": ("x + gate2 * self", "x + self"),
        "no first gate": ("x + gate1 * self", "x + self"),
        "the gate inside": (
            "gate1 * self.attention(modulated(self.norm1(x), shift1, scale1))",
            "self.attention(gate1 * modulated(self.norm1(x), shift1, scale1))",
        ),
        "both beside one shortcut": (
            "        x = x + gate1 * self.attention(modulated(self.norm1(x), shift1, scale1))\n        return x",
            "        return x + gate1 * self.attention(modulated(self.norm1(x), shift1, scale1))",
        ),
        "attention to tokens without the norm": ("modulated(self.norm1(x)", "modulated(x"),
        "alone without the norm": ("modulated(self.norm2(x)", "modulated(x"),
        "the shift is scaled too": ("x * (1 + scale) + shift", "(x + shift) * (1 + scale)"),
        "no shift": ("x * (1 + scale) + shift", "x * (1 + scale)"),
        "another activation": ('nn.GELU(approximate="tanh")', "nn.SiLU()"),
        "no activation": ('nn.GELU(approximate="tanh")', "nn.Identity()"),
    },
    (
        "transformer",
        "transformer",
        "a_context_of_nothing_but_open_gates_leaves_the_normalised_tokens_as_they_are",
    ): {
        "the context's scale without its 1": ("x * (1 + scale) + shift", "x * scale + shift"),
        "gates with a 1": ("x + gate2 * self", "x + (1 + gate2) * self"),
        "the norm over all tokens": (
            "return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)",
            "return nn.LayerNorm((6, width), eps=1e-6, elementwise_affine=False)",
        ),
    },
    ("transformer", "transformer", "self_attention_is_softmax_over_all_tokens_head_by_head"): {
        "questions for keys": ("q, k, v = (z", "k, q, v = (z"),
        "values for keys": ("q, k, v = (z", "q, v, k = (z"),
        "one head": ("self.heads = heads", "self.heads = 1"),
        "attention without 1/√d": (
            "scaled_dot_product_attention(q, k, v)",
            "scaled_dot_product_attention(q, k, v, scale=1.0)",
        ),
        "no token looks at those after it": (
            "scaled_dot_product_attention(q, k, v)",
            "scaled_dot_product_attention(q, k, v, is_causal=True)",
        ),
        "heads take turns in the tokens": (
            "z.unflatten(2, (self.heads, -1)).transpose(1, 2)",
            "z.unflatten(2, (-1, self.heads)).movedim(3, 1)",
        ),
        "places mixed with heads": (
            "seen.transpose(1, 2).flatten(2)",
            "seen.flatten(1).unflatten(1, x.shape[1:])",
        ),
        "no last layer": ("self.out(seen", "(seen"),
    },
    ("unet", "transformer", "a_tokens_place_is_the_waves_of_its_row_then_those_of_its_column"): {
        "the column before the row": (
            "row.repeat_interleave(columns, dim=0), column.repeat(rows, 1)",
            "column.repeat(rows, 1), row.repeat_interleave(columns, dim=0)",
        ),
        "the row twice": ("column.repeat(rows, 1)", "row.repeat_interleave(columns, dim=0)"),
        "column by column": (
            "row.repeat_interleave(columns, dim=0), column.repeat(rows, 1)",
            "row.repeat(columns, 1), column.repeat_interleave(rows, dim=0)",
        ),
    },
    ("transformer", "transformer", "a_token_is_a_square_of_pixels_and_becomes_the_same_square_again"): {
        "rows for squares": (
            "self.enter(squares.flatten(2).mT)",
            "self.enter(x.reshape(squares.shape).flatten(2).mT)",
        ),
        "tokens mixed with pixels": (
            "self.enter(squares.flatten(2).mT)",
            "self.enter(squares.flatten(2).reshape(len(x), -1, squares.shape[1]))",
        ),
        "unfolded into rows": (
            "return self.unfold(answer.mT.unflatten(2, (rows, columns)))",
            "return answer.mT.reshape(x.shape)",
        ),
    },
    ("transformer", "transformer", "time_and_class_are_added_before_the_activation_and_reach_every_block"): {
        "time without its class": (
            "self.embed_time(time_waves(t)) + self.embed_class(c)",
            "self.embed_time(time_waves(t))",
        ),
        "class without its time": (
            "self.embed_time(time_waves(t)) + self.embed_class(c)",
            "self.embed_class(c)",
        ),
        "context without activation": ("context = F.silu(", "context = ("),
        "the class after the activation": (
            "F.silu(self.embed_time(time_waves(t)) + self.embed_class(c))",
            "F.silu(self.embed_time(time_waves(t))) + self.embed_class(c)",
        ),
        "no context at the end": (
            "self.context(context)[:, None].chunk(2",
            "self.context(0 * context)[:, None].chunk(2",
        ),
        "no context for the blocks": (
            "tokens = block(tokens, context)",
            "tokens = block(tokens, 0 * context)",
        ),
    },
    ("transformer", "transformer", "the_network_is_what_its_weights_written_out_by_hand_say"): {
        "no place": (" + self.place(waves)", ""),
        "the first block alone": ("for block in self.blocks:", "for block in self.blocks[:1]:"),
        "an answer without the norm": ("modulated(self.norm(tokens), shift", "modulated(tokens, shift"),
        "an answer without the context": ("modulated(self.norm(tokens), shift, scale)", "self.norm(tokens)"),
        "scale and shift exchanged at the end": ("shift, scale = self", "scale, shift = self"),
    },
    ("transformer", "transformer", "no_label_is_the_last_row_of_the_table"): {
        "no label is nothing": (
            "nn.Embedding(config.classes + 1, width)",
            "nn.Embedding(config.classes + 1, width, padding_idx=config.classes)",
        ),
        "no label is class 0": ("self.embed_class(c)", "self.embed_class(c % self.config.classes)"),
    },
    ("transformer", "transformer", "a_new_network_answers_zero"): {
        "a last layer that begins anywhere": ("zeroed(nn.Linear(width, pixels))", "nn.Linear(width, pixels)"),
    },
    (
        "evaluation",
        "measures",
        "the_distances_are_between_what_is_seen_in_the_images_and_in_the_real_sprites",
    ): {
        "distances to the wrong cloud": (
            "frechet_distance(seen.features, real, resamples, draw)",
            "frechet_distance(real, seen.features, resamples, draw)",
        ),
        "near copies of real": (
            "closest = nearest_sprites(images, yardstick.train)",
            "closest = nearest_sprites(images, yardstick.real)",
        ),
        "oddness: farthest": (
            "nearest_rows(seen.features, real)[:, 0]",
            "nearest_rows(real, seen.features)[: len(images), 0]",
        ),
    },
    ("evaluation", "measures", "every_measure_is_the_mean_that_it_is_said_to_be"): {
        "label accuracy of the wrong": ("seen.labels == labels", "seen.labels != labels"),
        "density not over k": ("within.per_image / NEIGHBOURS", "within.per_image"),
        "coverage of the images": ("mean(within.reached)", "mean(within.per_image > 0)"),
        "off palette: worst pixel": (
            "distances(images, yardstick.palette).mean(axis=(1, 2))",
            "distances(images, yardstick.palette).max(axis=(1, 2))",
        ),
        "closed: share": ("outline(images) == 1", "outline(images)"),
        "closed: any": ("outline(images) == 1", "outline(images) > 0"),
        "near copies half": ("closest.distance < NEAR", "closest.distance < NEAR / 2"),
        "flat: count": ("flat_pixels(images).mean(axis=(1, 2))", "flat_pixels(images).any(axis=(1, 2))"),
    },
    ("evaluation", "measures", "the_floor_is_what_the_other_sprites_get"): {
        "floor of the train": (
            "evaluate(self.other, self.other_labels, self)",
            "evaluate(self.real[: len(self.other)], self.other_labels, self)",
        ),
        "real features of train": (
            "self.classifier.look(self.real)",
            "self.classifier.look(self.train)",
        ),
    },
    ("evaluation", "measures", "the_three_sets_of_the_procedural_yardstick_share_no_seed"): {
        "real seed = other seed": (
            "REAL_SEED, OTHER_SEED = 8001, 8002",
            "REAL_SEED, OTHER_SEED = 8001, 8001",
        ),
    },
    ("evaluation", "measures", "pairs_are_counted_one_by_one_of_parts_of_one_kind_without_colours"): {
        "pairs: all rows": ("rows = seen.answers[:, 1] == place", "rows = seen.answers[:, 1] >= 0"),
        "pairs: no offset": ("codes = total + seen.answers[:, i]", "codes = seen.answers[:, i]"),
        "pairs: stride": ("seen.answers[:, i] * others + seen", "seen.answers[:, i] * many + seen"),
        "pairs: sum": (
            "seen.answers[:, i] * others + seen.answers[:, j]",
            "seen.answers[:, i] + seen.answers[:, j]",
        ),
        "pairs: none counts": ("found[:-1].sum()", "found.sum()"),
        "pairs: with colours": (' and not head.name.endswith(" ramp")', ""),
        "pairs: singles": ("for j, others in parts[n + 1 :]", "for j, others in parts[n:]"),
        "pairs: total": ("total += many * others", "total += many + others"),
    },
    ("distances", "distances", "the_interval_of_a_distance_is_1_96_spreads_to_both_sides"): {
        "interval: one std": ("half = 1.96 * float", "half = 1.0 * float"),
        "interval: std / sqrt(resamples)": (
            "float(np.std(resampled))",
            "float(np.std(resampled)) / len(resampled) ** 0.5",
        ),
    },
    ("distances", "distances", "the_bootstrap_takes_the_means_of_as_many_values_drawn_with_replacement"): {
        "interval: 90 percent": ("(0.025, 0.975)", "(0.05, 0.95)"),
        "bootstrap: half the rows": (
            "values[draw.integers(n, size=n)].mean()",
            "values[draw.integers(n, size=n // 2)].mean()",
        ),
        "bootstrap: permutation": (
            "values[draw.integers(n, size=n)].mean()",
            "values[draw.permutation(n)].mean()",
        ),
    },
    ("distances", "distances", "the_frechet_distance_along_a_line_is_that_of_means_and_spreads"): {
        "frechet: the cross term once": ("- 2 * roots", "- roots"),
        "frechet: real's covariance for its root": (
            "(vectors * np.sqrt(values.clip(min=0))) @ vectors.T",
            "(vectors * values.clip(min=0)) @ vectors.T",
        ),
        "frechet: means not squared": (
            "np.square(rows.mean(axis=0) - mean).sum()",
            "np.abs(rows.mean(axis=0) - mean).sum()",
        ),
    },
    ("distances", "distances", "the_kernel_distance_is_the_mean_of_whole_blocks_in_thousandths"): {
        "kid without its thousand": ("1000 * poly_mmd(", "poly_mmd("),
        "kid: same real block": ("truth[draw.permutation(len(truth))[:block]]", "truth[:block]"),
        "kid: not shuffled": ("features[draw.permutation(len(features))]", "features"),
        "kid: one block": ("len(features) // blocks", "len(features)"),
        "kid: short last block": ("        if len(part) == block\n", ""),
    },
    ("distances", "distances", "balls_hold_the_k_nearest_of_as_many_real_sprites"): {
        "balls: one neighbour less": ("k=NEIGHBOURS + 1", "k=NEIGHBOURS"),
        "balls: itself": ("k=NEIGHBOURS + 1)[:, -1]", "k=NEIGHBOURS + 1)[:, 1]"),
        "balls: all the real": ("    real = real[: len(features)]\n", ""),
        "balls: around images": (
            "inside = torch.cdist(part, torch.from_numpy(real)) < radii",
            "inside = torch.cdist(part, torch.from_numpy(real)) > radii",
        ),
        "balls: any once": ("reached |= inside", "reached = inside"),
    },
    ("distances", "distances", "the_nearest_sprite_is_found_in_whichever_chunk_and_on_whichever_side"): {
        "mirror upside down": ("images[:, :, ::-1]]", "images[:, ::-1]]"),
        "index within the chunk": ("place[closer] + start", "place[closer]"),
        "square once": ("alpha=-2", "alpha=-1"),
        "sum, not mean": ("(squares / a.shape[1]).sqrt()", "squares.sqrt()"),
        "rms: mean square": ("(squares / a.shape[1]).sqrt()", "(squares / a.shape[1])"),
        "index of the unmirrored": ("index[rows].numpy()", "index[: len(images)].numpy()"),
        "mirrored turned": ("side.numpy().astype(bool)", "~side.numpy().astype(bool)"),
    },
    ("distances", "distances", "the_nearest_rows_are_those_of_a_plain_search_in_rising_order"): {
        "topk largest": ("topk(k, largest=False)", "topk(k, largest=True)"),
    },
    ("distances", "measures", "every_measure_is_the_mean_that_it_is_said_to_be"): {
        "NEAR": ("NEAR = 12.0", "NEAR = 24.0"),
    },
    ("pixelart", "pixelart", "a_colour_is_another_where_one_channel_differs_by_more_than_2"): {
        "flat: strict": (
            "np.diff(values, axis=1)).max(axis=-1) <= FLAT",
            "np.diff(values, axis=1)).max(axis=-1) < FLAT",
        ),
        "flat: any channel": (
            "np.diff(values, axis=2)).max(axis=-1)",
            "np.diff(values, axis=2)).min(axis=-1)",
        ),
        "flat: wraps in uint8": ("values, flat = images.astype(np.int16),", "values, flat = images,"),
        "flat: mean channel": (
            "np.diff(values, axis=1)).max(axis=-1)",
            "np.diff(values, axis=1)).mean(axis=-1)",
        ),
    },
    ("pixelart", "pixelart", "flat_pixels_are_those_of_a_plain_search"): {
        "flat: one of the two": ("    flat[:, :-1] |= down\n", ""),
    },
    ("pixelart", "pixelart", "white_is_white_in_all_channels_to_2_levels"): {
        "white: brightest": ("images.min(axis=-1) >= WHITE - FLAT", "images.max(axis=-1) >= WHITE - FLAT"),
        "white: strict": (">= WHITE - FLAT", "> WHITE - FLAT"),
    },
    ("pixelart", "pixelart", "the_border_is_counted_pixel_by_pixel"): {
        "border: two rings": ("white[:, 1:-1, 1:-1]", "white[:, 2:-2, 2:-2]"),
        "border: of all": ("inner.sum(axis=(1, 2))) / outermost", "inner.sum(axis=(1, 2))) / white[0].size"),
    },
    ("pixelart", "pixelart", "an_outline_is_as_closed_as_a_walk_around_it_says"): {
        "outline: any white": ("    outside[:, 1:-1, 1:-1] = False\n", ""),
        "outline: through colour": ("grown = _spread(outside) & mask", "grown = _spread(outside)"),
        "outline: darkest channel": (
            "dark = images.max(axis=-1) <= DARK",
            "dark = images.min(axis=-1) <= DARK",
        ),
        "outline: strict": ("<= DARK", "< DARK"),
        "spread: corners": (
            "    wider[:, :, 1:] |= mask[:, :, :-1]\n",
            "    wider[:, 1:, 1:] |= mask[:, :-1, :-1]\n    wider[:, :, 1:] |= mask[:, :, :-1]\n",
        ),
        "spread: not left": ("    wider[:, :, :-1] |= mask[:, :, 1:]\n", ""),
        "spread: not up": ("    wider[:, :-1] |= mask[:, 1:]\n", ""),
    },
    ("pixelart", "pixelart", "a_background_that_winds_inwards_is_followed_to_its_end"): {
        "outline: one step": ("        if (grown == outside).all():\n", "        if True:\n"),
    },
    ("pixelart", "pixelart", "an_image_of_background_alone_is_closed"): {
        "outline: empty is open": ("np.maximum(count, 1), 1.0)", "np.maximum(count, 1), 0.0)"),
    },
    ("palette", "palette", "oklab_is_the_published_steps_for_dark_light_and_impossible_colours"): {
        "lab without gamma": ("((rgb + 0.055) / 1.055) ** 2.4", "((rgb + 0.055) / 1.055) ** 2.2"),
        "lab without cube root": ("cones.clamp(min=0) ** (1 / 3)", "cones.clamp(min=0)"),
        "lab: threshold": ("rgb <= 0.04045, rgb / 12.92", "rgb <= 0.04045, rgb"),
        "lab: outside wraps": ("    rgb = rgb.clamp(0, 1)\n", ""),
    },
    ("palette", "palette", "the_palette_of_images_is_in_the_order_of_use"): {
        "rarest first": ("np.argsort(-times", "np.argsort(times"),
        "blue and red swapped": (
            "np.stack([found >> 16, found >> 8 & 255, found & 255]",
            "np.stack([found & 255, found >> 8 & 255, found >> 16]",
        ),
    },
    ("palette", "palette", "the_bits_of_a_number_go_from_coarse_to_fine"): {
        "half in the middle": ("1 << (len(index) - 1).bit_length() - 1", "len(index) // 2"),
        "least spread axis": (".var(axis=0).argmax()", ".var(axis=0).argmin()"),
    },
    ("palette", "palette", "the_nearest_colour_is_that_of_a_plain_search"): {
        "nearest in rgb": (
            "torch.cdist(torch.from_numpy(_lab(colors)), torch.from_numpy(_lab(palette)))",
            "torch.cdist(torch.from_numpy(colors).float(), torch.from_numpy(palette).float())",
        ),
    },
    ("palette", "palette", "a_loss_is_compared_with_the_root_of_a_sum_of_squares"): {
        "tolerance not squared": ("kept = _needed(far, tolerance**2)", "kept = _needed(far, tolerance)"),
        "not squared distances": (
            "_squared(lab, _lab(palette)), np.inf)",
            "_squared(lab, _lab(palette)) ** 0.5, np.inf)",
        ),
    },
    ("palette", "palette", "snapping_is_what_loops_over_pixels_and_colours_say"): {
        "loneliness not squared": ("far, loneliness**2)", "far, loneliness)"),
        "loss is the total": ("part.min(axis=1) - best", "part.min(axis=1)"),
        "dearest goes": ("kept = np.delete(kept, loss.argmin())", "kept = np.delete(kept, loss.argmax())"),
        "both squares at once": (" & ((y + x) % 2 == turn)", ""),
        "border joins itself": ("np.where(inside, far[y, x, near], np.inf)", "far[y, x, near]"),
        "stray at border": ("~((near == index) & inside)", "~(near == index)"),
        "dearest neighbour": ("choice = cost.argmin(axis=0)[None]", "choice = cost.argmax(axis=0)[None]"),
        "turns once": ("for turn in (0, 1, 0, 1)", "for turn in (0,)"),
        "always joins": ("stray & cheap", "stray"),
    },
    ("palette", "palette", "the_projected_guess_is_in_the_palette_once_the_noise_is_low"): {
        "projected early": ("(level.half_log_snr > above)", "(level.half_log_snr < above)"),
        "projected: 0..1": ("to_oklab((colors + 1) / 2)", "to_oklab(colors)"),
        "projected: x0 itself": (") / level.noise\n\n    return", ")\n\n    return"),
    },
    ("palette", "palette", "bits_name_every_colour_and_a_number_without_one_takes_the_last"): {
        "bits: highest first": (
            "index[..., None] >> np.arange(bits) & 1",
            "index[..., None] >> np.arange(bits)[::-1] & 1",
        ),
        "bits: threshold": (">= 128) @", "> 128) @"),
        "bits: wraps": ("np.minimum(index, len(palette) - 1)", "index % len(palette)"),
    },
    ("palette", "palette", "without_a_palette_a_sprite_gets_a_few_of_its_own_colours"): {
        "kmeans: means": ("lab[[far.argmax()]]", "lab[[far.argmin()]]"),
    },
    ("ema", "ema", "the_warm_up_forgets_the_start"): {
        "ema: warm-up max": ("1 - min(decay, n / (n + 9))", "1 - max(decay, n / (n + 9))"),
        "ema: no warm-up": ("1 - min(decay, n / (n + 9))", "1 - decay"),
        "ema: share turned": (
            "torch.lerp(average[name], value, share)",
            "torch.lerp(value, average[name], share)",
        ),
    },
    ("ema", "ema", "buffers_are_averaged_too_and_counters_copied"): {
        "an average without buffers": (
            "ema_update(average, network.state_dict(), n",
            "ema_update(average, dict(network.named_parameters()), n",
        ),
        "ema: counters": (
            "if value.is_floating_point() else value",
            "if value.is_floating_point() else average[name]",
        ),
    },
    ("ema", "ema", "the_network_itself_is_left_alone"): {
        "ema: no copy": ("copy.deepcopy(network).eval()", "network.eval()"),
        "ema: train mode": ("copy.deepcopy(network).eval()", "copy.deepcopy(network)"),
    },
    ("training", "training", "the_learning_rate_rises_in_a_line_and_falls_as_half_a_cosine"): {
        "lr: warm-up from full": (
            "return self.learning_rate * step / self.warmup",
            "return self.learning_rate",
        ),
        "lr: cosine": ("(1 + math.cos(math.pi * done)) / 2", "math.cos(math.pi * done / 2)"),
        "lr: never down": ("max(steps - self.warmup, 1)", "steps * 2"),
        "lr: counts warmup": ("done = (step - self.warmup)", "done = step"),
    },
    ("training", "training", "a_batch_depends_on_seed_and_step_alone"): {
        "seed alone": ("SeedSequence([config.seed, step])", "SeedSequence([config.seed])"),
        "step alone": ("SeedSequence([config.seed, step])", "SeedSequence([step])"),
    },
    ("training", "training", "a_step_is_adamws_step_with_a_clipped_gradient"): {
        "unclipped": (
            "clip_grad_norm_(network.parameters(), config.clip)",
            "clip_grad_norm_(network.parameters(), 1e9)",
        ),
        "no zero grad": ("        optimizer.zero_grad()\n", ""),
        "lr unset": ('group["lr"] = config.learning_rate_at(step)', 'group["lr"] = config.learning_rate'),
        "beta2 of default": ("betas=config.betas", "betas=(0.9, 0.999)"),
        "wd default": ("weight_decay=config.weight_decay", "weight_decay=0.01"),
    },
    ("training", "training", "the_average_is_that_of_the_weights_after_each_step"): {
        "ema of the start": (
            "state.ema.update(accelerator.unwrap_model(network), step)",
            "state.ema.update(state.ema.network, step)",
        ),
        "ema before the step": (
            "        optimizer.step()\n",
            "        state.ema.update(accelerator.unwrap_model(network), step)\n        optimizer.step()\n",
        ),
        "weights not ema to draw": (
            "return self.config.denoiser(self.ema.network, self.data)",
            "return self.config.denoiser(self.network, self.data)",
        ),
        "ema decay": ("EMA(self.network, config.ema_decay)", "EMA(self.network, 0.9)"),
    },
    ("training", "training", "min_snr_is_applied_when_asked_for"): {
        "min-snr forgotten": ("each = each * min_snr_weight", "each = each + 0 * min_snr_weight"),
    },
    ("training", "training", "so_many_labels_are_replaced_by_no_label"): {
        "a class stands for no label": (
            "config.p_uncond, config.unet.classes, generator",
            "config.p_uncond, 0, generator",
        ),
        "p_uncond fixed": ("config.p_uncond, config.unet.classes", "0.1, config.unet.classes"),
    },
    ("guidance", "guidance", "guidance_is_the_formula_on_all_channels_and_all_images"): {
        "guidance on three channels": (
            "return eps_uncond + guidance_scale * (eps_cond - eps_uncond)",
            "return torch.cat([(eps_uncond + guidance_scale * (eps_cond - eps_uncond))[:, :3], eps_cond[:, 3:]], 1)",
        ),
        "guidance with w for s": (
            "return eps_uncond + guidance_scale * (eps_cond - eps_uncond)",
            "return eps_cond + guidance_scale * (eps_cond - eps_uncond)",
        ),
        "guidance halves": (
            "eps_cond, eps_uncond = answers.chunk(2)",
            "eps_uncond, eps_cond = answers.chunk(2)",
        ),
        "tt": ("torch.cat([t, t])", "torch.cat([t, t.flip(0)])"),
    },
    ("guidance", "guidance", "inside_the_interval_both_ends_included_guidance_is_on"): {
        "interval open": ("(t >= first) & (t <= last)", "(t > first) & (t < last)"),
    },
    ("guidance", "guidance", "a_batch_that_straddles_the_interval_is_guided_image_by_image"): {
        "outside: nothing": ("float(guidance_scale), 1.0)", "float(guidance_scale), 0.0)"),
        "straddling: all": (
            "        if bool(inside.all()):\n            return guide",
            "        if True:\n            return guide",
        ),
    },
    ("guidance", "guidance", "outside_the_interval_only_the_conditional_half_runs"): {
        "outside with label hidden": (
            "            return model(x, t, labels)",
            "            return model(x, t, torch.full_like(labels, null_label))",
        ),
    },
    ("guidance", "guidance", "a_scale_of_1_or_0_costs_one_plain_call"): {
        "scale 0 is conditional": (
            "            return model(x, t, nothing)",
            "            return model(x, t, labels)",
        ),
    },
    ("guidance", "guidance", "another_null_label_is_asked_for"): {
        "NULL fixed": ("torch.full_like(labels, null_label)", "torch.full_like(labels, NULL_LABEL)"),
    },
    ("guidance", "guidance", "a_range_of_lambda_becomes_the_timesteps_that_lie_in_it"): {
        "interval in lambda": (
            "(half_log_snr >= low) & (half_log_snr <= high)",
            "(half_log_snr >= low / 2) & (half_log_snr <= high / 2)",
        ),
    },
    ("classifier", "classifier", "what_is_seen_is_what_the_network_answers_head_by_head"): {
        "look without silu": ("self.answers(F.silu(seen))", "self.answers(seen)"),
        "features after silu": (
            "features.append(seen.cpu().numpy())",
            "features.append(F.silu(seen).cpu().numpy())",
        ),
        "look in train mode": ("        self.eval()\n", "        self.train()\n"),
        "padding 0 in look": (
            "scores = F.pad(self.answers(F.silu(seen)), (0, 1), value=-1e4)",
            "scores = F.pad(self.answers(F.silu(seen)), (0, 1), value=0.0)",
        ),
    },
    ("classifier", "classifier", "the_loss_is_the_mean_over_questions_that_have_an_answer"): {
        "unknown counts": ("truth.flatten(), ignore_index=UNKNOWN", "truth.flatten().clamp(min=0)"),
        "head starts": ("np.cumsum([0, *sizes[:-1]])", "np.arange(len(sizes))"),
        "padding 0": (
            "scores = F.pad(self(x), (0, 1), value=-1e4)",
            "scores = F.pad(self(x), (0, 1), value=0.0)",
        ),
    },
    (
        "classifier",
        "classifier",
        "the_share_of_right_answers_leaves_unknown_ones_out_and_the_class_out_of_the_parts",
    ): {
        "parts with class": ("right[:, 1:][known[:, 1:]]", "right[known]"),
        "accuracy of unknown": ("right[known[:, i], i].mean()", "right[:, i].mean()"),
    },
    ("classifier", "classifier", "fitting_is_adamw_on_a_falling_half_cosine"): {
        "no lr schedule": ("        schedule.step()\n", ""),
        "rows swapped in fit": (
            "torch.from_numpy(truth[rows])",
            "torch.from_numpy(truth[rows[::-1].copy()])",
        ),
    },
    ("diffusion", "diffusion", "noising_keeps_the_variance_at_every_level"): {
        "noise level squared": (
            "return level.signal * x0 + level.noise * eps",
            "return level.signal * x0 + level.noise**2 * eps",
        ),
        "one step's variance for the noise level": (
            "return level.signal * x0 + level.noise * eps",
            "return level.signal * x0 + 0.02 * eps",
        ),
    },
    ("diffusion", "diffusion", "v_is_the_noise_on_clean_data_and_the_negative_image_in_pure_noise"): {
        "velocity with its sign turned": (
            "return level.signal * eps - level.noise * x0",
            "return level.noise * x0 - level.signal * eps",
        ),
    },
    ("diffusion", "training", "so_many_labels_are_replaced_by_no_label"): {
        "labels hidden where they should be kept": (
            "generator=generator) < p_uncond",
            "generator=generator) >= p_uncond",
        ),
    },
    ("diffusion", "training", "timesteps_of_both_ends_are_trained_on"): {
        "timestep 0 never trained on": ("torch.randint(0, len(schedule)", "torch.randint(1, len(schedule)"),
    },
    ("schedules", "schedules", "timesteps_start_at_the_noisiest_end_at_clean_data_and_never_repeat"): {
        "timesteps by arithmetic": (
            "T * (num_steps - i) // num_steps - 1",
            "max(T - 1 - i * (T // num_steps), -1)",
        ),
    },
    ("samplers", "samplers", "a_known_image_is_approached_through_exactly_the_levels_of_the_schedule"): {
        "DDIM's fresh noise without its square, under a clamp": (
            "(there.noise**2 - fresh**2)",
            "(there.noise**2 - fresh)",
        ),
        "noise at the last step too": (
            "(x, x0, here, there)\n        if s >= 0:\n            x = x + _posterior_std(here, there) * draw_eps(x)",
            "(x, x0, here, there)\n        x = x + here.noise * 0.1 * draw_eps(x)",
        ),
    },
    ("ema", "ema", "the_average_of_a_sequence_is_its_weighted_sum"): {
        "an average of itself": (
            "ema_update(average, network.state_dict(), n",
            "ema_update(average, average, n",
        ),
    },
    ("diffusion", "training", "min_snr_weighs_an_error_in_x0_alike_in_every_prediction"): {
        "min-SNR of eps for v": ('"v": snr + 1', '"v": snr'),
    },
    ("checkpoints", "checkpoints", "a_resumed_run_has_the_same_losses_to_the_last_bit"): {
        "an optimiser that forgets when it resumes": (
            'state.optimizer.state[weight] = {"step"',
            '_ = {"step"',
        ),
    },
}
"""By module, file of tests and test that notices it: what stands in the module, and what is put in its place."""
ALL = [(*where, name) for where, mutants in MUTANTS.items() for name in mutants]


@contextmanager
def planted(module, right, wrong):
    """Within: pixel_edu imported anew, with one module's text changed. Afterwards all is as it was."""
    finders = sys.meta_path[:]  # without the checker of shapes: it holds on to the classes that it met first
    sys.meta_path[:] = [finder for finder in finders if not type(finder).__module__.startswith("jaxtyping")]
    before = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "pixel_edu"
    }
    try:
        spec = importlib.util.find_spec(f"pixel_edu.{module}")
        text = Path(spec.origin).read_text(encoding="utf-8")
        assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {module}.py"
        changed = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        exec(compile(text.replace(right, wrong), spec.origin, "exec"), changed.__dict__)
        setattr(sys.modules["pixel_edu"], module, changed)
        yield
    finally:
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if name.partition(".")[0] == "pixel_edu"]:
            del sys.modules[name]
        sys.modules.update(before)


def run(file, test):
    """Import a file of tests and call one of them, with all its parameters."""
    spec = importlib.util.spec_from_file_location(f"planted_{file}", ROOT / "tests" / f"test_{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    call = getattr(module, f"test_{test}")
    axes = []
    for mark in getattr(call, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args
            several = not isinstance(names, str)
            axes.append(
                [dict(zip(names, value, strict=True)) if several else {names: value} for value in values]
            )
    for parts in itertools.product(*axes):
        torch.manual_seed(0)
        given = {name: value for part in parts for name, value in part.items()}
        wanted = inspect.signature(call).parameters
        if "drawn" in wanted:
            given["drawn"] = module.drawn.__wrapped__()
        with tempfile.TemporaryDirectory() as folder:
            if "tmp_path" in wanted:
                given["tmp_path"] = Path(folder)
            call(**given)


@pytest.mark.parametrize(("module", "file", "test", "name"), ALL, ids=[f"{a[0]}: {a[-1]}" for a in ALL])
def test_a_wrong_connection_is_noticed(module, file, test, name):
    right, wrong = MUTANTS[module, file, test][name]
    with planted(module, right, wrong), pytest.raises(AssertionError):
        run(file, test)
