#!/bin/bash
# Succeeds when every model of a models.config has a version that is AVAILABLE.
#   ready.sh [CONFIG [PORT]]
# TensorFlow Serving's REST port has no address that tells it: the status of a
# model is 200 even when no version serves, so its states are read. The image
# has bash, and neither curl nor Python.
config=${1:-/config/models.config}
port=${2:-8501}

# Prints the status of a model.
status() {
  exec 3<> "/dev/tcp/127.0.0.1/$port" || return
  printf 'GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' \
    "$1" >&3
  timeout 3 cat <&3
}

named='(^|[[:space:]{])name:[[:space:]]*"([^"]+)"'
models=0
while read -r line; do
  if [[ ${line%%#*} =~ $named ]]; then
    model=${BASH_REMATCH[2]}
    models=$((models + 1))
    if [[ $(status "$model") != *'"state": "AVAILABLE"'* ]]; then
      echo "$model: no version is AVAILABLE" >&2
      exit 1
    fi
  fi
done < "$config"
if ((models == 0)); then
  echo "$config: no models" >&2
  exit 1
fi
