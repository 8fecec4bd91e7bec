#!/bin/sh
# Creates what a first start needs: the signing keys, the keys of refresh tokens and codes, the file with the MongoDB URI, and
# the Kafka topics. Registers no client and no user. Each folder of secrets is mounted only into the services that need it:
# `signing` (keys, refresh.key) into service-tokens, `codes` into service-factors, `store` into all three. A second run only
# writes the file with the URI again.
set -eu
umask 077
secrets=${SECRETS_FOLDER:-/var/lib/authme}
# `authme` creates the keys where service-tokens reads them.
export AUTHME_DATA="$secrets/signing"

mkdir -p "$secrets/signing" "$secrets/codes" "$secrets/store"
printf '%s' "$AUTHME_MONGODB_URI" > "$secrets/store/mongodb-uri.draft"
mv "$secrets/store/mongodb-uri.draft" "$secrets/store/mongodb-uri"

for key in signing/refresh.key codes/codes.key; do
    if [ ! -s "$secrets/$key" ]; then
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$secrets/$key.draft"
        mv "$secrets/$key.draft" "$secrets/$key"
    fi
done
if [ -z "$(authme keys list)" ]; then
    authme keys generate
fi
service-tokens --create-topics
