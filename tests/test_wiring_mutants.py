"""Connections made wrongly, one at a time: the test that stands beside each must notice it.

No process is started: the package is imported anew with one module's text changed, and the named test, which takes no
fixtures, is called with all its parameters.
"""

import importlib.util
import itertools
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]

NETWORK = {
    "the context's scale without its 1": (
        "self.norm2(h) * (1 + scale) + shift",
        "self.norm2(h) * scale + shift",
        "a_context_of_nothing_leaves_the_normalised_features_as_they_are",
    ),
    "scale and shift exchanged": (
        "scale, shift = self.context(context)",
        "shift, scale = self.context(context)",
        "a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift",
    ),
    "no shift": (
        "* (1 + scale) + shift",
        "* (1 + scale)",
        "a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift",
    ),
    "the shift is scaled too": (
        "self.norm2(h) * (1 + scale) + shift",
        "(self.norm2(h) + shift) * (1 + scale)",
        "a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift",
    ),
    "context before the norm, which takes it away again": (
        "self.norm2(h) * (1 + scale) + shift",
        "self.norm2(h * (1 + scale) + shift)",
        "a_known_context_multiplies_by_1_and_its_scale_then_adds_its_shift",
    ),
    "features scaled without the norm": (
        "self.norm2(h) * (1 + scale)",
        "h * (1 + scale)",
        "a_context_of_nothing_leaves_the_normalised_features_as_they_are",
    ),
    "no activation before the second convolution": (
        "self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))",
        "self.conv2(self.norm2(h) * (1 + scale) + shift)",
        "a_context_of_nothing_leaves_the_normalised_features_as_they_are",
    ),
    "activation before the norm": (
        "self.conv1(F.silu(self.norm1(x)))",
        "self.conv1(self.norm1(F.silu(x)))",
        "a_context_of_nothing_leaves_the_normalised_features_as_they_are",
    ),
    "no shortcut": ("h = self.shortcut(x) + h", "pass", "a_new_block_is_its_shortcut"),
    "the shortcut takes normalised features": (
        "self.shortcut(x) + h",
        "self.shortcut(self.norm1(x)) + h",
        "a_new_block_is_its_shortcut",
    ),
    "a new block that is not quiet": (
        "zeroed(conv3x3(width, width))",
        "conv3x3(width, width)",
        "a_new_block_is_its_shortcut",
    ),
    "attention beside the shortcut": (
        "        h = self.shortcut(x) + h\n        return h if self.attention is None else self.attention(h, label)",
        "        h = h if self.attention is None else self.attention(h, label)\n        return self.shortcut(x) + h",
        "attention_comes_after_the_shortcut_and_gets_the_label",
    ),
    "attention gets the context for the label": (
        "self.attention(h, label)",
        "self.attention(h, context)",
        "attention_comes_after_the_shortcut_and_gets_the_label",
    ),
    "attention at all levels or none": (
        "config.channels[depth], config.attention[depth]",
        "config.channels[depth], config.attention[-1]",
        "a_block_attends_where_the_config_says_so",
    ),
    "no attention in the middle": (
        "self.below = Block(width, width, config, attends)",
        "self.below = Block(width, width, config, False)",
        "a_block_attends_where_the_config_says_so",
    ),
    "attention does not look at the label": (
        "k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)",
        "pass",
        "attention_that_looks_at_the_label_alone_brings_its_value_to_every_place",
    ),
    "attention looks at the label alone": (
        "k, v = torch.cat([k, label_k], dim=2), torch.cat([v, label_v], dim=2)",
        "k, v = label_k, label_v",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "the label's key for its value": (
        "label_k, label_v = self.label(label)",
        "label_v, label_k = self.label(label)",
        "attention_that_looks_at_the_label_alone_brings_its_value_to_every_place",
    ),
    "attention without its residual": (
        "return x + self.out(",
        "return self.out(",
        "new_attention_changes_nothing",
    ),
    "the residual is normalised": (
        "return x + self.out(",
        "return self.norm(x) + self.out(",
        "new_attention_changes_nothing",
    ),
    "attention to features without the norm": (
        "self.qkv(self.norm(x))",
        "self.qkv(x)",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "questions for keys": (
        "q, k, v = self.qkv",
        "k, q, v = self.qkv",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "attention without 1/√d": (
        "scaled_dot_product_attention(q, k, v)",
        "scaled_dot_product_attention(q, k, v, scale=1.0)",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "attention with 1/√width": (
        "scaled_dot_product_attention(q, k, v)",
        "scaled_dot_product_attention(q, k, v, scale=x.shape[1] ** -0.5)",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "one head": (
        "self.heads = config.heads",
        "self.heads = 1",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "heads take turns in the channels": (
        "z.unflatten(1, (self.heads, -1)).transpose(2, 3)",
        "z.unflatten(1, (-1, self.heads)).movedim(2, 1).transpose(2, 3)",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "places mixed with channels": (
        "seen.transpose(2, 3).reshape(x.shape)",
        "seen.reshape(x.shape)",
        "attention_is_softmax_over_places_and_label_head_by_head",
    ),
    "new attention that is not quiet": (
        "zeroed(nn.Conv2d(width, width, 1))",
        "nn.Conv2d(width, width, 1)",
        "new_attention_changes_nothing",
    ),
    "the first skip to the first block up": (
        "skips.pop()",
        "skips.pop(0)",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "the last skip to every block up": (
        "skips.pop()",
        "skips[-1]",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "no skip": (
        "torch.cat([x, skips.pop()], dim=1)",
        "torch.cat([x, x], dim=1)",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "the skip before the features": (
        "[x, skips.pop()]",
        "[skips.pop(), x]",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "blocks down beside each other": (
        "            x = block(x, context, label)\n            skips.append(x)",
        "            skips.append(block(x, context, label))",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "nothing of what is below": (
        "x = self.grow(self.below(self.shrink(x), context, label))",
        "self.below(self.shrink(x), context, label)",
        "the_last_skip_goes_to_the_first_block_up",
    ),
    "no context below": (
        "self.below(self.shrink(x), context, label)",
        "self.below(self.shrink(x), 0 * context, label)",
        "context_and_label_reach_every_block_unchanged",
    ),
    "context and label exchanged on the way up": (
        "skips.pop()], dim=1), context, label)",
        "skips.pop()], dim=1), label, context)",
        "context_and_label_reach_every_block_unchanged",
    ),
    "pixels of four squares for one": (
        "self.shrink = nn.Conv2d(width, width, 2, stride=2)",
        "self.shrink = nn.Conv2d(width, width, 2, stride=2, dilation=2, padding=1)",
        "shrinking_weighs_four_pixels_and_growing_puts_four_channels_in_their_places",
    ),
    "time without its class": (
        "self.embed_time(time_waves(t)) + label",
        "self.embed_time(time_waves(t))",
        "time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone",
    ),
    "the class after the activation": (
        "F.silu(self.embed_time(time_waves(t)) + label)",
        "F.silu(self.embed_time(time_waves(t))) + label",
        "time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone",
    ),
    "context without activation": (
        "F.silu(self.embed_time(time_waves(t)) + label)",
        "self.embed_time(time_waves(t)) + label",
        "time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone",
    ),
    "attention told the time": (
        "self.enter(self.fold(x)), context, label)",
        "self.enter(self.fold(x)), context, context)",
        "time_and_class_are_added_before_the_activation_and_attention_gets_the_class_alone",
    ),
    "sines before cosines": (
        "[angles.cos(), angles.sin()]",
        "[angles.sin(), angles.cos()]",
        "the_waves_of_time_are_cosines_then_sines_of_falling_frequencies",
    ),
    "frequencies to the last step": (
        "torch.arange(half, device=t.device) / half",
        "torch.arange(half, device=t.device) / (half - 1)",
        "the_waves_of_time_are_cosines_then_sines_of_falling_frequencies",
    ),
    "time in 0 .. 1": (
        "t.float()[:, None] * frequencies",
        "t.float()[:, None] / 1000 * frequencies",
        "the_waves_of_time_are_cosines_then_sines_of_falling_frequencies",
    ),
    "rows folded for squares": (
        "self.enter(self.fold(x))",
        "self.enter(x.reshape(self.fold(x).shape))",
        "folding_puts_the_pixels_of_a_square_into_channels_and_unfolding_puts_them_back",
    ),
    "unfolded into rows": (
        "return self.unfold(self.leave(features))",
        "return self.leave(features).reshape(x.shape)",
        "folding_puts_the_pixels_of_a_square_into_channels_and_unfolding_puts_them_back",
    ),
    "an answer from features without a norm": (
        "self.unfold(self.leave(features))",
        "self.unfold(self.leave[1:](features))",
        "the_network_is_what_its_weights_written_out_by_hand_say",
    ),
    "an answer without activation": (
        "nn.Sequential(norm(top), nn.SiLU(),",
        "nn.Sequential(norm(top), nn.Identity(),",
        "the_answer_is_a_convolution_of_the_normalised_activated_features",
    ),
    "the border is the other side": (
        "padding=1)",
        'padding=1, padding_mode="circular")',
        "the_network_is_what_its_weights_written_out_by_hand_say",
    ),
    "one group": (
        "Float32GroupNorm(GROUPS, width)",
        "Float32GroupNorm(1, width)",
        "norms_are_computed_in_float32",
    ),
    "norms in half precision": (
        "super().forward(x.float())",
        "super().forward(x)",
        "norms_are_computed_in_float32",
    ),
    "no label is class 0": (
        "label = self.embed_class(c)",
        "label = self.embed_class(c % self.config.classes)",
        "no_label_is_the_last_row_of_the_table_and_what_hiding_a_label_asks_for",
    ),
    "no label is nothing": (
        "nn.Embedding(config.classes + 1, config.embedding)",
        "nn.Embedding(config.classes + 1, config.embedding, padding_idx=config.classes)",
        "no_label_is_the_last_row_of_the_table_and_what_hiding_a_label_asks_for",
    ),
}
"""What stands in unet.py, what is put in its place, and the test of test_wiring.py that sees it."""


@contextmanager
def planted(module, right, wrong):
    """Within: pixel_edu imported anew, with one module's text changed. Afterwards all is as it was."""
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
        call(**{name: value for part in parts for name, value in part.items()})


@pytest.mark.parametrize("name", NETWORK)
def test_a_wrong_connection_of_the_network_is_noticed(name):
    right, wrong, test = NETWORK[name]
    with planted("unet", right, wrong), pytest.raises(AssertionError):
        run("wiring", test)
