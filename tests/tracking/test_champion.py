"""Which of two models is better, and which one is the champion."""

import pytest

from pixel_edu import tracking
from pixel_edu.evaluation import Score
from pixel_edu.tracking import champion

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


def scores(accuracy=(0.9, 0.88, 0.92), fid=(20, 18, 22), off=(0.01, 0.009, 0.011)):
    found = {"label_accuracy": accuracy, "fid": fid, "palette_distance": off}
    return {key: Score(*value) for key, value in found.items()}


@pytest.mark.parametrize(
    ("changed", "promoted", "why"),
    [
        ({}, False, "their intervals overlap"),
        ({"fid": (17, 15, 19)}, False, "their intervals overlap"),
        ({"fid": (15, 13, 17)}, True, "it is better in Fréchet distance, FID"),
        (
            {"accuracy": (0.95, 0.93, 0.97), "fid": (15, 13, 17)},
            True,
            "better in right class and Fréchet distance",
        ),
        (
            {"accuracy": (0.95, 0.93, 0.97), "fid": (30, 28, 32)},
            False,
            "it is worse in Fréchet distance, FID",
        ),
        ({"off": (0.02, 0.019, 0.021)}, False, "it is worse in off the palette"),
    ],
)
def test_a_challenger_must_be_better_somewhere_and_worse_nowhere(changed, promoted, why):
    verdict = champion.compare(scores(**changed), scores())
    assert verdict.promoted is promoted
    assert why in verdict.why


@pytest.mark.slow
def test_the_champion_stays_until_it_is_beaten(client, new_run, tmp_path):
    def version(found, count=100, against="real"):
        id = new_run()
        champion.log_scores(client, id, found, count, against)
        assert champion.read_scores(client, id) == (found, count, against)
        return client.create_model_version("duel", str(tmp_path), run_id=id).version

    def standing():
        return client.get_model_version_by_alias("duel", champion.ALIAS).version

    client.create_registered_model("duel")
    first, worse, better = (
        version(scores()),
        version(scores(fid=(30, 28, 32))),
        version(scores(fid=(10, 9, 11))),
    )
    assert champion.promote(client, "duel", first) == (True, "it is the first")
    assert not champion.promote(client, "duel", worse).promoted
    assert standing() == first
    assert champion.promote(client, "duel", better).promoted
    assert standing() == better
    assert champion.promote(client, "duel", better) == (True, "it is the champion already")
    with pytest.raises(tracking.TrackingError, match="on 50 sprites and the champion on 100"):
        champion.promote(client, "duel", version(scores(), count=50))
    with pytest.raises(tracking.TrackingError, match="measured against other real sprites than the champion"):
        champion.promote(client, "duel", version(scores(), against="others"))
    with pytest.raises(tracking.TrackingError, match=r"Model Version \(name=duel, version=99\) not found"):
        champion.promote(client, "duel", "99")
    bare = client.create_model_version("duel", str(tmp_path), run_id=new_run("bare")).version
    with pytest.raises(tracking.TrackingError, match="run bare was not evaluated"):
        champion.promote(client, "duel", bare)
    assert standing() == better


def test_an_mlflow_that_goes_away_makes_nobody_champion(client, new_run, tmp_path, monkeypatch):
    from mlflow.exceptions import MlflowException

    id = new_run()
    champion.log_scores(client, id, scores(), 100, "real")
    client.create_registered_model("alone")
    version = client.create_model_version("alone", str(tmp_path), run_id=id).version

    def away(*_):
        raise MlflowException("the connection broke")

    monkeypatch.setattr(client, "get_model_version_by_alias", away)
    with pytest.raises(tracking.TrackingError, match="the connection broke"):
        champion.promote(client, "alone", version)
    assert client.get_registered_model("alone").aliases == {}


def test_what_one_of_them_was_not_measured_in_decides_nothing():
    colorless = {key: value for key, value in scores(off=(9, 8, 10)).items() if key != "palette_distance"}
    assert not champion.compare(scores(), colorless).promoted
    assert not champion.compare(colorless, scores()).promoted
