"""The classifier: what its heads ask, what its loss leaves out, and what the shipped one can do."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from pixel_edu import checkpoints, classifier, sprites
from pixel_edu.classifier import UNKNOWN, Head, SpriteClassifier
from pixel_edu.config import CLASSES, UserError
from pixel_edu.images import to_tensor

HEADS = [Head("class", ("a", "b")), Head("part", ("x", "y", "z"))]


@pytest.fixture(scope="module")
def held_out():
    return sprites.make(500, seed=31)


def test_the_loss_is_the_mean_over_questions_that_have_an_answer():
    torch.manual_seed(0)
    judge = SpriteClassifier(HEADS).eval()
    x, truth = torch.randn(3, 3, 16, 16), torch.tensor([[0, 2], [1, UNKNOWN], [1, 0]])
    scores = judge(x)
    parts = [F.cross_entropy(scores[:, :2], truth[:, 0], reduction="none")]
    parts += [F.cross_entropy(scores[::2, 2:], truth[::2, 1], reduction="none")]
    assert_close(judge.loss(x, truth), torch.cat(parts).mean())


def test_every_head_answers_from_its_own_words():
    torch.manual_seed(0)
    judge = SpriteClassifier(HEADS)
    judge.answers.bias.data = torch.tensor([0.0, 99, 0, 0, 99])  # b, and z
    seen = judge.look(sprites.make(4).images)
    assert seen.names == ("class", "part")
    assert seen.answers.tolist() == [[1, 2]] * 4
    assert seen.labels.tolist() == [1] * 4


def test_what_is_seen_is_what_the_network_answers_head_by_head():
    """The features before the activation, the answers after it, in evaluation mode, whichever mode was on."""
    torch.manual_seed(0)
    heads = [Head("class", ("a", "b")), Head("part", ("x", "y", "z", "w")), Head("last", ("no", "yes"))]
    judge = SpriteClassifier(heads).train()
    images = sprites.make(30).images
    with torch.no_grad():
        judge(3 * torch.randn(64, 3, 16, 16))  # so that the running mean is nobody's own
        judge.answers.weight.normal_()
        judge.answers.bias.fill_(-9)  # every answer is unlikely: what pads a head must be more so
    seen = judge.look(images, batch_size=7)
    x = to_tensor(images)
    with torch.no_grad():
        features = judge.eval().body(x)
        scores = F.silu(features) @ judge.answers.weight.T + judge.answers.bias
    assert_close(torch.from_numpy(seen.features), features, atol=1e-4, rtol=1e-4)
    expected = [part.argmax(dim=1) for part in scores.split([2, 4, 2], dim=1)]
    assert seen.answers.T.tolist() == [column.tolist() for column in expected]
    assert_close(judge(x), scores, atol=1e-4, rtol=1e-4)


def test_the_share_of_right_answers_leaves_unknown_ones_out_and_the_class_out_of_the_parts():
    answers = np.array([[0, 1, 2], [1, 0, 0], [1, 1, 1], [0, 2, 0]])
    truth = np.array([[0, 1, UNKNOWN], [0, UNKNOWN, 0], [0, 0, 1], [0, 2, UNKNOWN]])
    seen = classifier.Seen(np.zeros((4, 1), np.float32), answers, ("class", "p", "q"))
    shares = classifier.accuracy(seen, truth)
    assert shares == pytest.approx({"class": 2 / 4, "p": 2 / 3, "q": 2 / 2, "parts": 4 / 5})


def test_fitting_is_adamw_on_a_falling_half_cosine():
    """Against a loop written out here."""
    school = sprites.make(40, seed=30)
    heads, truth = classifier.class_heads(school.labels)
    draw = np.random.default_rng(4)
    torch.manual_seed(4)
    plain = SpriteClassifier(heads).train()
    optimizer = torch.optim.AdamW(plain.parameters(), weight_decay=1e-2)
    steps = list(
        classifier.fit(school.images, heads, truth, steps=4, batch_size=16, learning_rate=0.01, seed=4)
    )
    for step in steps:
        rows = draw.integers(40, size=16)
        optimizer.param_groups[0]["lr"] = 0.01 * (1 + np.cos(np.pi * (step.step - 1) / 4)) / 2
        optimizer.zero_grad()
        scores = plain(to_tensor(school.images[rows]))
        value = F.cross_entropy(scores, torch.from_numpy(school.labels[rows]))
        value.backward()
        optimizer.step()
        assert step.loss == pytest.approx(value.item(), rel=1e-3)
    assert [step.step for step in steps] == [1, 2, 3, 4]


def test_looking_does_not_depend_on_the_company():
    judge = classifier.load_classifier()
    images = sprites.make(7).images
    whole, pieces = judge.look(images), judge.look(images, batch_size=3)
    np.testing.assert_allclose(whole.features, pieces.features, atol=1e-4)


def test_the_questions_are_what_the_sprites_were_drawn_from(held_out):
    heads = classifier.factor_heads(held_out.labels, held_out.seeds)
    truth = classifier.factor_truth(heads, held_out.labels, held_out.seeds)
    names = [head.name for head in heads]
    assert names[:2] == ["class", "kind"]
    assert (truth[:, 0] == held_out.labels).all()
    hat, row = names.index("hero.hat"), int(np.flatnonzero(held_out.labels == 0)[0])
    drawn = sprites.factors(0, held_out.seeds[row : row + 1])
    assert heads[hat].words[truth[row, hat]] == drawn["hat"][0]
    assert (truth[held_out.labels == 2, hat] == UNKNOWN).all()  # food wears no hat
    assert (truth[held_out.labels == 4, hat] != UNKNOWN).all()  # the side view of a hero does
    assert all(len(head.words) <= 16 for head in heads[2:])


@pytest.mark.slow
def test_a_classifier_learns_the_classes_and_the_same_seed_gives_the_same(held_out):
    school = sprites.make(600, seed=30)
    heads, truth = classifier.class_heads(school.labels, CLASSES)
    runs = [list(classifier.fit(school.images, heads, truth, steps=60)) for _ in range(2)]
    assert [step.loss for step in runs[0]] == [step.loss for step in runs[1]]
    seen = runs[0][-1].classifier.look(held_out.images)
    assert (seen.labels == held_out.labels).mean() > 0.8
    assert classifier.accuracy(seen, held_out.labels[:, None]).keys() == {"class"}


def test_the_shipped_classifier_is_small_and_as_good_as_it_says(held_out):
    assert classifier.SHIPPED.stat().st_size <= 1_000_000
    judge = classifier.load_classifier()
    labels, seeds = held_out.labels, held_out.seeds
    truth = classifier.factor_truth(judge.heads, labels, seeds)
    shares = classifier.accuracy(judge.look(held_out.images), truth)
    said = judge.record["accuracy"]
    assert said["class"] >= 0.99
    assert shares["class"] == pytest.approx(said["class"], abs=0.01)
    assert shares["kind"] == pytest.approx(said["kind"], abs=0.01)
    assert shares["parts"] == pytest.approx(said["parts"], abs=0.03)


def test_a_file_gives_the_classifier_back(tmp_path):
    judge = classifier.load_classifier()
    classifier.save_classifier(tmp_path / "c.safetensors", judge)
    again = classifier.load_classifier(tmp_path / "c.safetensors")
    x = to_tensor(sprites.make(3).images)
    assert torch.equal(judge(x), again(x))
    assert again.heads == judge.heads
    assert again.record == judge.record
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize("name", ["nowhere", "reference", "text"])
def test_what_is_no_classifier_is_said_in_a_sentence(name, tmp_path):
    path = {"reference": checkpoints.find("reference")}.get(name, tmp_path / name)
    if name == "text":
        path.write_text("no weights")
    with pytest.raises(UserError, match="is not a classifier of this package"):
        classifier.load_classifier(path)
