import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from pullback import config
from pullback.errors import UserError

FILE = Path(__file__).parents[1] / "params.yaml"
SHIPPED = YAML(typ="safe").load(FILE)
MISSING = object()


def edited(key: str, value: Any) -> dict[str, Any]:
    """The shipped parameters with one key set, or left out."""
    params = deepcopy(SHIPPED)
    *blocks, last = key.split(".")
    node = params
    for block in blocks:
        node = node[block]
    if value is MISSING:
        del node[last]
    else:
        node[last] = value
    return params


def message(key: str, value: Any) -> str:
    with pytest.raises(UserError) as caught:
        config.parse(edited(key, value))
    return str(caught.value)


def test_the_shipped_parameters_are_valid():
    assert config.read(FILE).model_dump() == SHIPPED


def blocks(params: BaseModel, at: str = "") -> list[tuple[str, BaseModel]]:
    """A block and all blocks inside it, with their keys."""
    found = [(at, params)]
    for name, value in params:
        inner = value.items() if isinstance(value, dict) else [(None, value)]
        for key, block in inner:
            if isinstance(block, BaseModel):
                found += blocks(block, ".".join(filter(None, (at, name, key))))
    return found


@pytest.mark.parametrize(
    ("key", "block"), blocks(config.read(FILE)), ids=lambda part: part if isinstance(part, str) else ""
)
def test_the_shipped_values_are_the_defaults(key, block):
    for name, field in type(block).model_fields.items():
        if field.default is not PydanticUndefined:
            assert getattr(block, name) == field.default, f"{key}.{name}"


def test_every_key_has_a_comment_and_every_number_a_range():
    told: set[str] = set()  # keys of a list's first item, of which the next items need not tell again
    column = 0
    for line in FILE.read_text().splitlines():
        indent, key, value, comment = re.fullmatch(r"([ -]*)(?:(\w+):)? *([^#\s].*?)? *(#.*)?", line).groups()
        if key is None:
            continue
        if "-" not in indent and len(indent) != column:
            told, column = set(), 0
        elif "-" in indent:
            column = len(indent)
        if value not in (None, "{}") and key not in told:
            assert comment, f"{key} has no comment"
            assert not re.match(r"[\d.]", value) or re.search(r"\d|negative", comment), f"{key} has no range"
        if column:
            told.add(key)


def test_parameters_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        config.read(FILE).seed = 1


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("sede", "seed"),
        ("featrues", "features"),
        ("data.nmae", "name"),
        ("train.log_evry", "log_every"),
        ("models.gan.losss", "loss"),
        ("features.maps.classifier.widht", "width"),
        ("evaluate.metrics.precision_recall.density", "density_k"),
        ("manifold.maps.tsne.perplexty", "perplexity"),
    ],
)
def test_a_misspelt_key_gets_the_nearest(key, near):
    assert message(key, 1) == f"params.yaml: {key} is no key; did you mean {near!r}?"


def test_a_key_like_no_other_gets_all():
    assert message("evaluate.metrics.inception_score.zzz", 1) == (
        "params.yaml: evaluate.metrics.inception_score.zzz is no key; the keys here are splits"
    )


def test_a_key_where_there_are_none_is_told_what_to_write():
    assert message("evaluate.metrics.fid", {"x": 1}) == (
        "params.yaml: evaluate.metrics.fid.x is no key; evaluate.metrics.fid takes no settings, so leave out x and "
        "write {}"
    )
    config.parse(edited("evaluate.metrics.fid", {}))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**32, "less than 4294967296"),
        ("seed", 1.0, "valid integer"),
        ("seed", True, "valid integer"),
        ("data", 5, "valid dictionary"),
        ("data.source", 5, "valid string"),
        ("data.size", 7, "greater than or equal to 8"),
        ("data.size", 129, "less than or equal to 128"),
        ("data.channels", 2, "1 or 3"),
        ("data.test_fraction", 0.04, "greater than or equal to 0.05"),
        ("data.max_broken", 1.5, "less than or equal to 1"),
        ("data.max_broken", float("nan"), "less than or equal to 1"),
        ("train.models", "gan", "valid list"),
        ("train.models", [], "at least 1 item"),
        ("train.log_every", 0, "greater than or equal to 1"),
        ("train.accelerator", "gpu", "'auto', 'cpu', 'cuda' or 'mps'"),
        ("models.gan", 3, "valid dictionary"),
        ("models.gan.width", 3, "greater than or equal to 4"),
        ("models.gan.width", "32", "valid integer"),
        ("models.gan.loss", "hing", "'wgan_gp' or 'relativistic'"),
        ("models.gan.spectral_norm", "yes", "valid boolean"),
        ("models.gan.learning_rate", 0, "greater than 0"),
        ("models.gan.learning_rate", float("inf"), "finite number"),
        ("models.vae.beta", -1, "greater than or equal to 0"),
        ("sample.methods.gan", {}, "at least 1 item"),
        ("manifold.maps.isomap.landmarks", 2, "greater than or equal to 3"),
        ("tracking.experiment", "", "at least 1 character"),
        ("tracking.offline", "no", "valid boolean"),
    ],
)
def test_a_wrong_value_is_told_with_key_value_and_rule(key, value, rule):
    told = message(key, value)
    assert told.startswith(f"params.yaml: {key}: ")
    assert rule in told
    assert told.endswith(f", not {value!r}")


@pytest.mark.parametrize(
    ("key", "value", "name", "near", "folder"),
    [
        ("data.name", "minst", "minst", "mnist", "data"),
        ("features.name", "clasifier", "clasifier", "classifier", "features"),
        ("features.maps", {"pixel": {}}, "pixel", "pixels", "features"),
        ("models.gann", {}, "gann", "gan", "models"),
        ("train.models", ["vae", "gann"], "gann", "gan", "models"),
        ("sample.methods.gann", {"prior": {}}, "gann", "gan", "models"),
        ("sample.methods.vae", {"priors": {}}, "priors", "prior", "sampling"),
        ("evaluate.metrics", {"fdi": {}}, "fdi", "fid", "evaluation"),
        ("manifold.maps", {"isomop": {}}, "isomop", "isomap", "manifold"),
    ],
)
def test_an_unknown_plug_in_is_told_with_the_valid_ones(key, value, name, near, folder):
    told = message(key, value)
    assert told.startswith(f"params.yaml: {key.rsplit('.', 1)[0]}")
    assert f"{name!r} is not one of" in told
    assert f"(files in src/pullback/{folder}); did you mean {near!r}?" in told


def test_an_unknown_section_is_told():
    assert "report.sections.0: 'nosuch' is not one of" in message("report.sections", ["nosuch"])


def test_blocks_of_plug_ins_are_no_list():
    assert message("evaluate.metrics", ["fid"]).startswith("params.yaml: evaluate.metrics: must map names to")


@pytest.mark.parametrize(
    ("key", "because"),
    [
        ("models.vae", "train.models names 'vae'"),
        ("sample.methods.vae", "train.models names 'vae'"),
        ("features.maps.classifier", "features.name is 'classifier'"),
        ("data.name", "add it"),
        ("report", "add it"),
    ],
)
def test_a_missing_block_or_key_is_told(key, because):
    told = message(key, MISSING)
    assert told.startswith(f"params.yaml: {key} is missing; ")
    assert because in told


def test_a_block_without_values_keeps_the_defaults():
    for empty in (None, {}):
        gan = config.parse(edited("models.gan", empty)).models["gan"]
        assert gan == type(gan)()


def test_every_mistake_has_its_line():
    params = edited("models.gan", {"losss": "hinge", "width": 2})
    params["seed"] = -1
    with pytest.raises(UserError) as caught:
        config.parse(params)
    assert [line.split()[1].rstrip(":") for line in str(caught.value).splitlines()] == [
        "seed",
        "models.gan.width",
        "models.gan.losss",
    ]


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "2.0e-4", "2E-4"])
def test_numbers_in_any_notation(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"learning_rate: \S+", f"learning_rate: {text}", FILE.read_text()))
    params = config.read(path)
    assert params.models["gan"].learning_rate == params.models["vae"].learning_rate == 2e-4


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file: should be a valid dictionary"),
        (b"- seed", "the file: should be a valid dictionary"),
        (b"seed: [1", r"no valid YAML: .*line 1"),
        (b"seed: 0\n\tdata: 1", r"no valid YAML: .*line 2"),
        (b"seed: 0\nseed: 1", r"no valid YAML: .*duplicate key \"seed\""),
        (b"seed: \xe4", "no valid YAML: .*character"),
    ],
)
def test_a_file_that_is_no_mapping_is_told(tmp_path, content, told):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}.*{told}"):
        config.read(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path / 'params.yaml'} does not exist; run from the folder"):
        config.read(tmp_path / "params.yaml")


def test_a_misspelt_key_in_a_list_of_blocks_is_told():
    told = message("retrain.gate", [{"score": "gan.prior.fid", "margn": 1.0}])
    assert "retrain.gate.0.margn is no key; did you mean 'margin'?" in told


def test_a_gate_rule_for_a_score_that_will_not_exist_is_told():
    told = message("retrain.gate", [{"metric": "gan.prior.fidd", "direction": "better"}])
    assert "'gan.prior.fidd' is no score of this pipeline; try 'gan.prior.fid'" in told
