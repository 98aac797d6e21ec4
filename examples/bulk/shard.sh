#!/bin/sh
# One shard of a bulk embedding, whoever started it: Slurm (array), AWS Batch (array), Kubernetes (Indexed Job, which does not
# say how many there are: SHARDS), or by hand with SHARD and SHARDS. Start it again until it ends with 0 or 1: parts that are there are skipped.
#
#     shard.sh LIST OUT [options of whatsit embed]
set -eu
list=$1 out=$2
shift 2
shard=${SHARD:-${SLURM_ARRAY_TASK_ID:-${JOB_COMPLETION_INDEX:-${AWS_BATCH_JOB_ARRAY_INDEX:-0}}}}
shards=${SHARDS:-${SLURM_ARRAY_TASK_COUNT:-${AWS_BATCH_JOB_ARRAY_SIZE:-1}}}
# 1: some pictures cannot be read; they are in OUT/bad, and no later run would read them.
${WHATSIT:-whatsit} embed --into "$out" --files-from "$list" --shard "$shard/$shards" "$@" || [ $? -eq 1 ]
