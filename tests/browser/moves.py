"""For each widget what to move or press, which must change what its canvases show: on a page, and in JupyterLab."""

MOVES = {
    "PixelInspector": ("combobox", "sprite", "3"),
    "NoiseExplorer": ("slider", "timestep", "700"),
    "OraclePaths": ("button", ("Add 160 random starts",), None),
    "GuidanceField": ("slider", "guidance", "7"),
    "SamplerRace": ("slider", "calls", "20"),
    "SpriteLab": ("slider", "spoil", "0.15"),
    "NetworkInside": ("slider", "noise", "2"),
    "RealOrDrawn": ("button", ("left sprite", "Next pair"), None),
    "TrainingInPage": ("button", ("Start", "Pause"), None),
    "InstantDraw": ("slider", "from A to B", "0.9"),
    "FormulaCell": ("textbox", None, "level.signal * x0 + level.noise * eps"),
}
SEEN = """place => [...place.querySelectorAll("canvas")].map(c => c.toDataURL()).join()"""
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def moves(page, place, name):
    """Whether a widget's pixels change when its control is moved."""
    role, label, value = MOVES[name]
    place.scroll_into_view_if_needed()
    page.evaluate(SETTLED)
    before = place.evaluate(SEEN)
    assert before.count("data:image/png") >= 1
    if role == "button":
        for name in label:
            place.get_by_role(role, name=name).click()
    elif role == "combobox":
        place.get_by_role(role, name=label).select_option(value)
    else:
        place.get_by_role(role, **({"name": label} if label else {})).first.fill(value)
    page.evaluate(SETTLED)
    return place.evaluate(SEEN) != before
