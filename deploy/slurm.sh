#!/bin/bash
# SLURM: retrain, with every training on all nodes of the job. docs/schedules.md tells how to submit it every night.
# --nodes and --ntasks-per-node are train.nodes and train.devices of params.yaml; all nodes must see the folder.
#SBATCH --job-name=pullback-retrain
#SBATCH --chdir=/srv/pullback
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --time=08:00:00
#SBATCH --dependency=singleton
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=.pullback/slurm-%j.log

# SIGTERM ends the job, or SLURM requeues it by itself; SIGUSR1 says that its time is almost up. The trainings write
# their checkpoints, from which they go on when the job's turn comes again.
trap 'kill "$retraining"' TERM
trap 'again=yes; kill "$retraining"' USR1
export SHELL=$PWD/deploy/slurm-shell # by which DVC runs the stages
.venv/bin/pullback retrain & retraining=$!
until wait "$retraining"; code=$?; ! kill -0 "$retraining" 2>/dev/null; do :; done
[ -z "$again" ] || exec scontrol requeue "$SLURM_JOB_ID"
case $code in 0|10|11|75) exit 0 ;; *) exit "$code" ;; esac
