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
    Setting::new(EVERYWHERE, "http.listen", "Address and port of the API."),
    Setting::new(
        EVERYWHERE,
        "http.management",
        "Address and port of the health checks and the metrics.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.trusted_proxies",
        "Networks of the proxies whose `X-Forwarded-For` header is trusted, such as `[\"10.0.0.0/8\"]`. Behind a \
         proxy that is not listed, all callers share its address and its limits.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.drain",
        "Time for which a stopping process still accepts requests, so that load balancers can take it out first.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.workers",
        "Number of threads that process requests. `0` means one per core.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.docs",
        "`true` serves the API reference at `/docs`. `/openapi.json` is served in any case.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.write_timeout",
        "Time after which a connection is closed if its peer reads nothing of a response. At least `1s`.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.connections",
        "Open connections allowed at a time; further ones are closed on arrival. The limit of open files (`ulimit \
         -n`) caps it. `0` leaves only that cap.",
    ),
    Setting::new(
        EVERYWHERE,
        "http.connections_per_peer",
        "Open connections allowed per address (IPv6: per /64 network), except for `http.trusted_proxies`. `0` \
         means no limit.",
    ),
    Setting::new(
        EVERYWHERE,
        "limits.requests_per_client",
        "Requests allowed per client per second, in one process. Further ones get status 429. `0` means no limit.",
    ),
    Setting::new(
        EVERYWHERE,
        "limits.requests_per_user",
        "Requests allowed per user per second, in one process. Further ones get status 429. `0` means no limit.",
    ),
    Setting::new(
        SERVICES,
        "store.mongodb_uri_file",
        "File with the MongoDB URI. The URI must not weaken the read and write concerns.",
    )
    .required(),
    Setting::new(
        SERVICES,
        "store.allow_insecure",
        "`true` accepts MongoDB on another machine without TLS, or with TLS that does not verify certificates. An \
         attacker on that network can then read and change all data.",
    ),
    Setting::new(SERVICES, "store.database", "Name of the MongoDB database."),
    Setting::new(
        SERVICES,
        "store.connections",
        "Connections allowed to each MongoDB server. At least 1.",
    ),
    Setting::new(
        SERVICES,
        "kafka.brokers",
        "`host:port` of one or more Kafka brokers, separated by commas.",
    )
    .required(),
    Setting::new(
        SERVICES,
        "kafka.security",
        "Protection of the connections to Kafka: `plaintext`, `tls`, or `scram` (SASL/SCRAM over TLS). `tls` and \
         `scram` need a build with the feature `kafka-tls`.",
    )
    .one_of(&["plaintext", "tls", "scram"]),
    Setting::new(
        SERVICES,
        "kafka.allow_insecure",
        "`true` accepts `plaintext` to brokers on another machine. An attacker on that network can then read and \
         forge events.",
    ),
    Setting::new(
        SERVICES,
        "kafka.ca_file",
        "CA certificates (PEM) that verify the brokers. Unset: the system's certificates.",
    ),
    Setting::new(
        SERVICES,
        "kafka.certificate_file",
        "Client certificate (PEM) for the brokers. Requires `kafka.key_file`.",
    ),
    Setting::new(
        SERVICES,
        "kafka.key_file",
        "Private key (PEM) of the client certificate.",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_mechanism",
        "`SCRAM-SHA-256` or `SCRAM-SHA-512`. Required with `scram`.",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_username",
        "User name at the brokers. Required with `scram`.",
    ),
    Setting::new(
        SERVICES,
        "kafka.sasl_password_file",
        "File with the password of that user. Required with `scram`.",
    ),
    Setting::new(
        SERVICES,
        "kafka.partitions",
        "Partitions of each topic that `--create-topics` creates. At least 1.",
    ),
    Setting::new(
        SERVICES,
        "kafka.replication",
        "Replication factor of each topic that `--create-topics` creates. At least 1.",
    ),
    Setting::new(
        EVERYWHERE,
        "tokens.issuer",
        "Claim `iss` of access tokens. A token with another value is rejected.",
    )
    .required(),
    Setting::new(
        EVERYWHERE,
        "tokens.audience",
        "Claim `aud` of access tokens. A token with another value is rejected.",
    )
    .required(),
    Setting::new(
        EVERYWHERE,
        "tokens.typ",
        "Header `typ` of access tokens: `at+jwt` (RFC 9068), `JWT` or `none`. A token with another value is \
         rejected.",
    ),
    Setting::new(
        EVERYWHERE,
        "tokens.longest_access_token_lifetime",
        "Upper limit of the access token lifetime of every client. A token with a longer lifetime is rejected. At \
         least `1s`.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.access_token_lifetime",
        "Lifetime of access tokens, unless the client has its own. At least `1s`, at most \
         `tokens.longest_access_token_lifetime`.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.validation_token_lifetime",
        "Lifetime of validation tokens, from the SAML login to the redemption. At least `1s`.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_absolute_lifetime",
        "Time after which a session ends, however often it was renewed. At least `1s`.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_idle_lifetime",
        "Time after which a session ends if it was not renewed. At least `1s`.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.refresh_grace",
        "Time for which the previous refresh token still gets the same successor, so that a lost response logs no \
         user out. After it, the previous token counts as stolen. `0s` allows no reuse.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.new_sessions_per_minute",
        "Sessions that one client may start for one user per minute, in one process. Further ones get status 429. \
         `0` means no limit.",
    ),
    Setting::new(
        ISSUERS,
        "tokens.query_tokens",
        "`true` also accepts the token of a renewal in the query, which access logs of proxies record. `false` \
         accepts it only in the body.",
    ),
    Setting::new(
        ISSUERS,
        "login.failures_per_client",
        "Failed logins allowed per client ID per minute, in one process. Once exceeded, addresses that failed \
         with this client ID are rate-limited to one failure per minute. At least 1.",
    ),
    Setting::new(
        ISSUERS,
        "login.failures_per_peer",
        "Failed logins allowed per address per minute (IPv6: per /64 network), in one process. Once exceeded, \
         logins from it get status 429. At least 1.",
    ),
    Setting::new(
        ISSUERS,
        "saml.default_roles",
        "Roles of a user created by a SAML login. Administrator roles are not allowed.",
    ),
    Setting::new(
        SERVICES,
        "keys.directory",
        "Folder with `<kid>.pem` and `manifest.json`, as `authme keys` writes it. The service `tokens` signs with \
         these keys; the others verify.",
    )
    .with_requirement(Requirement::RequiredUnless("keys.url")),
    Setting::new(
        VERIFIERS,
        "keys.url",
        "URL of the key set of the service `tokens`, `…/security/iam/v1/.well-known/jwks.json`. Takes precedence \
         over `keys.directory`.",
    ),
    Setting::new(
        VERIFIERS,
        "keys.ca_file",
        "CA certificates (PEM) that verify the server of `keys.url`. Unset: the system's certificates.",
    ),
    Setting::new(
        VERIFIERS,
        "keys.allow_insecure",
        "`true` accepts plain HTTP to another machine in `keys.url`. An attacker on that network can then forge \
         access tokens.",
    ),
    Setting::new(
        VERIFIERS,
        "keys.longest_age",
        "Age at which a key set that could not be fetched again is dropped. The service then answers 503 to every \
         request with a token and is not ready. At least `1m`.",
    ),
    Setting::new(
        ISSUERS,
        "keys.cache_time",
        "Time for which verifiers may cache the key set. A new key is published at least this long before it signs.",
    ),
    Setting::new(
        TOKENS,
        "secrets.refresh_file",
        "File with the keys that sign refresh tokens, 64 hexadecimal digits per line. The first key signs, and \
         all of them verify.",
    )
    .required(),
    Setting::new(
        FACTORS,
        "secrets.codes_file",
        "File with the key of the digests of one-time codes, 64 hexadecimal digits.",
    )
    .required(),
    Setting::new(
        SENDERS,
        "delivery.file",
        "File to which codes are written, one JSON object per line, when no server for them is configured. For \
         local use only.",
    ),
    Setting::new(
        SENDERS,
        "delivery.within",
        "Time limit for the delivery of one message, including retries. At least `1s`.",
    ),
    Setting::new(
        SENDERS,
        "delivery.texts",
        "Message templates for clients without their own: `pt`, `en`, or a file name of \
         `delivery.texts_directory` without `.toml`.",
    ),
    Setting::new(
        SENDERS,
        "delivery.texts_directory",
        "Folder with message templates, `NAME.toml` with `subject`, `mail` and `text_message`.",
    ),
    Setting::new(
        SENDERS,
        "smtp.host",
        "Mail server (SMTP) for codes to e-mail addresses.",
    )
    .with_requirement(Requirement::RequiredUnless("delivery.file")),
    Setting::new(SENDERS, "smtp.port", "Port of the mail server."),
    Setting::new(
        SENDERS,
        "smtp.security",
        "Protection of the connection to the mail server: `starttls`, `tls`, `none` \
         (unencrypted, only to the same machine) or `none-anywhere` (unencrypted).",
    )
    .one_of(&["starttls", "tls", "none", "none-anywhere"]),
    Setting::new(
        SENDERS,
        "smtp.from",
        "Sender of the e-mails: an address, or a name followed by an address in angle brackets. Required with \
         `smtp.host`.",
    ),
    Setting::new(
        SENDERS,
        "smtp.user",
        "User name at the mail server. Requires `smtp.password_file`.",
    ),
    Setting::new(SENDERS, "smtp.password_file", "File with the password of that user."),
    Setting::new(
        SENDERS,
        "smtp.ca_file",
        "CA certificates (PEM) that verify the mail server. Unset: the system's certificates.",
    ),
    Setting::new(
        SENDERS,
        "sms.url",
        "URL of the SMS gateway for codes to mobile numbers. Each message is a signed POST request.",
    )
    .with_requirement(Requirement::RequiredUnless("delivery.file")),
    Setting::new(
        SENDERS,
        "sms.signing_key_file",
        "File with the key of the signature (HMAC-SHA-256). Required with `sms.url`.",
    ),
    Setting::new(
        SENDERS,
        "sms.content_type",
        "Header `Content-Type` of the request. Unset: `application/json`.",
    ),
    Setting::new(
        SENDERS,
        "sms.body",
        "Template of the request body. Unset: `{\"to\":{{ to }},\"text\":{{ text }}}`.",
    ),
    Setting::new(
        SENDERS,
        "sms.header",
        "Name of an additional header that the gateway requires, such as one for an API key. Requires \
         `sms.header_file`.",
    ),
    Setting::new(SENDERS, "sms.header_file", "File with the value of that header."),
    Setting::new(
        SENDERS,
        "codes.lifetime",
        "Lifetime of a one-time code. At least `1s`, at most `10m` (NIST SP 800-63B, 3.1.3.2).",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_challenge",
        "Attempts allowed per code, right or wrong. At least 1.",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_contact",
        "Attempts allowed per contact in 24 hours, over all its codes. At least 1.",
    ),
    Setting::new(
        SENDERS,
        "codes.attempts_per_user",
        "Attempts allowed per user in 24 hours, over all contacts. At least 1.",
    ),
    Setting::new(
        SENDERS,
        "codes.sends_per_destination",
        "Codes allowed to one address or number in ten minutes. At least 1.",
    ),
    Setting::new(
        SENDERS,
        "codes.sends_per_user",
        "Codes allowed for one user in 24 hours. At least 1.",
    ),
    Setting::new(
        SERVICES,
        "relay.lease",
        "Time after which another process takes over the outbox of a relay that crashed. At least \
         `1s`.",
    ),
    Setting::new(EVERYWHERE, "log.format", "Format of the log: `json` or `text`.").one_of(&["json", "text"]),
    Setting::new(
        EVERYWHERE,
        "log.filter",
        "Levels that are logged, for all modules or for one, such as `info` or `info,mongodb=warn`.",
    ),
];
