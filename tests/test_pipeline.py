"""The whole pipeline, small, in a clone of its own: what it makes, records, skips and repeats."""

import re
import sys

import pytest
from clone import Clone
from metric_names import untold

from pullback.labels import decimals, interval, number

STAGES = {
    "download", "prepare", "extractor", "train@gan", "train@vae", "sample@gan", "sample@vae",
    "embed-real", "embed@gan", "embed@vae", "evaluate@gan", "evaluate@vae", "compare", "manifold", "report",
}  # fmt: skip


def test_every_stage_is_a_finished_run_under_one_parent(clone: Clone) -> None:
    parents = clone.runs("tags.pipeline LIKE '%'")
    assert [run.info.status for run in parents] == ["FINISHED"]
    children = clone.runs(f"tags.`mlflow.parentRunId` = '{parents[0].info.run_id}'")
    assert {run.data.tags["stage"] for run in children} == STAGES
    assert {run.info.status for run in children} == {"FINISHED"}


def test_the_parent_carries_params_headline_scores_and_the_dataset(clone: Clone) -> None:
    (parent,) = clone.runs("tags.pipeline LIKE '%'")
    assert parent.data.params["models.vae.beta"] == "0.2"
    scores = clone.json("metrics/evaluate/gan.json")["methods"]["prior"]
    assert parent.data.metrics["scores/gan.prior.fid"] == pytest.approx(scores["fid"]["value"])
    (dataset,) = parent.inputs.dataset_inputs
    assert dataset.dataset.digest == clone.json("metrics/prepare.json")["digest"]


def test_a_training_run_has_curves_sample_grids_a_model_and_a_link_to_its_data(clone: Clone) -> None:
    run_id = clone.json("runs/train/gan.json")["run_id"]
    run = clone.client.get_run(run_id)
    curve = clone.client.get_metric_history(run_id, "discriminator_loss")
    assert [point.step for point in curve] == [320, 640, 960, 1280]
    for key in ("fid", "repeat1.fid"):
        assert [point.step for point in clone.client.get_metric_history(run_id, key)] == [640, 1280]
    assert not list((clone.folder / ".checkpoints").iterdir())
    assert run.data.tags["input.prepare"] == clone.json("runs/prepare.json")["run_id"]
    images = clone.client.list_artifacts(run_id, "images")
    assert any(image.path.endswith(".png") for image in images)
    model = clone.client.get_logged_model(clone.json("runs/train/gan.json")["model_id"])
    assert model.name == "gan"


def test_the_parent_is_readable_by_itself(clone: Clone) -> None:
    (parent,) = clone.runs("tags.pipeline LIKE '%'")
    artifacts = {file.path for file in clone.client.list_artifacts(parent.info.run_id)}
    assert artifacts == {"code.diff", "dvc.lock", "map.html", "params.yaml", "report.html", "report.md", "turing.html"}
    note = parent.data.tags["mlflow.note.content"]
    assert len(note) < 8000
    methods = clone.json("metrics/evaluate/vae.json")["methods"]
    fid, places = methods["gmm"]["fid"], decimals(each["fid"]["value"] for each in methods.values())
    assert f"{number(fid['value'], places)} ({interval(fid['low'], fid['high'], places, least=0)})" in note
    assert parent.data.metrics["uncertainty/vae.gmm.fid.low"] == pytest.approx(fid["low"])
    spread = clone.json("metrics/evaluate/vae.json")["repeats"]["gmm"]["fid"]["std"]
    assert parent.data.metrics["uncertainty/vae.gmm.fid.std"] == pytest.approx(spread)
    linked = re.findall(r"get-artifact\?run_uuid=(\w+)&path=([\w.-]+)", note)
    assert len(linked) == 17  # 5 rows of images, 3 pages, 5 grids, 4 trainings
    for run_id, path in linked:
        assert path in [file.path for file in clone.client.list_artifacts(run_id)]
    assert all(f"{stage} " in note for stage in STAGES)


def test_every_number_of_the_results_has_a_row_in_the_documents(clone: Clone) -> None:
    assert not untold(clone.folder / "metrics")


def test_a_second_run_does_nothing(clone: Clone) -> None:
    before = len(clone.runs())
    result = clone.run("dvc", "repro")
    assert "Data and pipelines are up to date" in result.stdout
    assert len(clone.runs()) == before


def test_git_sees_no_output_that_it_should_not_keep(clone: Clone) -> None:
    changed = clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout.splitlines()
    kept = [line[3:] for line in changed if not line[3:].startswith(("metrics/", "own-images/", '"own-images/'))]
    assert sorted(kept) == ["dvc.lock", "params.yaml"]


def test_editing_the_vae_retrains_the_vae_alone(clone: Clone) -> None:
    params = (clone.folder / "params.yaml").read_text()
    clone.edit("beta: 0.2", "beta: 2.0")
    plan = clone.run("dvc", "repro", "--dry").stdout
    (clone.folder / "params.yaml").write_text(params)
    # A dry run knows of the outputs of train@vae only that they may change; the report shows the parameters.
    assert set(re.findall(r"Running stage '(.+?)'", plan)) == {"train@vae", "report"}, plan


def test_a_forced_run_gives_the_same_bytes(clone: Clone) -> None:
    before = clone.digests()
    assert len(before) > 40
    result = clone.run("dvc", "repro", "--force")
    assert result.returncode == 0, result.stdout + result.stderr
    after = clone.digests()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()


def test_a_wrong_key_stops_the_first_stage_that_would_run(clone: Clone) -> None:
    before = clone.digests()
    params = (clone.folder / "params.yaml").read_text()
    clone.edit("beta: 0.2", "betta: 0.2")
    result = clone.run("dvc", "repro", "--force")
    (clone.folder / "params.yaml").write_text(params)
    assert result.returncode != 0
    assert "download: params.yaml: models.vae.betta is no key; did you mean 'beta'?" in result.stderr
    assert "Traceback" not in result.stderr
    assert not {name for name, digest in clone.digests().items() if before[name] != digest}
    assert clone.run("dvc", "checkout").returncode == 0


def test_a_diverging_training_keeps_its_last_good_weights_and_says_what_to_try(clone: Clone) -> None:
    params = (clone.folder / "params.yaml").read_text()
    clone.edit(r"(?s)(gan:.*?learning_rate: )\d\S*", r"\g<1>1e+30")
    result = clone.run(sys.executable, "stages/train.py", "gan")
    (clone.folder / "params.yaml").write_text(params)
    assert result.returncode == 1
    assert re.search(
        r"train@gan: models\.gan: \w+ is (nan|-?inf) by step \d+ .*learning rate.*last good weights", result.stderr
    )
    (kept,) = (clone.folder / ".checkpoints").glob("train-gan-*")
    assert (kept / "diverged/generator.safetensors").is_file()
    assert not (clone.folder / "models/gan").exists()
    assert clone.run("dvc", "checkout").returncode == 0
    (failed,) = clone.runs("attributes.status = 'FAILED' and tags.stage = 'train@gan'")
    assert "learning rate" in failed.data.tags["error"]
    assert "learning rate" in failed.data.tags["diagnosis.divergence"]
    assert failed.data.metrics["diagnosis.divergence"] == 1


def test_images_can_be_drawn_from_the_trained_model(clone: Clone) -> None:
    import numpy as np

    command = ("pullback", "generate", "--model", "vae", "--n", "7", "--out")
    first, second = (clone.run(*command, f"{name}.npy") for name in "ab")
    assert first.returncode == second.returncode == 0, first.stderr
    a, b = (np.load(clone.folder / f"{name}.npy") for name in "ab")
    assert a.shape == (7, 1, 8, 8)
    assert (a == b).all()


def test_a_wrong_method_or_file_type_is_told_in_one_line(clone: Clone) -> None:
    for arguments, message in (
        (("x.png", "--method", "magic"), "sample.methods.gan has no 'magic'; it has prior"),
        (("x.jpg",), "x.jpg must be a folder, or end in .npy (an array) or .png (all images in one picture)"),
    ):
        result = clone.run("pullback", "generate", "--out", *arguments)
        assert result.returncode == 1
        assert result.stderr.strip() == f"pullback: {message}"
        assert not (clone.folder / arguments[0]).exists()


def test_too_few_images_name_the_key_and_the_remedy(clone: Clone) -> None:
    params = (clone.folder / "params.yaml").read_text()
    clone.edit(r"(evaluate:\n  images: )null", r"\g<1>4")
    result = clone.run(sys.executable, "stages/evaluate.py", "gan")
    (clone.folder / "params.yaml").write_text(params)
    assert result.returncode == 1
    assert re.search(r"evaluate@gan: evaluate\.metrics\.\w+: .* 4", result.stderr)
    assert "Traceback" not in result.stderr


def test_retraining_on_the_same_data_changes_nothing(clone: Clone) -> None:
    for command in (
        "add dvc.lock metrics params.yaml",
        "-c user.name=test -c user.email=test@localhost commit -q -m run",
    ):
        clone.run("git", *command.split())
    before = clone.digests()
    result = clone.run("pullback", "retrain")
    assert result.returncode == 10, result.stdout + result.stderr
    assert clone.digests() == before
    assert not clone.run("git", "status", "--porcelain", "--", "dvc.lock", "metrics").stdout
