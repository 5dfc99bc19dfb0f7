#!/usr/bin/env bash
# A Slipway device over HTTP: curl, jq, sha256sum. Its slot is the file `current` in its folder; its reboot is a start from that folder.
set -euo pipefail && umask 077
: "${SLIPWAY_URL:=http://127.0.0.1:8080}" "${SLIPWAY_SLOT:=firmware}" "${SLIPWAY_DIR:=./http-device-state}" "${SLIPWAY_TOKEN:?as the service answered when it was made}"
self=$(realpath "$0") boot=$(cat /proc/sys/kernel/random/uuid) etag='' id=''
mkdir -p "$SLIPWAY_DIR" && cd "$SLIPWAY_DIR" && export SLIPWAY_DIR=$PWD
printf 'header = "Authorization: Bearer %s"\n' "$SLIPWAY_TOKEN" >login # every user of the machine sees arguments; this file only ours
call() { curl -sS -K login --connect-timeout 10 --max-time 80 -w '%{http_code}' "$@" || true; } # prints the status
put() { cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1" && sync .; }                         # the new file or the old one, never half of it
get() { jq -r "$2 // empty" "$1"; }
say() { echo "$1 $2" && until code=$(call -o answer --json "$2" "$SLIPWAY_URL/device/v1/$1") && [[ $code == [24]?? && $code != 429 ]]; do sleep 2; done; } # path, body: again until it is answered
hello() { say hello "$(jq -cn --arg b "$boot" --arg s "$SLIPWAY_SLOT" --argjson held "$(jq -ec objects held 2>/dev/null || echo '{"version": null, "sha256": null, "confirmed": true}')" \
    '{v: 1, msgId: $b, bootId: $b, agent: {name: "http-shell", version: "1"}, caps: {resume: true}, slots: {($s): $held}}')"; }
status() { seq=$((seq + 1)) && say status "$(jq -c --arg state "$1" --argjson n "$seq" --argjson more "${2:-null}" '{v: 1, installationId, attempt, revision, slot, seq: $n, state: $state} + $more' work)"; } # state, further members
fail() { status failed "$(jq -cn --arg c "$1" --arg m "$2" '{error: {code: $c, message: $m, retriable: true}}')"; }
install() {
  put work <document && id=$(get work .installationId) sha=$(get work .firmware.sha256) seq=0 && [[ $sha =~ ^[0-9a-f]{64}$ ]] || return 0 # it names a file
  status accepted && status downloading
  if ! sha256sum -c --status <<<"$sha  $sha.part" 2>/dev/null; then
    jq -r '"url = \(.download.url | @json)"' work | curl -fsS --proto =http,https -C - --retry 5 --retry-all-errors --speed-limit 100 --speed-time 60 -o "$sha.part" -K - || { fail DOWNLOAD_FAILED "curl ended with $?" && return; }
    sha256sum -c --status <<<"$sha  $sha.part" || { rm "$sha.part" && fail HASH_MISMATCH 'the download has another SHA-256' && return; }
  fi
  status downloaded && [ "$(get work .gate)" = go ] || return 0 # a revision that says go will come
  status installing && status rebooting && jq -c --argjson seq "$seq" '. + {$seq}' work | put job
  mv "$sha.part" current && sync . && exec "$self" # one rename: the old content, or the new
}
if [ -s job ] && sha256sum -c --status <<<"$(get job .firmware.sha256)  current" 2>/dev/null; then # after a start: it came from an installation
  put work <job && seq=$(get job .seq) && jq -c '{version: .firmware.version, sha256: .firmware.sha256, installationId, revision, confirmed: true}' job | put held
  hello && status installed "$(jq -c '{version: .firmware.version}' job)"
fi
rm -f job && hello
while :; do # until something else is desired than what is known
  code=$(call -D headers -o document ${etag:+-H "If-None-Match: $etag"} "$SLIPWAY_URL/device/v1/desired/$SLIPWAY_SLOT?wait=PT30S")
  commands=$(grep -i '^slipway-cmd:' headers || true)
  [[ $commands != *cancel* || -z $id ]] || { status canceled && id=''; }
  [[ $commands != *hello* ]] || hello
  case $code in 200) etag=$(grep -i '^etag:' headers | tr -d '\r' | cut -d' ' -f2) && install ;; 204) etag='' ;; 304) ;; *) sleep 5 ;; esac
done
