#!/usr/bin/env bash
# A Slipway device in shell: mosquitto_sub, mosquitto_pub, curl, jq, sha256sum, setpriv, stdbuf. Its slot is the file `current` in its folder; its reboot is a
# start from that folder. It has more than 60 lines because JSON is made by jq, files are replaced whole, and nothing that it starts outlives it. Every step may be
# repeated after a crash: the document stands in the broker until the service has the outcome.
set -euo pipefail && umask 077
: "${SLIPWAY_HOST:=127.0.0.1}" "${SLIPWAY_PORT:=1883}" "${SLIPWAY_SLOT:=firmware}" "${SLIPWAY_DIR:=./shell-device-state}"
: "${SLIPWAY_USERNAME:?tenant/node, as the service answered when the password was made}" "${SLIPWAY_PASSWORD:?}"
self=$(realpath "$0") up=slipway/v1/$SLIPWAY_USERNAME/${SLIPWAY_USERNAME#*/}/up boot=$(cat /proc/sys/kernel/random/uuid) answered='' id=''
mkdir -p "$SLIPWAY_DIR/login" && cd "$SLIPWAY_DIR" && export SLIPWAY_DIR=$PWD XDG_CONFIG_HOME=$PWD/login
for tool in pub sub; do # every user of the machine sees arguments; these files only ours
  printf -- '-%s\n' "h $SLIPWAY_HOST" "p $SLIPWAY_PORT" "u $SLIPWAY_USERNAME" "P $SLIPWAY_PASSWORD" 'q 1' >"login/mosquitto_$tool"
done
own() { setpriv --pdeathsig KILL "$@"; }                                    # ends with us, also by kill -9
put() { cat >"$1.new" && sync "$1.new" && mv "$1.new" "$1" && sync .; }       # the new file or the old one, never half of it
kept() { local was && was=$(jq -ec "$2" "$1" 2>/dev/null) && [ -n "$was" ] && echo "$was" || echo "$3"; } # file, filter, what counts where it cannot be read
get() { jq -r "$2 // empty" <<<"$1"; }
say() { echo "$1 $2" && own timeout 20 setpriv --pdeathsig KILL mosquitto_pub -t "$up/$1" -m "$2" "${@:3}" || true; } # what must be heard is said again
presence() { echo "{\"v\": 1, \"online\": $1, \"session\": \"$boot\"}"; } # true is said after each connect, false is the last will of the connection
hello() {
  say hello "$(jq -cn --arg b "$boot" --arg s "$SLIPWAY_SLOT" --argjson held "$(kept held objects '{"version":null,"sha256":null,"confirmed":true}')" \
    '{v: 1, msgId: $b, bootId: $b, agent: {name: "shell-device", version: "1"}, caps: {resume: true}, slots: {($s): $held}}')"
}
status() { # state, further members
  seq=$((seq + 1)) && body=$(jq -cn --arg id "$id" --arg slot "$SLIPWAY_SLOT" --arg state "$1" --argjson n "[$attempt, $seq, $revision]" --argjson more "${2:-null}" \
    '{v: 1, installationId: $id, attempt: $n[0], seq: $n[1], revision: $n[2], slot: $slot, state: $state} + $more')
  say status "$body"
}
finish() { # as status; the last word on an attempt: kept and repeated until the service acknowledges it
  status "$@"
  put unacknowledged <<<"$id/$attempt/$seq $body" && put revision <<<"$revision" && rm -f job
}
fail() { finish failed "$(jq -cn --arg code "$1" --arg message "$2" '{error: {code: $code, message: $message, retriable: true}}')"; }
desired() { # the document
  [ -n "$1" ] && [ "$(get "$1" .revision)" -gt "$(kept revision numbers 0)" ] || return 0
  revision=$(get "$1" .revision) id=$(get "$1" .installationId) attempt=$(get "$1" .attempt) sha=$(get "$1" .firmware.sha256) seq=0
  [[ $sha =~ ^[0-9a-f]{64}$ ]] || { fail HASH_UNSUPPORTED 'not a SHA-256' && return; } # it names a file
  find . -maxdepth 1 -name '*.part' ! -name "$sha.part" -delete # of an earlier document
  status accepted && status downloading
  if ! sha256sum -c --status <<<"$sha  $sha.part" 2>/dev/null; then
    [ "$(stat -c %s "$sha.part" 2>/dev/null || echo 0)" -lt "$(get "$1" .firmware.size)" ] || rm -f "$sha.part" # whole, and another file
    own curl -fsS --proto =http,https -C - --retry 5 --retry-delay 1 --retry-all-errors --connect-timeout 30 --speed-limit 100 --speed-time 60 -o "$sha.part" -K - \
      <<<"url = $(jq .download.url <<<"$1")" || { fail DOWNLOAD_FAILED "curl ended with $?" && return; }
    sha256sum -c --status <<<"$sha  $sha.part" || { rm "$sha.part" && fail HASH_MISMATCH "the download has another SHA-256" && return; }
  fi
  status downloaded
  [ "$(get "$1" .gate)" = go ] || return 0 # a revision that says go will come
  status installing && status rebooting
  jq -c --argjson seq "$seq" '{installationId, attempt, $seq, revision, sha256: .firmware.sha256, version: .firmware.version}' <<<"$1" | put job # for the next start
  sync "$sha.part" && mv "$sha.part" current && sync . # one rename: the old content, or the new
  kill "$sub" && exec "$self"
}
job=$(kept job objects '') # after a start: did it come from an installation?
[ -n "$job" ] && sha256sum -c --status <<<"$(get "$job" .sha256)  current" 2>/dev/null &&
  jq -c '{version, sha256, installationId, revision, confirmed: true}' <<<"$job" | put held || job=''
exec 3< <(exec setpriv --pdeathsig KILL stdbuf -oL mosquitto_sub -d -t "${up%/*/up}/+/down/#" -F '%t %p' --will-topic "$up/presence" \
  --will-payload "$(presence false)" --will-qos 1 --will-retain) && sub=$! && trap 'kill "$sub"' EXIT
[ -z "$job" ] || { id=$(get "$job" .installationId) attempt=$(get "$job" .attempt) seq=$(get "$job" .seq) revision=$(get "$job" .revision) &&
  finish installed "$(jq -c '{version}' <<<"$job")"; }
while :; do
  if read -r -t 2 -u 3 topic payload; then
    case $topic in
    Client) [[ $payload != *'received SUBACK'* ]] || { say presence "$(presence true)" -r && hello; } ;; # by -d: it is connected, again too
    */desired/"$SLIPWAY_SLOT") desired "$payload" ;;
    */ack) [ "$(get "$payload" .for)" != "$boot" ] || answered=yes && grep -qsF "$(get "$payload" .for) " unacknowledged && rm unacknowledged || true ;;
    */cmd) case $(get "$payload" .cmd) in hello) hello ;; cancel) [ -z "$id" ] || [ "$revision" = "$(kept revision numbers 0)" ] || finish canceled ;; esac ;;
    esac
  elif [ $? -gt 128 ]; then # nothing for a while: say again what was not acknowledged
    [ -n "$answered" ] || hello && [ ! -s unacknowledged ] || say status "$(cut -d' ' -f2- unacknowledged)"
  else exit 1; fi # the connection could not be made: its supervisor starts it again
done
