"""Airflow DAG: retrain every night. Exit codes 10, 11 and 75 are outcomes without a new model, not failures."""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("pullback_retrain", schedule="30 2 * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1):
    BashOperator(
        task_id="retrain",
        bash_command=".venv/bin/pullback retrain",
        cwd="/srv/pullback",
        skip_on_exit_code=[10, 11, 75],
        retries=0,  # whatever the installation's default: the same data would fail again
    )
