"""What may stand in `params.yaml`, and what is told to the person whose key or value may not?

`read` turns the file into frozen models in which every key has a type, a range and, beside it, a default. The block of
a plug-in is checked by the `Params` class of that plug-in's own file. All is checked before any stage works; each
mistake becomes one line with its key, its value, the rule, and the nearest valid key for a misspelt one.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML, YAMLError

from pullback import plugins
from pullback.errors import UserError


class Params(BaseModel):
    """A block of parameters. Frozen; refuses unknown keys; converts nothing, except that 1 passes for 1.0."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


Blocks = dict[str, SerializeAsAny[Params]]  # names of plug-ins -> their parameters, as in `tsne: {perplexity: 30}`
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _BlockError(ValueError):
    """The errors of a plug-in's block, on their way through the validation of the whole file."""

    def __init__(self, name: str, schema: type[Params], error: ValidationError) -> None:
        super().__init__(f"{name} is invalid")
        self.name, self.schema, self.error = name, schema, error


def _blocks(folder: str, blocks: Any) -> dict[str, Params]:
    if not isinstance(blocks, Mapping):
        raise UserError(f"must map names to their parameters, for instance {plugins.names(folder)[0]}: {{}}")
    return {name: _block(folder, name, block) for name, block in blocks.items()}


def _block(folder: str, name: str, block: Any) -> Params:
    schema: type[Params] = getattr(plugins.load(folder, name), "Params", Params)
    if isinstance(block, schema):
        return block
    try:
        return schema.model_validate({} if block is None else block)
    except ValidationError as error:
        raise _BlockError(name, schema, error) from error


DatasetName = Annotated[str, AfterValidator(partial(plugins.check, "data"))]
FeatureMapName = Annotated[str, AfterValidator(partial(plugins.check, "features"))]
ModelName = Annotated[str, AfterValidator(partial(plugins.check, "models"))]
SectionName = Annotated[str, AfterValidator(partial(plugins.check, "report"))]

FeatureMaps = Annotated[Blocks, BeforeValidator(partial(_blocks, "features"))]
Models = Annotated[Blocks, BeforeValidator(partial(_blocks, "models"))]
SamplingMethods = Annotated[Blocks, BeforeValidator(partial(_blocks, "sampling"))]
Metrics = Annotated[Blocks, BeforeValidator(partial(_blocks, "evaluation"))]
ManifoldMaps = Annotated[Blocks, BeforeValidator(partial(_blocks, "manifold"))]


def _devices(value: Any) -> Any:
    """One rule for both alternatives, of which pydantic would make two mistakes."""
    if value == "auto" or (type(value) is int and value >= 1):
        return value
    raise ValueError(f"should be auto or a whole number of at least 1, not {value!r}")


class Data(Params):
    name: DatasetName
    source: str | None = None
    size: Annotated[int, Field(ge=8, le=128)] | None = None
    channels: Literal[1, 3] | None = None
    test_fraction: Annotated[float, Field(ge=0.05, le=0.5)] = 0.33
    max_broken: Share = 0.01


class Features(Params):
    name: FeatureMapName
    maps: FeatureMaps


class Train(Params):
    models: Annotated[list[ModelName], Field(min_length=1)]
    repeats: Count = 1
    start: str | None = None
    start_budget: Annotated[float, Field(gt=0, le=1)] = 0.25
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Annotated[int | Literal["auto"], BeforeValidator(_devices)] = 1
    nodes: Count = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    compile: bool = False
    data_on_device: bool | Literal["auto"] = "auto"
    log_every: Count = 50
    grid_every: Count = 30_000
    evaluate_every: Count = 15_000
    evaluate_images: Annotated[int, Field(ge=10)] = 1_000
    checkpoint_seconds: NonNegative = 60.0


class Sample(Params):
    images: Annotated[int, Field(ge=2)] | None = None
    methods: dict[ModelName, Annotated[SamplingMethods, Field(min_length=1)]]


class Evaluate(Params):
    images: Annotated[int, Field(ge=2)] | None = None
    metrics: Metrics


class Manifold(Params):
    max_points: Annotated[int, Field(ge=10)] = 300
    neighbors: Annotated[int, Field(ge=2)] = 10
    clusters: Annotated[int, Field(ge=2)] = 10
    min_cluster_size: Annotated[int, Field(ge=2)] = 10
    topology_points: Annotated[int, Field(ge=3)] | None = 150
    maps: ManifoldMaps


class Report(Params):
    sections: list[SectionName]


class GateRule(Params):
    metric: str
    direction: Literal["better", "not_worse", "at_least", "at_most"]
    margin: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class MaxDrift(Params):
    fewer: Share | None = 0.3
    broken: Share | None = 0.01
    class_share: Share | None = 0.1
    fid: NonNegative | None = 1.0
    kid: NonNegative | None = 0.05


# `from` is a word of Python, so no field of a class body can have that name.
_From = create_model("_From", __base__=Params, **{"from": (Literal["scratch", "champion"], "scratch")})  # type: ignore


class Retrain(_From):  # type: ignore[valid-type, misc] # made by a call
    push: bool = False
    notify: str | None = None
    max_drift: MaxDrift = MaxDrift()
    gate: Annotated[list[GateRule], Field(min_length=1)]


class Tracking(Params):
    experiment: Annotated[str, Field(min_length=1)] = "pullback"
    offline: bool = False
    device_watts: NonNegative = 100.0


class Config(Params):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: Data
    features: Features
    models: Models
    train: Train
    sample: Sample
    evaluate: Evaluate
    manifold: Manifold
    report: Report
    tracking: Tracking = Tracking()
    retrain: Retrain


def read(path: Path = Path("params.yaml")) -> Config:
    """The validated parameters in `path`.

    Raises:
        UserError: the file is missing or no YAML mapping, or a key or value breaks a rule; one line per mistake.
    """
    return parse(_content(path), str(path))


class Nightly(Params):
    """What retraining must know to see whether there are new data."""

    data: Data
    retrain: Retrain


def read_nightly(path: Path = Path("params.yaml")) -> Nightly:
    """These blocks alone: without the plug-ins, whose import takes more than a second; raises as `read` does."""
    content = _content(path)
    try:
        return Nightly.model_validate({key: content[key] for key in Nightly.model_fields})
    except (ValidationError, KeyError, TypeError):
        read(path)  # says what is wrong
        raise


def _content(path: Path) -> Any:
    try:
        # YAML 1.2, as DVC reads it: in PyYAML's YAML 1.1 a learning rate of 2e-4 is a string.
        return YAML(typ="safe").load(Path(path))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run from the folder that holds it") from error
    except YAMLError as error:
        raise UserError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from error


def parse(content: Any, where: str = "params.yaml") -> Config:
    """The validated parameters in a mapping; raises `UserError` as `read` does."""
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(f"{where}: {line}" for line in _mistakes(Config, error))) from error
    if len(set(config.train.models)) < len(config.train.models):
        raise UserError(f"{where}: train.models names a model twice; name each once")
    for name in config.train.models:
        for block, present in (("models", config.models), ("sample.methods", config.sample.methods)):
            if name not in present:
                raise UserError(f"{where}: {block}.{name} is missing; train.models names {name!r}, so give its block")
    if config.features.name not in config.features.maps:
        name = config.features.name
        raise UserError(f"{where}: features.maps.{name} is missing; features.name is {name!r}, so give its block")
    scores = directions(config)
    for rule in config.retrain.gate:
        if rule.metric not in scores:
            near = get_close_matches(rule.metric, scores, n=1) or list(scores)
            raise UserError(f"{where}: retrain.gate: {rule.metric!r} is no score of this pipeline; try {near[0]!r}")
        if rule.direction == "better" and rule.metric.split(".")[2] not in _paired(config):
            raise UserError(
                f"{where}: retrain.gate: {rule.metric} has no interval of a paired difference, which the direction "
                "better asks for; use not_worse with a negative margin"
            )
    return config


def _paired(config: Config) -> set[str]:
    """The scores whose difference between two sets has an interval."""
    metrics = [plugins.load("evaluation", name) for name in config.evaluate.metrics]
    return {score for metric in metrics if hasattr(metric, "left_out") for score in metric.BETTER}


def directions(config: Config) -> dict[str, Literal["lower", "higher"]]:
    """Every score that the pipeline will have, as MODEL.METHOD.SCORE, and which direction of it is better."""
    better: dict[str, Literal["lower", "higher"]] = {}
    for metric in config.evaluate.metrics:
        better |= plugins.load("evaluation", metric).BETTER
    methods = [(model, method) for model in config.train.models for method in config.sample.methods[model]]
    return {f"{model}.{method}.{score}": better[score] for model, method in methods for score in better}


def _mistakes(schema: type[BaseModel], error: ValidationError, at: tuple[Any, ...] = ()) -> Iterator[str]:
    for item in error.errors():
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, _BlockError):
            yield from _mistakes(cause.schema, cause.error, (*at, *item["loc"], cause.name))
        else:
            yield _mistake(schema, item, at)


def _mistake(schema: type[BaseModel], item: ErrorDetails, at: tuple[Any, ...]) -> str:
    key = ".".join(str(part) for part in (*at, *item["loc"])) or "the file"
    if item["type"] == "extra_forbidden":
        valid = _keys(schema, item["loc"][:-1])
        if not valid:
            block, _, last = key.rpartition(".")
            return f"{key} is no key; {block} takes no settings, so leave out {last} and write {{}}"
        near = get_close_matches(str(item["loc"][-1]), valid, n=1)
        return f"{key} is no key; " + (
            f"did you mean {near[0]!r}?" if near else f"the keys here are {', '.join(valid)}"
        )
    if item["type"] == "missing":
        return f"{key} is missing; add it"
    rule = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: {rule}" if item["type"] == "value_error" else f"{key}: {rule}, not {item['input']!r}"


def _keys(schema: type[BaseModel], at: tuple[Any, ...]) -> list[str]:
    for part in at:  # a name in a block, or a place in a list of blocks
        schema = schema.model_fields[part].annotation if isinstance(part, str) else get_args(schema)[0]  # type: ignore
    return list(schema.model_fields)
