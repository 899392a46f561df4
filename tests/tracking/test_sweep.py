"""A grid of settings in MLflow, and runs side by side in a picture."""

import numpy as np
import pytest

from pixel_edu import figures, sprites, tracking
from pixel_edu.checkpoints import load_reference
from pixel_edu.classifier import load_classifier
from pixel_edu.evaluation import Yardstick
from pixel_edu.tracking import champion, comparing, connecting
from pixel_edu.tracking import sweep as sweeps
from pixel_edu.tracking.sweep import PARENT, sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own


@pytest.fixture(scope="module")
def yardstick():
    train, real, other = (sprites.make(n, seed) for n, seed in ((60, 0), (100, 1), (12, 2)))
    return Yardstick(
        train.images, real.images, other.images, other.labels, load_classifier(), sprites.colors(), True
    )


@pytest.fixture(scope="module")
def swept(client, yardstick):
    """A run and its two points."""
    id = client.create_run(connecting.experiment(client), run_name="parent").info.run_id
    return id, list(sweep(client, id, load_reference("tiny"), yardstick, [1.0, 3.0], [4]))


def children(client, id):
    return client.search_runs([connecting.experiment(client)], f"tags.`{PARENT}` = '{id}'")


def test_each_pair_is_a_run_below_the_model_s_with_settings_scores_and_a_picture(client, swept):
    id, points = swept
    assert [(p.config.guidance_scale, p.config.num_steps) for p in points] == [(1.0, 4), (3.0, 4)]
    found = {run.data.params["guidance_scale"]: run for run in children(client, id)}
    assert set(found) == {"1.0", "3.0"}
    for point in points:
        run = found[str(point.config.guidance_scale)]
        assert run.info.status == "FINISHED"
        assert champion.read_scores(client, run.info.run_id).scores == point.scores
        assert {"label_accuracy", "fid", "kid", "palette_distance"} <= set(point.scores)
        assert run.data.metrics["seconds_a_sprite"] == point.seconds > 0
        assert comparing.last_picture(client, run.info.run_id).shape == (4 * 33, 4 * 135, 3)
    assert points[0].scores != points[1].scores


def test_a_sweep_that_goes_on_measures_no_pair_twice(client, swept, yardstick, monkeypatch):
    id, points = swept
    monkeypatch.setattr(sweeps, "generate", lambda *_: pytest.fail("it draws again"))
    assert list(sweep(client, id, None, yardstick, [1.0, 3.0], [4])) == points
    assert len(children(client, id)) == 2


def test_a_pair_that_fails_is_marked_and_measured_the_next_time(client, new_run, yardstick, monkeypatch):
    id, tiny = new_run(), load_reference("tiny")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sweeps, "generate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        list(sweep(client, id, tiny, yardstick, [1.0], [2]))
    assert [run.info.status for run in children(client, id)] == ["FAILED"]
    assert len(list(sweep(client, id, tiny, yardstick, [1.0], [2]))) == 1
    assert {run.info.status for run in children(client, id)} == {"FAILED", "FINISHED"}


def test_a_sweep_against_other_sprites_is_another(client, swept, yardstick, monkeypatch):
    id, _ = swept
    other = Yardstick(*(getattr(yardstick, name) for name in yardstick.__dataclass_fields__))
    object.__setattr__(other, "real", yardstick.real[::-1])
    monkeypatch.setattr(sweeps, "generate", lambda *_: (_ for _ in ()).throw(ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        list(sweep(client, id, load_reference("tiny"), other, [1.0], [4]))


def logged(client, id, losses, picture=None, scores=()):
    for step, value in enumerate(losses, 1):
        client.log_metric(id, "loss", value, step=step)
    if picture is not None:
        for step in (9, 10):  # the newest is the one with the highest step, not the last by its name
            client.log_image(id, np.full((8, 8, 3), picture + step, np.uint8), key="samples", step=step)
    if scores:
        champion.log_scores(client, id, dict(scores), 100, "real")
    return id


def test_runs_are_drawn_side_by_side_each_in_its_colour(client, new_run, swept):
    scores = swept[1][0].scores
    ids = [
        logged(client, new_run("first"), [4.0, 2.0, 1.0], 100, scores),
        logged(client, new_run("second"), [3.0, 3.0], 200),
    ]
    figure = comparing.compare(client, ids)
    losses, *measured = figure.subfigs[0].axes
    assert [line.get_label() for line in losses.lines] == ["first", "second"]
    assert [line.get_color() for line in losses.lines] == list(figures.COLORS[:2])
    assert losses.lines[0].get_xydata().tolist() == [[1, 4], [2, 2], [3, 1]]
    assert [panel.get_title() for panel in measured] == [
        "right class",
        "Fréchet distance, FID",
        "off the palette",
    ]
    drawn = [panel.containers[0].lines[0].get_ydata()[0] for panel in measured]
    assert drawn == [scores[key].value for key in champion.DECIDING]
    pictures = [panel.images[0].get_array() for panel in figure.subfigs[1].axes]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [110, 210]


def test_a_run_without_losses_scores_or_pictures_has_empty_places(client, new_run):
    figure = comparing.compare(client, [new_run("bare")])
    figure.canvas.draw()
    assert not figure.subfigs[1].axes[0].images


def test_a_long_curve_is_drawn_as_a_running_mean(client, new_run):
    figure = comparing.compare(client, [logged(client, new_run(), [1.0, 3.0] * 50)])
    (line,) = figure.subfigs[0].axes[0].lines
    assert line.get_xdata()[0] == 2
    assert set(np.round(line.get_ydata(), 6)) == {2.0}


def test_more_runs_than_colours_are_refused(client):
    with pytest.raises(tracking.TrackingError, match="7 runs do not fit: compare 1 to 6"):
        comparing.compare(client, ["a"] * 7)
