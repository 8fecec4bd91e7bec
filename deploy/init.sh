#!/bin/sh
# What a first start needs: signing keys, the keys of refresh tokens and of codes, the topics, a gateway, a portal, an administrator's
# application and a user. Running it again changes nothing.
set -eu
umask 077
data=${AUTHME_DATA:-/var/lib/authme}
# `authme` writes where the services read.
export AUTHME_MONGODB_DATABASE="${AUTHME__STORE__DATABASE:-authme}"

mkdir -p "$data/secrets"
printf '%s' "$AUTHME_MONGODB_URI" > "$data/secrets/mongodb-uri"

for key in refresh codes; do
    if [ ! -s "$data/secrets/$key.key" ]; then
        od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$data/secrets/$key.key.draft"
        mv "$data/secrets/$key.key.draft" "$data/secrets/$key.key"
    fi
done
if [ -z "$(authme keys list)" ]; then
    authme keys generate
fi
service-tokens --create-topics

client() {
    id=$1
    shift
    if authme client show "$id" > /dev/null 2>&1; then
        return
    fi
    printf '%s' "$id-secret-of-this-laptop" > "$data/secrets/$id.secret"
    authme client add "$id" --secret-file "$data/secrets/$id.secret" "$@" > /dev/null
    echo "client $id, secret $id-secret-of-this-laptop"
}

client gateway --role CLI-AUTH-BASIC --role CLI-1STPARTY --scope SAML_SSO
client portal --role CLI-AUTH-IDENTIFIED --role CLI-1STPARTY --scope READ --saml --factor-visibility UNRESTRICTED
client backoffice --role CLI-AUTH-BASIC --role CLI-1STPARTY --scope account_lock --scope account_unlock

# Of a given id, so that it is made once.
if ! authme identity show 5efd263cbe2d398bb00b97ea > /dev/null 2>&1; then
    authme identity add --id 5efd263cbe2d398bb00b97ea --email ada@example.com --role AUTH-BASIC --role USER
fi
