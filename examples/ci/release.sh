#!/bin/sh
# Releases a firmware from a pipeline: uploads it, allows it for a slot, forecasts the rollout, starts it and waits.
#
#   release.sh FILE NAME VERSION PLAN
#
# SLIPWAY_URL and SLIPWAY_TOKEN say where and as whom (a key with the role writer), DEVICE_TYPE and SLOT for what. A
# second run of the same pipeline goes on where the first one was cut off. It ends as `slipway rollout watch` does:
# 0 = each device has it, 7 = not each of them, 8 = paused and a person decides, 124 = not in time.
set -eu
file=$1 name=$2 version=$3 plan=$4
: "${SLIPWAY_URL:?}" "${SLIPWAY_TOKEN:?}" "${DEVICE_TYPE:?}"
SLOT=${SLOT:-firmware}
release="$name $version"

# Uploaded once: bytes of a version never change.
slipway firmware show "$name@$version" -o id 2>/dev/null ||
  slipway firmware upload "$file" --name "$name" --version "$version" -o id

# 3 = it is allowed already.
slipway association create --type "$DEVICE_TYPE" --slot "$SLOT" --firmware "$name@$version" -o id || [ $? -eq 3 ]

if ! rollout=$(slipway rollout show "$release" -o id 2>/dev/null); then
  slipway rollout simulate -f "$plan" --name "$release" --slot "$SLOT" --firmware "$name@$version"
  rollout=$(slipway rollout create -f "$plan" --name "$release" --slot "$SLOT" --firmware "$name@$version" -o id)
fi
slipway rollout start "$rollout" -o id || [ $? -eq 3 ]
slipway rollout watch "$rollout" --timeout "${TIMEOUT:-2h}"
