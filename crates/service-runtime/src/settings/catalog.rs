//! The catalog of settings: the only list from which settings are accepted, required, printed and documented.

use super::setting::{EVERYWHERE, FACTORS, ISSUERS, Requirement, SENDERS, SERVICES, Setting, TOKENS, VERIFIERS};

/// Returns the setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Returns the environment variable of a setting.
pub(crate) fn variable_of(name: &str) -> String {
    format!("AUTHME__{}", name.replace('.', "__").to_uppercase())
}

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(EVERYWHERE, "http.listen", "Address of the API"),
    Setting::new(
        EVERYWHERE,
        "http.management",
        "Address of health and metrics",
    ),
    Setting::new(
        EVERYWHERE,
        "http.trusted_proxies",
        "Networks whose `X-Forwarded-For` is believed, like `[\"10.0.0.0/8\"]`",
    ),
    Setting::new(
        EVERYWHERE,
        "http.drain",
        "How long a stopping process still serves before it stops accepting",
    ),
    Setting::new(
        EVERYWHERE,
        "http.workers",
        "Threads that answer; 0 for one per core",
    ),
    Setting::new(
        EVERYWHERE,
        "http.docs",
        "Whether `/docs`, the API reference, is served; `/openapi.json` always is",
    ),
    Setting::new(
        EVERYWHERE,
        "http.write_timeout",
        "A connection is dropped when its peer takes nothing of an answer for so long",
    ),
    Setting::new(
        EVERYWHERE,
        "http.connections",
        "Connections at a time, never more than `ulimit -n` leaves room for; more are closed at once; 0 for no limit of its own",
    ),
    Setting::new(
        EVERYWHERE,
        "http.connections_per_peer",
        "Of these, from one address (of IPv6: from one /64) that is none of `http.trusted_proxies`; 0 for no limit",
    ),
    Setting::new(
        EVERYWHERE,
        "limits.requests_per_client",
        "Requests of one calling client a second, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::new(
        EVERYWHERE,
        "limits.requests_per_user",
        "Requests of one calling user a second, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::new(
        SERVICES,
        "store.mongodb_uri_file",
        "File that holds the URI of MongoDB. The URI may not weaken reads or writes",
    )
    .required(),
    Setting::new(
        SERVICES,
        "store.allow_insecure",
        "`true` takes MongoDB on another machine without TLS, or with TLS that checks no certificate: whoever is on that \
         network reads and changes everything",
    ),
    Setting::new(SERVICES, "store.database", "Database of every collection"),
    Setting::new(
        SERVICES,
        "store.connections",
        "Connections to each server of MongoDB, at most",
    ),
    Setting::new(
        SERVICES,
        "kafka.brokers",
        "`host:port` of one or more brokers, separated by commas",
    )
    .required(),
    Setting::new(
        SERVICES,
        "kafka.security",
        "`plaintext`, `tls`, or `scram` (SASL/SCRAM inside TLS); the last two need a build with the feature `kafka-tls`",
    )
    .one_of(&["plaintext", "tls", "scram"]),
    Setting::new(
        SERVICES,
        "kafka.allow_insecure",
        "`true` takes `plaintext` to brokers on another machine: whoever is on that network reads and writes events",
    ),
    Setting::new(
        SERVICES,
        "kafka.ca_file",
        "Certificates (PEM) that vouch for the brokers; unset: those of the system",
    ),
    Setting::new(
        SERVICES,
        "kafka.certificate_file",
        "Certificate (PEM) shown to the brokers",
    ),
    Setting::new(
        SERVICES,
        "kafka.key_file",
        "Its private key (PEM)",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_mechanism",
        "`SCRAM-SHA-256` or `SCRAM-SHA-512`",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_username",
        "User of the brokers",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_password_file",
        "File that holds the user's password",
    ),
    Setting::new(
        SERVICES,
        "kafka.partitions",
        "Partitions of a topic that `--create-topics` makes",
    ),
    Setting::new(
        SERVICES,
        "kafka.replication",
        "Replicas of a topic that `--create-topics` makes",
    ),
    Setting::new(
        EVERYWHERE,
        "tokens.issuer",
        "`iss` of access tokens, written and demanded",
    )
    .required(),
    Setting::new(
        EVERYWHERE,
        "tokens.audience",
        "`aud` of access tokens, written and demanded",
    )
    .required(),
    Setting::new(
        EVERYWHERE,
        "tokens.typ",
        "`typ` header of access tokens, written and demanded: `at+jwt`, `JWT` or `none`",
    ),
    Setting::new(
        EVERYWHERE,
        "tokens.longest_access_token_lifetime",
        "No client's access tokens live longer, and longer ones are refused",
    ),
    Setting::new(
        ISSUERS,
        "tokens.access_token_lifetime",
        "Unless the client has its own",
    ),
    Setting::new(
        ISSUERS,
        "tokens.validation_token_lifetime",
        "Of the token of a hand-off",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_absolute_lifetime",
        "A session ends then, whatever is done with it",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_idle_lifetime",
        "A session ends when it is not renewed for so long",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_grace",
        "How long the refresh token before the current one still gets its successor; `0s` is strict",
    ),
    Setting::new(
        ISSUERS,
        "tokens.new_sessions_per_minute",
        "Sessions of one user that one client may start in a minute, in one process; beyond, 429; 0 for no limit",
    ),
    Setting::new(
        ISSUERS,
        "tokens.query_tokens",
        "Whether a renewal may have its token in the query, which ends up in the logs of proxies; `false` accepts it in the body only",
    ),
    Setting::new(
        ISSUERS,
        "login.failures_per_client",
        "Failed logins of a client id a minute; beyond, addresses that failed with it wait",
    ),
    Setting::new(
        ISSUERS,
        "login.failures_per_peer",
        "Failed logins from one address a minute (of IPv6: from one /64)",
    ),
    Setting::new(
        ISSUERS,
        "saml.default_roles",
        "Roles of a user that a hand-off makes",
    ),
    Setting::new(
        SERVICES,
        "keys.directory",
        "Folder of `<kid>.pem` and `manifest.json` as `authme keys` makes it: `tokens` signs with it, others verify",
    )
    .with_requirement(Requirement::RequiredUnless("keys.url")),
    Setting::new(
        VERIFIERS,
        "keys.url",
        "Key set of the service `tokens`, `…/security/iam/v1/.well-known/jwks.json`; goes before `keys.directory`",
    ),
    Setting::new(
        VERIFIERS,
        "keys.ca_file",
        "Certificates (PEM) that vouch for the server of `keys.url`; unset: those of the system",
    ),
    Setting::new(
        VERIFIERS,
        "keys.allow_insecure",
        "`true` takes a `keys.url` of plain http on another machine: whoever answers there signs tokens for everybody",
    ),
    Setting::new(
        VERIFIERS,
        "keys.longest_age",
        "A key set that could not be fetched again for so long verifies nothing, and the service is not ready; at least `1m`",
    ),
    Setting::new(
        ISSUERS,
        "keys.cache_time",
        "How long a verifier may keep the key set: a new key is published at least so long before it signs",
    ),
    Setting::new(
        TOKENS,
        "secrets.refresh_file",
        "File with the keys of refresh tokens, 64 hexadecimal digits a line: the first seals, all open",
    )
    .required(),
    Setting::new(
        FACTORS,
        "secrets.codes_file",
        "File with the key of one-time codes, 64 hexadecimal digits",
    )
    .required(),
    Setting::new(
        SENDERS,
        "delivery.file",
        "File that codes are written into, a JSON object a line, where no server is set up for them; for local use",
    ),
    Setting::new(
        SENDERS,
        "delivery.within",
        "How long handing over a message may take, all tries together; a server that is slower is not asked again",
    ),
    Setting::new(
        SENDERS,
        "delivery.texts",
        "Texts of messages for clients that chose none: `pt`, `en`, or a file of `delivery.texts_directory`",
    ),
    Setting::new(
        SENDERS,
        "delivery.texts_directory",
        "Folder of texts, `NAME.toml` with `subject`, `mail` and `text_message`",
    ),
    Setting::new(
        SENDERS,
        "smtp.host",
        "Mail server that takes codes to e-mail addresses",
    )
    .with_requirement(Requirement::RequiredUnless("delivery.file")),
    Setting::new(SENDERS, "smtp.port", "Its port"),
    Setting::new(
        SENDERS,
        "smtp.security",
        "`starttls`, `tls`, `none` (a server on the same machine only) or `none-anywhere`",
    )
    .one_of(&["starttls", "tls", "none", "none-anywhere"]),
    Setting::new(
        SENDERS,
        "smtp.from",
        "Who writes: an address, or a name with one in angle brackets",
    ),
    Setting::new(
        SENDERS,
        "smtp.user",
        "User of the mail server",
    ),
    Setting::new(SENDERS, "smtp.password_file", "File that holds the user's password"),
    Setting::new(
        SENDERS,
        "smtp.ca_file",
        "Certificates (PEM) that vouch for the mail server; unset: those of the system",
    ),
    Setting::new(
        SENDERS,
        "sms.url",
        "Gateway that takes codes to mobile numbers: it is sent a signed POST",
    )
    .with_requirement(Requirement::RequiredUnless("delivery.file")),
    Setting::new(
        SENDERS,
        "sms.signing_key_file",
        "File that holds the key of the signature (HMAC-SHA-256)",
    ),
    Setting::new(
        SENDERS,
        "sms.content_type",
        "Of the request; unset: `application/json`",
    ),
    Setting::new(
        SENDERS,
        "sms.body",
        "Template of the request's body; unset: `{\"to\":{{ to }},\"text\":{{ text }}}`",
    ),
    Setting::new(
        SENDERS,
        "sms.header",
        "Name of a header of the gateway's own, as for an API key",
    ),
    Setting::new(SENDERS, "sms.header_file", "File that holds that header's value"),
    Setting::new(
        SENDERS,
        "codes.lifetime",
        "Of a one-time code; at most `10m`",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_challenge",
        "How often one code may be tried, rightly or wrongly",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_contact",
        "How often codes of one contact may be tried in a day",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_user",
        "How often codes of one user may be tried in a day",
    ),
    Setting::new(
        SENDERS,
        "codes.sends_per_destination",
        "How many codes one address or number is sent in ten minutes",
    ),
    Setting::new(
        SENDERS,
        "codes.sends_per_user",
        "How many codes one user may have sent in a day",
    ),
    Setting::new(
        SERVICES,
        "relay.lease",
        "A claim on an outbox ends after this, should its relay die",
    ),
    Setting::new(EVERYWHERE, "log.format", "`json` or `text`").one_of(&["json", "text"]),
    Setting::new(
        EVERYWHERE,
        "log.filter",
        "What is logged, like `info` or `info,mongodb=warn`",
    ),
];
