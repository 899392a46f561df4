"""The colours of the procedural sprites: ramps of five shades, from outline to highlight.

Each ramp shifts its hue as well as its lightness: shadows lean to blue and violet, lights to yellow. Every colour of
every sprite is one of these or the white of the background, which makes "how far is a sample from the palette?" a
question with an exact answer.
"""

_HEX = {
    "ink":      "17131f 3b3546 7d7a8c c9c9d6 ffffff",
    # cloth, slime, fruit
    "red":      "3d0c1e 8f1d33 d23b3f f0775a ffc4a3",
    "orange":   "4a1a0f aa451d e67a26 f8ae4a ffe2a1",
    "gold":     "4a2a0c a3691a e2ab2d f7d65c fff4b8",
    "lime":     "1c3512 4f7d1f 8fbf32 c6e35d f2fbb5",
    "green":    "0f2e22 1f6b3a 3ba24c 7bd06a cdf5b0",
    "teal":     "0b2a33 14646b 2aa198 6fd3bb c8f7e2",
    "sky":      "10294a 2464a8 41a0e0 86d0f5 d6f4ff",
    "blue":     "14174a 2b3a9e 4568dc 7fa4f4 cfe0ff",
    "violet":   "23124a 55309a 8a56d6 bb90f0 e9d6ff",
    "magenta":  "3a0f3c 8a2473 cf4aa0 f08cc4 ffd3e8",
    "pink":     "4a1530 b8486c ee86a0 ffb9c2 ffe6e6",
    # earth, metal, cloth without colour
    "brown":    "2a1510 5f3622 96613a c7935b ebcb98",
    "wood":     "2b1a12 6b4226 a06b3a cd9b5c f0d097",
    "bronze":   "33190f 7c4420 bd7433 e6a659 ffdc9c",
    "steel":    "1d2230 4b566c 8593a8 bcc8d4 f2f7fa",
    "stone":    "221f28 4c4955 7f7d87 b5b4ba eceaec",
    "coal":     "120f18 2b2733 4a4655 736f80 a9a6b5",
    "cream":    "4a3424 a58564 e0c79a f6e8c4 fffaea",
    "linen":    "3a3a4e 9298b2 cfd5e2 eff2f7 fafcff",
    # skin
    "rose":     "5a2f2a cb8c74 f5c5a3 ffe0c4 fff1e0",
    "peach":    "4f2620 b8714d e8a878 fbcb9d ffe6c6",
    "tan":      "45201a 9c5a38 cf8a57 eab07c ffd8ab",
    "umber":    "361812 7a412a ae6b43 cf9465 efc297",
    "sepia":    "27110f 55291f 81462f a86a47 d29a70",
    "moss":     "1b3315 4f7a2d 87b347 b4d86c e0f5a8",
}  # fmt: skip

RAMPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    name: tuple((c[0], c[1], c[2]) for c in map(bytes.fromhex, shades.split()))
    for name, shades in _HEX.items()
}
"""Name -> five (red, green, blue) colours, 0 .. 255: outline, shadow, middle, light, highlight."""

CLOTH = tuple("red orange gold lime green teal sky blue violet magenta pink brown coal cream linen".split())
METAL = tuple("gold bronze steel coal".split())
SKIN = tuple("rose peach tan umber sepia moss".split())


def ramps(*names: str | tuple[str, ...]) -> tuple[str, ...]:
    """Ramp names and groups of them as one tuple, each name once, in palette order."""
    wanted = {name for group in names for name in ((group,) if isinstance(group, str) else group)}
    return tuple(name for name in RAMPS if name in wanted)
