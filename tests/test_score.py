"""`pullback score` and `pullback compare`, on sets made by any program."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from pullback import embedding, files, protocol, space
from pullback.cli import app
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.fid import frechet_distance
from pullback.features import inception
from pullback.labels import decimals
from pullback.progress import bar
from pullback.score import compare, score
from pullback.space import Choice, Space

PIXELS = Choice("pixels", accelerator="cpu")
GIVEN = Choice("given")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PULLBACK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def sets(tmp_path):
    """Digits in three disjoint parts, and noisy ones of the third, of which five are copies of training images."""
    digits = (load_digits().images * 15.9).astype(np.uint8)[:, None]
    real, train, fake = digits[:300], digits[300:900], digits[900:1200].copy()
    noise = np.random.default_rng(0).integers(0, 60, fake.shape)
    fake = np.clip(fake + noise, 0, 255).astype(np.uint8)
    fake[[3, 50, 51, 90, 200]] = train[[7, 8, 9, 10, 11]]
    for name, images in {"real": real, "train": train, "fake": fake}.items():
        np.save(tmp_path / f"{name}.npy", images)
    return tmp_path


def test_every_score_has_value_interval_floor_and_what_stands_beside(sets):
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", sets / "train.npy", seed=3)
    real, fake = (np.load(sets / f"{name}.npy").reshape(-1, 64) for name in ("real", "fake"))
    in_range = [images.astype(np.float32) / 127.5 - 1 for images in (real, fake)]
    assert result["fid"]["value"] == pytest.approx(frechet_distance(*in_range), rel=1e-9)
    for name in ("fid", "kid", "precision", "recall", "density", "coverage", "authenticity", "c_t", "ndb"):
        assert result[name]["low"] <= result[name]["high"]
        assert np.isfinite(result["floor"][name]["value"])
    assert result["floor"]["fid"]["value"] < result["fid"]["value"]
    assert (result["n_real"], result["n_fake"], result["n_train"]) == (300, 300, 600)
    assert (result["floor"]["fid"]["n_real"], result["floor"]["fid"]["n_fake"]) == (300, 300)
    assert (result["floor"]["c_t"]["n_real"], result["floor"]["c_t"]["n_fake"]) == (150, 150)
    assert (result["feature_map"], result["resize"], result["seed"]) == ("pixels", "none", 3)
    assert result["parameters"]["precision_recall"]["k"] == 3
    json.dumps(result, allow_nan=False)


def test_copies_of_training_images_are_named(sets):
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", sets / "train.npy", seed=0)
    found = {(each["fake"], each["train"]) for each in result["near_copies"]}
    assert {("3", "7"), ("50", "8"), ("51", "9"), ("90", "10"), ("200", "11")} <= found


def test_files_are_named_by_their_names(sets):
    for name in ("train", "fake"):
        (sets / name).mkdir()
        for i, image in enumerate(np.load(sets / f"{name}.npy")):
            Image.fromarray(image[0]).save(sets / name / f"{name}{i:04}.png")
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake", sets / "train", seed=0)
    assert {"fake": "fake0050.png", "train": "train0008.png", "ratio": 0.0} in result["near_copies"]


def test_without_the_training_set_the_floor_is_half_against_half(sets):
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    assert (result["floor"]["fid"]["n_real"], result["floor"]["fid"]["n_fake"]) == (150, 150)
    assert "authenticity" not in result
    assert result["floor"]["fid"]["n_fake"] == 150


def test_given_features_and_logits_are_scored_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 200, 4))
    np.savez(tmp_path / "real.npz", features=real, logits=real[:, :3])
    np.savez(tmp_path / "fake.npz", features=fake, logits=fake[:, :3])
    result = score(Space(GIVEN), tmp_path / "real.npz", tmp_path / "fake.npz", None, seed=0)
    assert result["fid"]["value"] == pytest.approx(frechet_distance(real, fake))
    assert 1 < result["inception_score"]["value"] < 3
    assert result["feature_map"] == "given"


def test_the_statistics_of_the_real_set_are_read_by_its_content(sets, monkeypatch):
    first = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    embedded = []

    def watched(folder, *args, title, **kwargs):
        embedded.append(title)
        return original(folder, *args, title=title, **kwargs)

    original = embedding.embed_to
    monkeypatch.setattr(embedding, "embed_to", watched)
    (sets / "real.npy").rename(sets / "renamed.npy")
    assert score(Space(PIXELS), sets / "renamed.npy", sets / "fake.npy", None, seed=0) == first
    assert embedded == ["fake.npy"]

    other = np.load(sets / "renamed.npy")
    other[0, 0, 0, 0] += 1
    np.save(sets / "renamed.npy", other)
    score(Space(PIXELS), sets / "renamed.npy", sets / "fake.npy", None, seed=0)
    assert embedded == ["fake.npy", "renamed.npy", "fake.npy"]


def test_nothing_is_kept_of_a_set_that_is_refused(sets):
    (sets / "broken").mkdir()
    for i in range(3):
        Image.new("L", (8, 8), 100 + i).save(sets / "broken" / f"{i}.png")
    Image.new("L", (9, 9), 7).save(sets / "broken" / "3.png")
    with pytest.raises(UserError, match=r"3\.png is 9 x 9 pixels"):
        score(Space(PIXELS), sets / "broken", sets / "fake.npy", None, seed=0)
    assert not list((sets / "cache").rglob("*.npy"))


def test_sets_that_are_swapped_or_not_held_out_are_noted(sets):
    normal = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", sets / "train.npy", seed=0)
    (copies,) = normal["notes"]
    assert copies.startswith("5 generated images are near-copies of training images: ")
    assert "50 of 8" in copies
    swapped = score(Space(PIXELS), sets / "fake.npy", sets / "real.npy", sets / "train.npy", seed=0)
    assert "are the two swapped" in swapped["notes"][-1]
    assert "5 of the 300 real images stand in the training set too" in swapped["notes"][-2]
    same = score(Space(PIXELS), sets / "real.npy", sets / "real.npy", None, seed=0)
    assert any("same" in note for note in same["notes"])


def test_the_worse_of_two_sets_is_told_and_equal_ones_are_not_told_apart(sets):
    clean = (load_digits().images * 15.9).astype(np.uint8)[1200:1500, None]
    np.save(sets / "clean.npy", clean)
    result = compare(Space(PIXELS), sets / "clean.npy", sets / "fake.npy", sets / "real.npy", seed=0)
    fid = result["verdicts"]["fid"]
    assert fid["verdict"] == "better"
    assert fid["high"] < 0
    assert fid["a"] < fid["b"]
    same = compare(Space(PIXELS), sets / "clean.npy", sets / "clean.npy", sets / "real.npy", seed=0)
    assert {each["verdict"] for each in same["verdicts"].values()} == {"not distinguishable"}
    assert {each["difference"] for each in same["verdicts"].values()} == {0.0}


def test_findings_are_those_of_the_metrics_that_have_some():
    rng = np.random.default_rng(0)
    real, fake, train = (Set(rng.normal(size=(60, 3))) for _ in range(3))
    found = protocol.findings(protocol.every_metric(), real, replace(fake, train=train), 0)
    assert {"precision_recall", "memorization", "modes"} <= set(found)
    json.dumps(found, allow_nan=False)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, str(result.exception) if isinstance(result.exception, SystemExit) else result.output


def test_the_command_prints_a_table_and_writes_json(sets):
    files = [sets / "real.npy", sets / "fake.npy", "--train", sets / "train.npy"]
    code, output = run("score", *files, "--features", "pixels", "--json", sets / "scores.json")
    assert code == 0
    result = json.loads((sets / "scores.json").read_text())
    assert f"{result['fid']['value']:,.{decimals([result['fid']['value']])}f}" in output
    assert "300 images against 300 real ones" in output
    files = [sets / "fake.npy", sets / "train.npy", "--real", sets / "real.npy"]
    code, output = run("compare", *files, "--features", "pixels")
    assert code == 0
    assert "worse" in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--features", "pixls"], "did you mean 'pixels'"),
        (["--extractor", "nowhere"], "nowhere holds no trained classifier; run `dvc repro extractor`"),
        (["--features", "inception", "--weights", "nowhere.pth"], "nowhere.pth"),
        (["--features", "given"], "real.npy"),
    ],
)
def test_a_mistake_is_told_in_one_line(sets, arguments: list[str], told: str):
    code, output = run("score", sets / "real.npy", sets / "fake.npy", *arguments)
    assert code != 0
    assert told in output
    assert len(output.strip().splitlines()) == 1


def test_the_cache_lies_where_the_environment_says(sets):
    score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    kept = list((sets / "cache" / "statistics").glob("*/moments.safetensors"))
    assert len(kept) == 1


def test_sets_of_different_sizes_are_refused_before_any_work(sets, monkeypatch):
    monkeypatch.setattr(embedding, "embed_to", None)
    np.save(sets / "small.npy", np.load(sets / "fake.npy")[:, :, :5, :7])
    told = "small.npy holds images of 7 x 5 pixels but .*real.npy of 8 x 8; bring all sets to one size"
    with pytest.raises(UserError, match=told):
        score(Space(PIXELS), sets / "real.npy", sets / "small.npy", None, seed=0)
    with pytest.raises(UserError, match=told):
        compare(Space(PIXELS), sets / "fake.npy", sets / "small.npy", sets / "real.npy", seed=0)


def test_a_metric_that_cannot_judge_a_small_set_is_left_out_with_a_note(sets):
    for name in ("real", "fake"):
        np.save(sets / f"{name}.npy", np.load(sets / f"{name}.npy")[:10])
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    assert np.isfinite(result["fid"]["value"])
    assert "ndb" not in result
    assert any(note.startswith("scores: modes: bins must be from 1 to 10") for note in result["notes"])
    compared = compare(Space(PIXELS), sets / "real.npy", sets / "fake.npy", sets / "real.npy", seed=0)
    assert not any("modes" in note for note in compared["notes"])  # it compares nothing, so it is not asked


def test_what_every_metric_refuses_is_an_error(tmp_path):
    features = np.random.default_rng(0).normal(size=(40, 3))
    np.save(tmp_path / "real.npy", features)
    features[5, 1] = np.nan
    np.save(tmp_path / "fake.npy", features)
    with pytest.raises(UserError, match="holds 1 NaN or infinite values, the first in row 5 of 40"):
        score(Space(GIVEN), tmp_path / "real.npy", tmp_path / "fake.npy", None, seed=0)


def test_a_mistake_in_one_of_two_sets_names_it(tmp_path):
    features = np.random.default_rng(0).normal(size=(3, 40, 3))
    features[2, 5, 1] = np.nan
    for name, each in zip(("real", "a", "b"), features, strict=True):
        np.save(tmp_path / f"{name}.npy", each)
    with pytest.raises(UserError, match=r"fid\.B: fake features holds 1 NaN or infinite values, the first in row 5"):
        compare(Space(GIVEN), tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / "real.npy", seed=0)


def test_grey_and_colour_sets_are_brought_to_the_same_channels(sets):
    np.save(sets / "colour.npy", np.load(sets / "fake.npy").repeat(3, axis=1))
    grey = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    mixed = score(Space(PIXELS), sets / "real.npy", sets / "colour.npy", None, seed=0)
    assert mixed["fid"]["value"] == pytest.approx(3 * grey["fid"]["value"])  # each of three equal channels counts
    assert mixed["precision"]["value"] == grey["precision"]["value"]


def test_a_damaged_cache_is_made_anew_and_one_out_of_reach_is_noted(sets, monkeypatch):
    first = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    (kept,) = (sets / "cache" / "statistics").glob("*/features.npy")
    kept.write_bytes(kept.read_bytes()[:100])
    assert score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0) == first
    assert len(np.load(kept)) == 300
    monkeypatch.setenv("PULLBACK_CACHE", str(sets / "real.npy"))
    again = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    assert any("so nothing is kept there" in note for note in again["notes"])
    assert again["fid"] == first["fid"]


def test_titles_are_shown_as_they_are():
    with bar("f{x}[bold]", 2) as show:
        show(1, "[red]{words}")


def test_notes_of_a_comparison_name_the_set(sets):
    black = np.zeros_like(np.load(sets / "fake.npy"))
    np.save(sets / "black.npy", black)
    notes = compare(Space(PIXELS), sets / "fake.npy", sets / "black.npy", sets / "real.npy", seed=0)["notes"]
    (collapsed,) = (note for note in notes if "collapsed" in note)
    assert collapsed.startswith("B: fake features: all 300 rows are equal")


def test_the_floor_is_not_taken_for_the_set(sets):
    result = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", sets / "real.npy", seed=0)
    assert not any("are the same" in note for note in result["notes"])
    assert any("300 of the 300 real images stand in the training set too" in note for note in result["notes"])
    assert "near_copies" not in result
    assert any("near-copies were not looked for" in note for note in result["notes"])
    without = score(Space(PIXELS), sets / "real.npy", sets / "fake.npy", None, seed=0)
    assert any("one half of the real images against the other, 150 each" in note for note in without["notes"])


def test_weights_that_are_damaged_in_the_cache_are_fetched_anew(monkeypatch):
    built = []
    monkeypatch.setattr(inception, "build", lambda *arguments: built.append(arguments[-1]))
    space._loader(Choice("inception"))
    built[0].mkdir(parents=True)
    (built[0] / "inception.safetensors").write_bytes(b"half of it")
    space._loader(Choice("inception"))
    assert len(built) == 2
    files.write_tensors(built[0] / "inception.safetensors", {}, {})
    space._loader(Choice("inception"))
    assert len(built) == 2
