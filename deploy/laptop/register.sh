#!/bin/sh
# Registers the clients and the user of docker-compose.yml. No image contains this file. `authme` generates the secret of each
# client, which is written into a file that only its owner can read. A second run changes nothing.
set -eu
umask 077
clients=${CLIENTS_FOLDER:-/var/lib/authme/clients}

client() {
    id=$1
    shift
    file="$clients/$id.json"
    exists=true
    authme client show "$id" > /dev/null 2>&1 || exists=false
    if [ "$exists" = false ]; then
        authme client add "$id" "$@" > "$file.draft"
    elif [ ! -s "$file" ]; then
        # An earlier run was interrupted after `client add` and before the file was written, so the secret is lost.
        authme client rotate-secret "$id" > "$file.draft"
    else
        return 0
    fi
    mv "$file.draft" "$file"
    echo "client $id: its secret is in $file"
}

client gateway --role CLI-AUTH-BASIC --role CLI-1STPARTY --scope SAML_SSO --may-assert '*'
client portal --role CLI-AUTH-IDENTIFIED --role CLI-1STPARTY --scope READ --saml --factor-visibility UNRESTRICTED
client backoffice --role CLI-AUTH-BASIC --role CLI-1STPARTY --scope account_lock --scope account_unlock --scope events_read

# With a fixed id, so that a second run does not add another user.
if ! authme identity show 5efd263cbe2d398bb00b97ea > /dev/null 2>&1; then
    authme identity add --id 5efd263cbe2d398bb00b97ea --email ada@example.com --role AUTH-BASIC --role USER
fi
