"""What does a scheduler call every night?

It looks for new data, trains on them in a copy of the repository, and puts the result into the place of the champion
only if it is better. It may be called at any time, by several machines, and be killed at any moment: what it finds and
decides stands in a journal, and the next call first ends what the last one began.
"""

import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pullback import config, files, snapshot
from pullback.errors import UserError, refused
from pullback.retraining import journal, ledger, workspace
from pullback.retraining.journal import BUSY, NOTHING_NEW, Journal, Outcome
from pullback.retraining.notice import notify
from pullback.tracking._processes import sigterm_raises
from pullback.tracking.places import root

SEEN = "seen.json"


def retrain() -> int:
    """Retrains once and returns the exit code: one of `retraining.journal`.

    Raises:
        UserError: what is under git is not committed, the data cannot be read, or the tracking store is away.
    """
    with only_one() as free:
        if not free:
            print("another retraining is running")
            return BUSY
        begun = journal.unfinished()
        if begun:
            workspace.recover(begun)
        if begun and not begun.outcome and (workspace.has_moved(begun) or not snapshot.kept().exists()):
            _leave(begun)
            begun = None
        if begun and (begun.manifest or begun.outcome):
            print(f"going on with what {begun.who} began at {begun.began}")
        else:
            begun = _new_data(config.read_nightly())
        return _decide(begun, config.read()) if begun else NOTHING_NEW


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether no other process of this repository retrains or rolls back, for as long as the block lasts."""
    lock = FileLock(root() / ".pullback" / "retrain.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        with held, sigterm_raises():
            yield True
    except OSError as error:
        raise refused(error.filename or root(), "used", error) from error


def _new_data(params: config.Nightly) -> Journal | None:
    """A journal with the manifest of data that were neither trained on nor refused; None if there are none."""
    commit, branch = workspace.position()
    if params.retrain.push:
        journal.begin(commit, branch).save()  # what a killed pull leaves is mended by the next call
        workspace.pull(*snapshot.imports(params.data.source))
        commit, branch = workspace.position()
    imports = snapshot.imports(params.data.source)
    begun = journal.begin(commit, branch, imports=imports, settings=workspace.settings())
    begun.save()  # from here on something changes
    for path in imports:
        snapshot.update(path)
    mark, seen = snapshot.fingerprint(params.data, root()), _seen()
    if seen.get("fingerprint") == mark and _left(seen["snapshot"], begun):
        return None
    manifest = snapshot.take(params.data, snapshot.kept())
    files.write_json(journal.folder() / SEEN, {"fingerprint": mark, "snapshot": manifest.snapshot})
    if _left(manifest.snapshot, begun):
        return None
    begun.manifest = manifest.model_dump()
    begun.save()
    return begun


def _seen() -> dict[str, str]:
    """What was found the last time: a fingerprint of the source, and the snapshot that it stands for."""
    path = journal.folder() / SEEN
    return files.read_json(path) if path.exists() else {}


def _left(snapshot: str, begun: Journal) -> bool:
    """Leaves data that are those of the champion, or were refused with the same parameters, and says so."""
    if snapshot == workspace.trained_on():
        why = "the data are the same as before"
    elif entry := ledger.refused(begun.settings).get(snapshot):
        why = f"these data were {entry['verdict']} on {entry['date']}; `pullback history` tells why"
    else:
        return False
    print(why)
    _leave(begun)
    return True


def _leave(begun: Journal) -> None:
    """Ends what has changed nothing yet."""
    workspace.restore_imports(begun)
    journal.end()


def _decide(begun: Journal, params: config.Config) -> int:
    from pullback.tracking.lease import Busy, lease

    try:
        with lease(_owner()):
            if begun.outcome is None:
                ledger.exchange(params.tracking.experiment)
                if _left(begun.manifest["snapshot"], begun):  # since another machine has refused it
                    return NOTHING_NEW
                _know_champions(begun, params)
                begun.outcome = _outcome(begun, params)
                begun.save()
            _carry_out(begun, params)
    except Busy as busy:
        print(busy)
        if begun.outcome is None or (begun.target and not workspace.is_committed(begun)):
            _leave(begun)  # by the next call the data may be others
        return BUSY
    return _finish(begun, params)


def _owner() -> str:
    return f"{socket.gethostname()}:{root()}"


def _know_champions(begun: Journal, params: config.Config) -> None:
    from pullback.retraining.succession import champions

    try:
        if not begun.champion:
            begun.replaced, begun.champion = champions(begun, params)
    except UserError:
        _leave(begun)
        raise
    begun.save()


def _outcome(begun: Journal, params: config.Config) -> Outcome:
    """Judges the data, trains on them, and judges the model."""
    from pullback.retraining import new_data, verdict

    try:
        if not begun.revision:
            if outcome := new_data.inspect(begun, params):
                return outcome
            begun.revision = workspace.run(begun, _changes(begun, params))
            begun.save()
        workspace.check_unmoved(begun)
        return verdict.on(begun, params) if begun.revision else verdict.on_failure(begun, params)
    except UserError as error:
        return Outcome(verdict="failed", reasons=[str(error)])


def _changes(begun: Journal, params: config.Config) -> list[str]:
    """What the experiment changes in files under git."""
    changes = snapshot.Manifest.model_validate(begun.manifest).overrides()
    start = begun.champion if getattr(params.retrain, "from") == "champion" else None
    if start != params.train.start:
        changes.append(f"train.start={start or 'null'}")
    return changes


def _carry_out(begun: Journal, params: config.Config) -> None:
    """Does what the outcome asks for; all of it may be done twice."""
    from pullback.retraining import succession

    assert begun.outcome is not None
    if begun.outcome.verdict in ("passed", "rolled back"):
        try:
            workspace.check_unmoved(begun)
            succession.check_unreplaced(begun)
        except UserError as error:
            _fail(begun, str(error))
    try:
        if begun.outcome.verdict == "passed":
            succession.crown(begun, params, _owner())
        elif begun.outcome.verdict == "rolled back":
            succession.bring_back(begun, params)
        elif begun.outcome.verdict == "refused":
            succession.turn_down(begun, params)
    except workspace.OutOfReach as error:
        _fail(begun, str(error))


def _fail(begun: Journal, reason: str) -> None:
    begun.outcome = Outcome(verdict="failed", reasons=[reason])
    begun.save()


def _finish(begun: Journal, params: config.Config) -> int:
    """Tells what came of it; then nothing is left to go on with."""
    outcome = begun.outcome
    assert outcome is not None
    entry = ledger.record(begun)
    try:
        ledger.exchange(params.tracking.experiment)
    except UserError as error:
        warnings.warn(f"other machines do not know of this yet: {error}", stacklevel=2)
    print("\n".join([f"{outcome.verdict}:", *([outcome.report] if outcome.report else outcome.reasons)]))
    notify(params.retrain.notify, entry)
    workspace.restore_imports(begun)
    for name in ("champion", "candidate", "images"):
        shutil.rmtree(journal.folder() / name, ignore_errors=True)
    journal.end()
    return outcome.code


def rollback(to: str | None, model: str | None = None) -> int:
    """Brings back the previous champion, or another version that was one; returns the exit code.

    One that was killed is ended by the same call again. A promotion that was killed before its commit is given up.

    Args:
        to: a version in the registry of pullback-`model`; of the other models those of the same commit come back.

    Raises:
        UserError: there is no such version, or it was never the champion; or as `retrain` does.
    """
    from pullback.tracking import versions

    with only_one() as free:
        if not free:
            print("a retraining is running; roll back when it has ended")
            return BUSY
        params, begun = config.read(), journal.unfinished()
        model = model or params.train.models[0]
        if begun:
            workspace.recover(begun)
            if begun.target and to in (None, begun.versions.get(model)):
                return _decide(begun, params)
            to = to or versions.alias(model, versions.PREVIOUS)  # as the caller sees it
            if not begun.outcome:
                _leave(begun)
            elif _ended(begun, params) == BUSY:
                return BUSY
        if params.retrain.push:
            workspace.pull(*snapshot.imports(params.data.source))
        return _decide(_going_back(params, model, to), params)


def _ended(begun: Journal, params: config.Config) -> int:
    """Ends what a killed call has begun, but changes nothing more for it than it has."""
    assert begun.outcome
    if begun.outcome.verdict in ("passed", "rolled back") and not workspace.is_committed(begun):
        _fail(begun, "`pullback rollback` was called before the commit")
    return _decide(begun, params)


def _going_back(params: config.Config, model: str, to: str | None) -> Journal:
    from pullback.tracking import versions

    commit, branch = workspace.position()
    to = to or versions.alias(model, versions.PREVIOUS)
    if to and to == versions.alias(model, versions.CHAMPION):
        raise UserError(f"version {to} of pullback-{model} is the champion; choose another, as in `pullback history`")
    if to is None:
        raise UserError(
            f"pullback-{model} has no previous champion; name a version with --to, as in `pullback history`"
        )
    target = versions.tags(model, to).get("commit")
    if target is None or not workspace.knows(target):
        raise UserError(f"version {to} of pullback-{model} was never the champion of this branch; choose another")
    found = {each: versions.tagged(each, "commit", target) for each in params.train.models}
    begun = journal.begin(commit, branch, target=target, manifest={"snapshot": workspace.trained_on()})
    begun.versions = {each: version for each, version in found.items() if version}
    begun.replaced = {each: versions.alias(each, versions.CHAMPION) for each in begun.versions}
    told = ", ".join(f"{each} {begun.replaced[each]} -> {version}" for each, version in begun.versions.items())
    begun.outcome = Outcome(verdict="rolled back", reasons=[told])
    begun.save()
    return begun
