#!/usr/bin/env bash
# Makes what the proxy needs, for trying: a certificate that signs itself, for
# localhost and the names given, and a token. Keeps what is there already.
#   serving/secrets.sh [FOLDER [NAME...]]      by default serving/secrets
# In production: a certificate that clients trust, and a token for each client.
set -euo pipefail
folder=${1:-$(dirname "$0")/secrets}
names=DNS:localhost,IP:127.0.0.1
for name in "${@:2}"; do names+=,DNS:$name; done

mkdir -p -m 700 "$folder"
if [[ ! -e $folder/tls.key ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc \
    -days 30 -subj /CN=localhost -addext "subjectAltName=$names" \
    -keyout "$folder/tls.key" -out "$folder/tls.crt" 2> /dev/null
fi
if [[ ! -e $folder/tokens ]]; then
  printf '"Bearer %s" me;\n' "$(openssl rand -hex 32)" > "$folder/tokens"
fi
# The proxy's user, who is not you, reads them too; the folder keeps others out.
chmod 644 "$folder"/{tls.crt,tls.key,tokens}
echo "$folder: tls.crt, tls.key, tokens"
