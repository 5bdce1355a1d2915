"""How good is any set of images, and which of two is better? What `pullback score` and `pullback compare` do."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pullback import protocol
from pullback.errors import UserError
from pullback.evaluation import memorization
from pullback.progress import bar
from pullback.sets import Images
from pullback.space import Space


def score(space: Space, real: Path, fake: Path, train: Path | None, seed: int) -> dict[str, Any]:
    """Every score of the set `fake`, with interval and floor, and what stands beside the numbers; JSON-able.

    `real` are images that the generator has not seen, `train` those that it has. The floor is what the training set
    scores in the place of `fake`, at the same count; without one, what a half of `real` does against the other half.

    Raises:
        UserError: a set cannot be read or embedded, or a metric refuses it.
    """
    with _noted() as notes:
        paths = (real, fake, train) if train else (real, fake)
        (held_out, _), (made, made_images), *rest = space.read(*paths, keep=paths[::2])
        seen, seen_images = rest[0] if rest else (None, None)
        made = replace(made, train=seen)
        best = (held_out, seen.subset(len(made), seed)) if seen else protocol.halves(held_out, seed)
        metrics = protocol.every_metric()
        result = _each("scores", metrics, notes, lambda one: protocol.scores(one, held_out, made, seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would seem to speak of the generated images
            result["floor"] = _each("floor", metrics, notes, lambda one: protocol.floor(one, *best, seen, seed))
        if seen:
            found = memorization.findings(held_out, made, memorization.Params(), seed)
            if "near_copies" in found:
                result["near_copies"] = _named(found["near_copies"], made_images, seen_images)
            notes += _told(result.get("near_copies", []), found.get("note"))
        else:
            notes.append(
                f"without the training set the floor is one half of the real images against the other, {len(best[0])} "
                "each: scores that rise as images get fewer, such as the FID, are higher there"
            )
        notes += protocol.suspicions(held_out, made, seen)
    counts = {"n_real": len(held_out), "n_fake": len(made), "n_train": len(seen) if seen else None}
    return result | counts | protocol.beside(space.map, metrics, seed) | {"notes": notes}


def compare(space: Space, a: Path, b: Path, real: Path, seed: int) -> dict[str, Any]:
    """The paired verdicts on as many images of the set `a` as of `b`, both against `real`; JSON-able.

    Raises:
        UserError: as `score` does.
    """
    with _noted() as notes:
        (of_real, _), (of_a, _), (of_b, _) = space.read(real, a, b, keep=(real,))
        n = min(len(of_a), len(of_b))  # most scores depend on it
        of_a, of_b = (each.subset(n, seed) for each in (of_a, of_b))
        metrics = protocol.every_metric()
        verdicts = _each("verdicts", metrics, notes, lambda one: protocol.verdicts(one, of_real, of_a, of_b, seed))
    counts = {"n_real": len(of_real), "n_fake": n}
    return {"verdicts": verdicts} | counts | protocol.beside(space.map, metrics, seed) | {"notes": notes}


def _each(
    title: str, metrics: protocol.Metrics, notes: list[str], judge: Callable[[protocol.Metrics], dict[str, Any]]
) -> dict[str, Any]:
    """What `judge` says by one metric after the other; a refusal becomes a note, unless all refuse."""
    found: dict[str, Any] = {}
    refusals = []
    with bar(title, len(metrics)) as show:
        for done, (name, params) in enumerate(metrics.items()):
            show(done, name)
            try:
                found |= judge({name: params})
            except UserError as error:
                refusals.append(str(error))
    if not found:
        raise UserError(refusals[0])
    notes += [f"{title}: {each}" for each in refusals]
    return found


def _named(rows: list[list[Any]], fakes: Images | None, trains: Images | None) -> list[dict[str, Any]]:
    """Pairs of a generated and a training image by their files, or by their rows in an array."""
    return [
        {
            "fake": fakes.name(fake) if fakes else str(fake),
            "train": trains.name(train) if trains else str(train),
            "ratio": ratio,
        }
        for fake, train, ratio in rows
    ]


def _told(copies: list[dict[str, Any]], trouble: str | None) -> list[str]:
    """What a person must know of near-copies."""
    if trouble:
        return [f"near-copies were not looked for: {trouble}"]
    if not copies:
        return []
    some = ", ".join(f"{each['fake']} of {each['train']}" for each in copies[:5])
    more = f" and {len(copies) - 5} more" if len(copies) > 5 else ""
    return [f"{len(copies)} generated images are near-copies of training images: {some}{more}"]


@contextmanager
def _noted() -> Iterator[list[str]]:
    """A list of what the block warns of, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield notes
    notes += dict.fromkeys(str(each.message) for each in caught if each.category is UserWarning)
