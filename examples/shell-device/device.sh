#!/usr/bin/env bash
# A Slipway device in shell: mosquitto_sub, mosquitto_pub, curl, sha256sum. Its slot is the file `current` in its folder; its reboot is a start
# from that folder. Every step may be repeated after a crash: the document stands in the broker until the service has the outcome.
set -euo pipefail
: "${SLIPWAY_HOST:=127.0.0.1}" "${SLIPWAY_PORT:=1883}" "${SLIPWAY_SLOT:=firmware}" "${SLIPWAY_DIR:=./shell-device-state}"
: "${SLIPWAY_USERNAME:?tenant/node, as the service answered when the password was made}" "${SLIPWAY_PASSWORD:?}"
self=$(realpath "$0") up=slipway/v1/$SLIPWAY_USERNAME/${SLIPWAY_USERNAME#*/}/up boot=$(date +%s%N) answered='' id=''
login=(-h "$SLIPWAY_HOST" -p "$SLIPWAY_PORT" -u "$SLIPWAY_USERNAME" -P "$SLIPWAY_PASSWORD" -q 1)
mkdir -p "$SLIPWAY_DIR" && cd "$SLIPWAY_DIR" && export SLIPWAY_DIR=$PWD
[ -f held ] || echo '{"version":null,"sha256":null,"revision":0,"confirmed":true}' >held
[ -f revision ] || echo 0 >revision

get() { sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<<"$1"; }
say() { echo "$1 $2" && mosquitto_pub "${login[@]}" -t "$up/$1" -m "$2" || true; } # what must be heard is said again
hello() { say hello "{\"v\":1,\"msgId\":\"$boot\",\"bootId\":\"$boot\",\"agent\":{\"name\":\"shell-device\",\"version\":\"1\"},\"caps\":{\"resume\":true},\"slots\":{\"$SLIPWAY_SLOT\":$(cat held)}}"; }
status() { # state, further members
  seq=$((seq + 1))
  body="{\"v\":1,\"installationId\":\"$id\",\"attempt\":$attempt,\"seq\":$seq,\"revision\":$revision,\"slot\":\"$SLIPWAY_SLOT\",\"state\":\"$1\"${2:-}}"
  say status "$body"
}
finish() { # as status; the last word on an attempt: kept and repeated until the service acknowledges it
  status "$@"
  echo "$id/$attempt/$seq $body" >unacknowledged
  echo "$revision" >revision && rm -f job
}
fail() { finish failed ",\"error\":{\"code\":\"$1\",\"message\":\"$2\",\"retriable\":true}"; }

desired() { # the document
  [ -n "$1" ] && [ "$(get "$1" revision)" -gt "$(cat revision)" ] || return 0
  revision=$(get "$1" revision) id=$(get "$1" installationId) attempt=$(get "$1" attempt) sha=$(get "$1" sha256) version=$(get "$1" version) seq=0
  status accepted && status downloading
  if ! sha256sum -c --status <<<"$sha  $sha.part" 2>/dev/null; then
    curl -fsS -C - --retry 5 --retry-delay 1 --retry-all-errors -o "$sha.part" "$(get "$1" url)" || { fail DOWNLOAD_FAILED "curl ended with $?" && return; }
    sha256sum -c --status <<<"$sha  $sha.part" || { rm "$sha.part" && fail HASH_MISMATCH "the download has another SHA-256" && return; }
  fi
  status downloaded
  [ "$(get "$1" gate)" = go ] || return 0 # a revision that says go will come
  status installing && status rebooting
  printf '%s=%q\n' id "$id" attempt "$attempt" seq "$seq" revision "$revision" sha "$sha" version "$version" >job # for the next start
  mv "$sha.part" current                              # one rename: the old content, or the new
  kill "$sub" && exec "$self"
}
booted() { # after a start: did it come from an installation?
  [ -f job ] && . ./job && sha256sum -c --status <<<"$sha  current" 2>/dev/null || return 0
  echo "{\"version\":\"$version\",\"sha256\":\"$sha\",\"installationId\":\"$id\",\"revision\":$revision,\"confirmed\":true}" >held
}
booted && exec 3< <(exec mosquitto_sub "${login[@]}" -t "${up%/*/up}/+/down/#" -F '%t %p') && sub=$! && trap 'kill "$sub"' EXIT && hello
[ ! -f job ] || { [ "$(get "$(cat held)" installationId)" = "$id" ] && finish installed ",\"version\":\"$version\"" || rm job; }
while :; do
  if read -r -t 2 -u 3 topic payload; then
    case $topic in
    */desired/"$SLIPWAY_SLOT") desired "$payload" ;;
    */ack) [ "$(get "$payload" for)" != "$boot" ] || answered=yes && grep -qs "^$(get "$payload" for) " unacknowledged && rm unacknowledged || true ;;
    */cmd) case $payload in *'"hello"'*) hello ;; *'"cancel"'*) [ -z "$id" ] || [ "$revision" = "$(cat revision)" ] || finish canceled ;; esac ;;
    esac
  elif [ $? -gt 128 ]; then # nothing for a while: say again what was not acknowledged
    [ -n "$answered" ] || hello && [ ! -f unacknowledged ] || say status "$(cut -d' ' -f2- unacknowledged)"
  else exit 1; fi # the connection could not be made: the supervisor starts this again
done
