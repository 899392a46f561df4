"""Formulas of the pages: TeX set as MathML the way that TeX sets it."""

import importlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def formulas(monkeypatch):
    """The extension that sets them."""
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    return importlib.import_module("pixel_math")


@pytest.mark.parametrize(
    ("tex", "holds"),
    [
        (r"\begin{split}\begin{aligned} a &= b \\ &= c \end{aligned}\end{split}", "</mtr><mtr>"),
        (r"\mathrm{E} x", "<mtext>E</mtext>"),
        (r"\log p", '<mi>log</mi><mspace width="0.167em"></mspace>'),
        (r"\log(p)", "<mi>log</mi><mo"),
        (r"2\log p", '<mn>2</mn><mspace width="0.167em"></mspace><mi>log</mi>'),
        (r"x = \log p", "<mo>=</mo><mi>log</mi>"),
        (r"\operatorname{KL}(p)", "<mi>KL</mi>"),
        (r"|x|", 'lspace="0" rspace="0">|</mo>'),
        (r"\lVert x\rVert^2", '<msup><mo stretchy="false" lspace="0" rspace="0">‖</mo>'),
        (r"q \,\|\, p", '<mo fence="false" stretchy="false">‖</mo>'),
        (r"\sigma_{t \mid s}", '<mo lspace="0" rspace="0">∣</mo>'),
        (r"x \sim y", "<mo>∼</mo>"),
        (r"\log 4", '<mi>log</mi><mspace width="0.167em"></mspace><mn>4</mn>'),
        (r"2\operatorname{tr} \Sigma", '<mspace width="0.167em"></mspace><mi mathvariant="normal">Σ</mi>'),
        (r"a / b", '<mo lspace="0" rspace="0">/</mo>'),
        (r"a \big)^2", "<msup><mo"),
        (r"\; a", '<math display="block"><mrow><mi>a</mi></mrow></math>'),
        (r"t = -1", '<mo form="prefix" lspace="0" rspace="0">−</mo><mn>1</mn>'),
        (r"t - 1", "<mo>−</mo><mn>1</mn>"),
        (
            r"\tilde p",
            '<mover accent="true"><mi>p</mi><mo lspace="0" rspace="0">˜</mo>',
        ),
    ],
)
def test_a_formula_is_set_as_tex_sets_it(formulas, tex, holds):
    made = formulas.mathml(tex, True)
    assert holds in made
    ElementTree.fromstring(made)


def test_between_terms_a_bar_keeps_its_space(formulas):
    assert "lspace" not in formulas.mathml(r"p(x \mid y)")


def test_an_index_of_a_large_bracket_stands_at_all_that_it_holds(formulas):
    made = ElementTree.fromstring(formulas.mathml(r"a + \Big(\Big(\frac{1}{2}\Big)^2 + b\Big)^3 c", True))
    outer, inner = made.iter("msup")
    assert outer[1].text == "3"
    assert "".join(outer[0].itertext()) == "((12)2+b)"
    assert outer[0][1] is inner
    assert "".join(inner[0].itertext()) == "(12)"


def test_a_long_formula_in_the_text_may_go_on_after_a_relation(formulas):
    sum_ = "a + b + c + d + e + f"
    assert re.findall("</?math", formulas.mathml("a = b")) == ["<math", "</math"]
    made = formulas.mathml(rf"x = {sum_} \le {sum_}").split("<math ")
    assert len(made) == 4
    assert [each.removesuffix("</math><wbr>")[-10:] for each in made[1:3]] == ["<mo>=</mo>", "<mo>≤</mo>"]
    assert formulas.mathml(f"x = {sum_}", True).count("<math") == 1


@pytest.mark.parametrize(
    "tex", [r"\left( a", r"\begin{what} a & b \end{what}", r"\nowhere x", "", "x_", r"\frac{1}"]
)
def test_tex_that_is_not_understood_is_named(formulas, tex):
    with pytest.raises(formulas.NotMathML, match=f"does not understand {re.escape(repr(tex))}(: .*[a-z])?$"):
        formulas.mathml(tex)


def test_a_sign_after_a_formula_stays_in_its_line(formulas):
    context = {"body": f'<span class="math">{formulas.mathml("a")}</span>), <span class="math">b</span> c'}
    formulas._tie(None, "page", "page.html", context, None)
    tied = f'<span class="math"><span class="tied">{formulas.mathml("a")}),</span></span> <span'
    assert context["body"].startswith(tied)
