//! Every setting there is: the one list by which settings are known, missed, printed and documented.

use super::setting::{EVERYWHERE, FACTORS, ISSUERS, Need, SENDERS, SERVICES, Setting, TOKENS, VERIFIERS};

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The environment variable of a setting.
pub(super) fn environment(name: &str) -> String {
    format!("AUTHME__{}", name.replace('.', "__").to_uppercase())
}

pub(super) const SETTINGS: &[Setting] = &[
    Setting::of(EVERYWHERE, "http.listen", "Address of the API"),
    Setting::of(EVERYWHERE, "http.management", "Address of health and metrics"),
    Setting::of(
        EVERYWHERE,
        "http.trusted_proxies",
        "Networks whose `X-Forwarded-For` is believed, like `[\"10.0.0.0/8\"]`",
    ),
    Setting::of(
        EVERYWHERE,
        "http.drain",
        "How long a stopping process still serves before it stops accepting",
    ),
    Setting::of(EVERYWHERE, "http.workers", "Threads that answer; 0 for one per core"),
    Setting::of(
        EVERYWHERE,
        "http.docs",
        "Whether `/docs`, the API reference, is served; `/openapi.json` always is",
    ),
    Setting::of(
        EVERYWHERE,
        "http.write_timeout",
        "A connection is dropped when its peer takes nothing of an answer for so long",
    ),
    Setting::of(
        EVERYWHERE,
        "http.connections",
        "Connections at a time, never more than `ulimit -n` leaves room for; more are closed at once; 0 for no limit of its own",
    ),
    Setting::of(
        EVERYWHERE,
        "http.connections_per_peer",
        "Of these, from one address (of IPv6: from one /64) that is none of `http.trusted_proxies`; 0 for no limit",
    ),
    Setting::of(
        EVERYWHERE,
        "limits.requests_per_client",
        "Requests of one calling client a second, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::of(
        EVERYWHERE,
        "limits.requests_per_user",
        "Requests of one calling user a second, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::of(
        SERVICES,
        "store.mongodb_uri_file",
        "File that holds the URI of MongoDB. The URI may not weaken reads or writes",
    )
    .required(),
    Setting::of(
        SERVICES,
        "store.allow_insecure",
        "`true` takes MongoDB on another machine without TLS, or with TLS that checks no certificate: whoever is on that \
         network reads and changes everything",
    ),
    Setting::of(SERVICES, "store.database", "Database of every collection"),
    Setting::of(
        SERVICES,
        "store.connections",
        "Connections to each server of MongoDB, at most",
    ),
    Setting::of(
        SERVICES,
        "kafka.brokers",
        "`host:port` of one or more brokers, separated by commas",
    )
    .required(),
    Setting::of(
        SERVICES,
        "kafka.security",
        "`plaintext`, `tls`, or `scram` (SASL/SCRAM inside TLS); the last two need a build with the feature `kafka-tls`",
    ),
    Setting::of(
        SERVICES,
        "kafka.allow_insecure",
        "`true` takes `plaintext` to brokers on another machine: whoever is on that network reads and writes events",
    ),
    Setting::of(
        SERVICES,
        "kafka.ca_file",
        "Certificates (PEM) that vouch for the brokers; unset: those of the system",
    ),
    Setting::of(
        SERVICES,
        "kafka.certificate_file",
        "Certificate (PEM) shown to the brokers",
    ),
    Setting::of(SERVICES, "kafka.key_file", "Its private key (PEM)"),
    Setting::of(SERVICES, "kafka.sasl_mechanism", "`SCRAM-SHA-256` or `SCRAM-SHA-512`"),
    Setting::of(SERVICES, "kafka.sasl_username", "User of the brokers"),
    Setting::of(
        SERVICES,
        "kafka.sasl_password_file",
        "File that holds the user's password",
    ),
    Setting::of(
        SERVICES,
        "kafka.partitions",
        "Partitions of a topic that `--create-topics` makes",
    ),
    Setting::of(
        SERVICES,
        "kafka.replication",
        "Replicas of a topic that `--create-topics` makes",
    ),
    Setting::of(
        EVERYWHERE,
        "tokens.issuer",
        "`iss` of access tokens, written and demanded",
    )
    .required(),
    Setting::of(
        EVERYWHERE,
        "tokens.audience",
        "`aud` of access tokens, written and demanded",
    )
    .required(),
    Setting::of(
        EVERYWHERE,
        "tokens.typ",
        "`typ` header of access tokens, written and demanded: `at+jwt`, `JWT` or `none`",
    ),
    Setting::of(
        EVERYWHERE,
        "tokens.longest_access_token_lifetime",
        "No client's access tokens live longer, and longer ones are refused",
    ),
    Setting::of(ISSUERS, "tokens.access_token_lifetime", "Unless the client has its own"),
    Setting::of(
        ISSUERS,
        "tokens.validation_token_lifetime",
        "Of the token of a hand-off",
    ),
    Setting::of(
        ISSUERS,
        "tokens.refresh_absolute_lifetime",
        "A session ends then, whatever is done with it",
    ),
    Setting::of(
        ISSUERS,
        "tokens.refresh_idle_lifetime",
        "A session ends when it is not renewed for so long",
    ),
    Setting::of(
        ISSUERS,
        "tokens.refresh_grace",
        "How long the refresh token before the current one still gets its successor; `0s` is strict",
    ),
    Setting::of(
        ISSUERS,
        "tokens.new_sessions_per_minute",
        "Sessions of one user that one client may start in a minute, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::of(
        ISSUERS,
        "tokens.query_tokens",
        "Whether a renewal may have its token in the query, which ends up in the logs of proxies; `false` accepts it in the body only",
    ),
    Setting::of(
        ISSUERS,
        "login.failures_per_client",
        "Failed logins of a client id a minute; beyond, addresses that failed with it wait",
    ),
    Setting::of(
        ISSUERS,
        "login.failures_per_peer",
        "Failed logins from one address a minute (of IPv6: from one /64)",
    ),
    Setting::of(ISSUERS, "saml.default_roles", "Roles of a user that a hand-off makes"),
    Setting::of(
        SERVICES,
        "keys.directory",
        "Folder of `<kid>.pem` and `manifest.json` as `authme keys` makes it: `tokens` signs with it, others verify",
    )
    .needed(Need::RequiredUnless("keys.url")),
    Setting::of(
        VERIFIERS,
        "keys.url",
        "Key set of the service `tokens`, `…/security/iam/v1/.well-known/jwks.json`; goes before `keys.directory`",
    ),
    Setting::of(
        VERIFIERS,
        "keys.ca_file",
        "Certificates (PEM) that vouch for the server of `keys.url`; unset: those of the system",
    ),
    Setting::of(
        VERIFIERS,
        "keys.allow_insecure",
        "`true` takes a `keys.url` of plain http on another machine: whoever answers there signs tokens for everybody",
    ),
    Setting::of(
        VERIFIERS,
        "keys.longest_age",
        "A key set that could not be fetched again for so long verifies nothing, and the service is not ready; at least `1m`",
    ),
    Setting::of(
        ISSUERS,
        "keys.cache_time",
        "How long a verifier may keep the key set: a new key is published at least so long before it signs",
    ),
    Setting::of(
        TOKENS,
        "secrets.refresh_file",
        "File with the keys of refresh tokens, 64 hexadecimal digits a line: the first seals, all open",
    )
    .required(),
    Setting::of(
        FACTORS,
        "secrets.codes_file",
        "File with the key of one-time codes, 64 hexadecimal digits",
    )
    .required(),
    Setting::of(
        SENDERS,
        "delivery.file",
        "File that codes are written into, a JSON object a line, where no server is set up for them; for local use",
    ),
    Setting::of(
        SENDERS,
        "delivery.within",
        "How long handing over a message may take, all tries together; a server that is slower is not asked again",
    ),
    Setting::of(
        SENDERS,
        "delivery.texts",
        "Texts of messages for clients that chose none: `pt`, `en`, or a file of `delivery.texts_directory`",
    ),
    Setting::of(
        SENDERS,
        "delivery.texts_directory",
        "Folder of texts, `NAME.toml` with `subject`, `mail` and `text_message`",
    ),
    Setting::of(SENDERS, "smtp.host", "Mail server that takes codes to e-mail addresses")
        .needed(Need::RequiredUnless("delivery.file")),
    Setting::of(SENDERS, "smtp.port", "Its port"),
    Setting::of(
        SENDERS,
        "smtp.security",
        "`starttls`, `tls`, `none` (a server on the same machine only) or `none-anywhere`",
    ),
    Setting::of(
        SENDERS,
        "smtp.from",
        "Who writes: an address, or a name with one in angle brackets",
    ),
    Setting::of(SENDERS, "smtp.user", "User of the mail server"),
    Setting::of(SENDERS, "smtp.password_file", "File that holds the user's password"),
    Setting::of(
        SENDERS,
        "smtp.ca_file",
        "Certificates (PEM) that vouch for the mail server; unset: those of the system",
    ),
    Setting::of(
        SENDERS,
        "sms.url",
        "Gateway that takes codes to mobile numbers: it is sent a signed POST",
    )
    .needed(Need::RequiredUnless("delivery.file")),
    Setting::of(
        SENDERS,
        "sms.signing_key_file",
        "File that holds the key of the signature (HMAC-SHA-256)",
    ),
    Setting::of(SENDERS, "sms.content_type", "Of the request; unset: `application/json`"),
    Setting::of(
        SENDERS,
        "sms.body",
        "Template of the request's body; unset: `{\"to\":{{ to }},\"text\":{{ text }}}`",
    ),
    Setting::of(
        SENDERS,
        "sms.header",
        "Name of a header of the gateway's own, as for an API key",
    ),
    Setting::of(SENDERS, "sms.header_file", "File that holds that header's value"),
    Setting::of(SENDERS, "codes.lifetime", "Of a one-time code; at most `10m`"),
    Setting::of(
        SENDERS,
        "codes.attempts_per_challenge",
        "How often one code may be tried, rightly or wrongly",
    ),
    Setting::of(
        SENDERS,
        "codes.attempts_per_contact",
        "How often codes of one contact may be tried in a day",
    ),
    Setting::of(
        SENDERS,
        "codes.attempts_per_user",
        "How often codes of one user may be tried in a day",
    ),
    Setting::of(
        SENDERS,
        "codes.sends_per_destination",
        "How many codes one address or number is sent in ten minutes",
    ),
    Setting::of(
        SENDERS,
        "codes.sends_per_user",
        "How many codes one user may have sent in a day",
    ),
    Setting::of(
        SERVICES,
        "relay.lease",
        "A claim on an outbox ends after this, should its relay die",
    ),
    Setting::of(EVERYWHERE, "log.format", "`json` or `text`"),
    Setting::of(
        EVERYWHERE,
        "log.filter",
        "What is logged, like `info` or `info,mongodb=warn`",
    ),
];
