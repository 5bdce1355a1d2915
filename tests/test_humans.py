"""Answers of the blind test are counted right, or refused in one sentence."""

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pullback import cli, files, humans
from pullback.errors import UserError
from pullback.evaluation.intervals import wilson
from pullback.tracking.places import offline_folder
from pullback.tracking.run import stage_run
from pullback.tracking.sync import sync

ROOT = Path(__file__).parents[1]
TEST = {
    "digest": "0123456789abcdef",
    "pairs": [{"source": ("gan prior", "vae gmm")[k % 2], "real": ("left", "right")[k // 2 % 2]} for k in range(20)],
}


def saved(path: Path, wrong: int = 0, seconds: int = 1, **changes: Any) -> Path:
    """A file of answers, of which the first `wrong` ones are."""
    sides = {True: {"left": "right", "right": "left"}, False: {"left": "left", "right": "right"}}
    answers = [
        {"pair": k, "side": sides[k < wrong][pair["real"]], "milliseconds": 1000 * seconds}
        for k, pair in enumerate(TEST["pairs"])
    ]
    content = {"format": "pullback-humans 1", "test": TEST["digest"], "person": "", "answers": answers} | changes
    path.write_text(json.dumps(content))
    return path


def rates(*people: Path) -> dict[str, dict[str, float]]:
    return humans.rates([humans.read(path, TEST) for path in people], TEST["pairs"])


@pytest.mark.parametrize(("wrong", "rate", "p_value"), [(0, 0.0, 2 / 2**10), (20, 1.0, 2 / 2**10), (10, 0.5, 1.0)])
def test_error_rates_of_known_answers(tmp_path, wrong, rate, p_value):
    found = rates(saved(tmp_path / "a.json", wrong))
    assert list(found) == ["gan prior", "vae gmm"]
    low, high = wilson(rate, 10)
    for each in found.values():
        assert each == {
            "answers": 10,
            "errors": 10 * rate,
            "error_rate": rate,
            "low": low,
            "high": high,
            "p_value": pytest.approx(p_value),
        }


def test_the_answers_of_several_people_are_pooled(tmp_path):
    found = rates(*(saved(tmp_path / f"{wrong}.json", wrong) for wrong in (0, 1, 20)))
    assert [each["answers"] for each in found.values()] == [30, 30]
    assert [each["errors"] for each in found.values()] == [11, 10]
    assert found["gan prior"]["error_rate"] == 11 / 30


def without_the_last(path: Path) -> Path:
    return saved(path, answers=json.loads(saved(path).read_text())["answers"][:-1])


def with_the_first_twice(path: Path) -> Path:
    answers = json.loads(saved(path).read_text())["answers"]
    return saved(path, answers=[answers[0], *answers[:-1]])


def broken(path: Path) -> Path:
    path.write_text(saved(path).read_text()[:100])
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "could not be read: No such file or directory; mend that and run again"),
        (broken, "holds no answers of report/turing.html (the file: Invalid JSON"),
        (lambda path: saved(path, format="pullback-humans 2"), "(format: Input should be 'pullback-humans 1')"),
        (lambda path: saved(path, answers=[{"pair": 0, "side": "up", "milliseconds": 9}]), "(answers.0.side: "),
        (
            lambda path: saved(path, test="feed"),
            "is of the test feed, and report/turing.json is of the test 0123456789abcdef; bring back the report",
        ),
        (without_the_last, "does not answer each of the 20 pairs once; save it again"),
        (with_the_first_twice, "does not answer each of the 20 pairs once; save it again"),
    ],
)
def test_what_is_no_file_of_answers_to_this_test_is_refused(tmp_path, make, message):
    path = make(tmp_path / "some.json")
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        humans.read(path, TEST)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# In MLflow, by the command


@pytest.fixture
def reported(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the report stage has run, as far as MLflow and the blind test know."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "PIPELINE_RUN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # and not deleted, so that it is restored when mlflow sets it
    shutil.copy(database, tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with stage_run("report", "pullback", {}):
        files.write_json(humans.TEST, TEST)
    return tmp_path


def pullback_humans(*paths: object) -> Any:
    return CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, ["humans", *map(str, paths)])


def test_the_command_tells_the_rates_and_records_them(reported):
    from mlflow import MlflowClient

    one, two = saved(reported / "one.json", 4, person="Ada"), saved(reported / "two.json", 1)
    run_id = files.read_json(reported / "runs/report.json")["parent_run_id"]
    for paths in ([one], [one, two]):  # with one more person, all are given again
        result = pullback_humans(*paths)
        assert result.exit_code == 0, result.output
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert lines == [
        ["gan prior", "20", "15%", "5% to 36%", "0.00258"],
        ["vae gmm", "20", "10%", "3% to 30%", "0.000402"],
    ]
    assert "Blind test 0123456789abcdef, 2 people" in result.output
    assert f"Recorded in metrics/humans.json, and in MLflow in the run {run_id}" in result.output

    kept = files.read_json(reported / "metrics/humans.json")
    assert (kept["test"], kept["people"]) == (TEST["digest"], 2)
    assert kept["sources"]["gan prior"]["errors"] == 3
    assert "Ada" not in json.dumps(kept)  # it is kept in git
    client = MlflowClient(f"sqlite:///{reported / 'mlflow.db'}")
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["humans.gan.prior.error_rate"] == 0.15
    assert run.data.metrics["humans.vae.gmm.answers"] == 20
    artifact = json.loads((reported / "mlartifacts" / run_id / "artifacts/humans.json").read_text())
    assert [person["person"] for person in artifact["files"]] == ["Ada", ""]
    assert artifact["sources"] == kept["sources"]

    for paths in ([one, one], [one, saved(reported / "copy.json", 4, person="Bob")]):
        result = pullback_humans(*paths)
        assert f"{paths[1]} holds the same answers as {one}; give each person's answers once" in str(result.exception)
    assert files.read_json(reported / "metrics/humans.json") == kept


def test_without_a_report_the_command_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = "pullback: report/turing.json does not exist; run `dvc repro` to make it"
    assert str(pullback_humans(saved(tmp_path / "one.json")).exception) == message


def test_answers_to_a_report_whose_run_is_in_another_store_are_counted_and_where_to_add_them_is_told(reported):
    files.write_json(reported / "runs/report.json", {"parent_run_id": "0" * 32})
    result = pullback_humans(saved(reported / "one.json"))
    assert result.exit_code == 0, result.exception
    assert "Blind test 0123456789abcdef, 1 person" in result.output
    assert f"mlflow.db has no run {'0' * 32}, which made the report. Set MLFLOW_TRACKING_URI to the" in result.output
    assert files.read_json(reported / "metrics/humans.json")["people"] == 1


def test_what_mlflow_refuses_leaves_what_was_counted_before(reported):
    pullback_humans(saved(reported / "one.json"))
    (reported / "mlflow.db").write_text("no database")
    result = pullback_humans(saved(reported / "one.json"), saved(reported / "two.json", 3))
    assert re.fullmatch(r"pullback: MLflow refuses to record at sqlite:.*; mend that", str(result.exception))
    assert files.read_json(reported / "metrics/humans.json")["people"] == 1


@pytest.fixture
def away(reported, database, monkeypatch) -> Path:
    """The same with a server in use, which is away, and empty files for what is recorded meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
    params = reported / "params.yaml"
    params.write_text(params.read_text().replace("offline: false", "offline: true"))
    offline_folder().mkdir(parents=True)
    shutil.copy(database, offline_folder())
    return reported


def test_while_the_server_is_away_it_is_told_what_to_do(away):
    (away / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    result = pullback_humans(saved(away / "one.json"))
    assert "where no MLflow server answers" in str(result.exception)
    assert "set tracking.offline to true to record in files until it is back" in str(result.exception)


def test_answers_that_are_counted_while_the_server_is_away_come_to_the_run_there(away, monkeypatch):
    """The store in the root stands for the server when it is back."""
    from mlflow import MlflowClient

    people = [saved(away / "one.json", 4), saved(away / "two.json", 1)]
    for paths in (people[:1], people):
        with pytest.warns(UserWarning, match="`pullback sync` brings them to the server"):
            assert pullback_humans(*paths).exit_code == 0
    store = f"sqlite:///{away / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    assert sync() == 1
    client = MlflowClient(store)
    run_id = files.read_json(away / "runs/report.json")["parent_run_id"]
    run = client.get_run(run_id)
    assert run.data.metrics["humans.gan.prior.error_rate"] == 0.15
    assert run.info.status == "FINISHED"
    assert json.loads((away / "mlartifacts" / run_id / "artifacts/humans.json").read_text())["people"] == 2
    assert len(client.search_runs([run.info.experiment_id])) == 2  # the execution and its stage, as before


def test_answers_come_to_a_report_that_was_recorded_while_the_server_was_away(away, monkeypatch):
    from mlflow import MlflowClient

    warned = pytest.warns(UserWarning, match="`pullback sync` brings them to the server")
    with warned, stage_run("report", "pullback", {}, offline=True):
        pass
    store = f"sqlite:///{away / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    sync()
    run_id = files.read_json(away / "runs/report.json")["parent_run_id"]
    result = pullback_humans(saved(away / "one.json", 4))
    assert result.exit_code == 0, result.exception
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("pullback").experiment_id
    (run,) = client.search_runs([experiment], f"tags.synced_from LIKE '%{run_id}%'")
    assert run.data.metrics["humans.gan.prior.error_rate"] == 0.2
    assert f"in MLflow in the run {run.info.run_id}, which" in result.output
