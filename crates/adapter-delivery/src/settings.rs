use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

/// How codes reach their users.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    pub mail: MailRoute,
    pub text_message: TextMessageRoute,
    pub texts: TextsSettings,
    /// A message that is not handed over within this time has failed: waiting for its turn and all tries together.
    pub within: Duration,
}

impl DeliverySettings {
    /// Texts in Portuguese, and ten seconds for a message, unless that is changed.
    pub fn new(mail: MailRoute, text_message: TextMessageRoute) -> Self {
        Self {
            mail,
            text_message,
            texts: TextsSettings::default(),
            within: Duration::from_secs(10),
        }
    }

    /// The file that at least some codes are written into, where there is one.
    pub fn file(&self) -> Option<&Path> {
        match (&self.mail, &self.text_message) {
            (MailRoute::File(file), _) | (_, TextMessageRoute::File(file)) => Some(file),
            (MailRoute::Smtp(_), TextMessageRoute::Gateway(_)) => None,
        }
    }

    /// Every code into this file, and none to a user: for local use.
    pub fn local(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        Self::new(MailRoute::File(file.clone()), TextMessageRoute::File(file))
    }
}

#[derive(Debug, Clone)]
pub enum MailRoute {
    Smtp(SmtpSettings),
    File(PathBuf),
}

#[derive(Debug, Clone)]
pub enum TextMessageRoute {
    Gateway(SmsGatewaySettings),
    File(PathBuf),
}

/// Which words go around a code.
#[derive(Debug, Clone)]
pub struct TextsSettings {
    /// The name of the texts for a client that chose none. `pt` and `en` are built in.
    pub default: String,
    /// A folder of files `NAME.toml`, each of which adds the texts of that name or takes the place of built-in ones. It
    /// has three keys: `subject` and `mail` of a mail, and `text_message`. `{{ code }}`, `{{ minutes }}` (how long the
    /// code is valid) and `{{ client }}` (the id of the client) are filled in.
    pub directory: Option<PathBuf>,
}

impl Default for TextsSettings {
    fn default() -> Self {
        Self {
            default: "pt".to_owned(),
            directory: None,
        }
    }
}

/// A mail server, and who writes.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    /// Nobody logs in unless given.
    pub login: Option<SmtpLogin>,
    /// An address, or a name with an address in angle brackets.
    pub from: String,
    /// Who may have signed the server's certificate, as a PEM file; unless given, whom the system trusts.
    pub ca_file: Option<PathBuf>,
}

impl SmtpSettings {
    /// STARTTLS on port 587 and no login, unless that is changed.
    pub fn new(host: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 587,
            security: SmtpSecurity::StartTls,
            login: None,
            from: from.into(),
            ca_file: None,
        }
    }
}

/// How a connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Begins in the clear, and sends nothing before it is under TLS (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Neither secret nor authenticated, and so refused for any host but this machine itself, unless `anywhere`.
    None { anywhere: bool },
}

/// A user of the mail server.
#[derive(Debug, Clone)]
pub struct SmtpLogin {
    pub user: String,
    pub password: Secret,
}

/// An HTTP gateway that sends text messages.
///
/// It is sent a POST with these headers: `Idempotency-Key`, which is the same for every try of one message and no other;
/// `AuthMe-Timestamp`, when the code was made, in seconds since 1970 (UTC); and `AuthMe-Signature`, which is `v1=` and in
/// hexadecimal digits the HMAC-SHA-256 of the timestamp, a dot and the body, under the signing key. A receiver compares
/// the signature in constant time, refuses a timestamp more than a few minutes from its own clock, and answers a key that
/// it has seen like the first time. Any 2xx says that it took the message; 408, 429, 5xx and a connection that breaks are
/// tried again, any other 4xx and no answer are not. Redirects are not followed.
#[derive(Debug, Clone)]
pub struct SmsGatewaySettings {
    /// https, unless it is this machine itself.
    pub url: String,
    pub content_type: String,
    /// `{{ to }}` (the number, as `+5511911112222`), `{{ text }}`, `{{ code }}`, `{{ minutes }}`, `{{ client }}` and
    /// `{{ challenge_id }}` are filled in. In a body of JSON each becomes a JSON string or number by itself; in one of a
    /// form say `{{ text|urlencode }}`.
    pub body: String,
    /// At least sixteen bytes.
    pub signing_key: Secret,
    /// A header of the gateway's own, such as its API key.
    pub header: Option<(String, Secret)>,
}

impl SmsGatewaySettings {
    /// `{"to": …, "text": …}` as JSON, unless that is changed.
    pub fn new(url: impl Into<String>, signing_key: Secret) -> Self {
        Self {
            url: url.into(),
            content_type: "application/json".to_owned(),
            body: r#"{"to":{{ to }},"text":{{ text }}}"#.to_owned(),
            signing_key,
            header: None,
        }
    }
}

/// A password or a key. It prints nothing.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret as it is: the end of a file's line is no part of it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_nothing() {
        let mut smtp = SmtpSettings::new("mail.example", "a@example.com");
        smtp.login = Some(SmtpLogin {
            user: "authme".to_owned(),
            password: Secret::new("hunter2"),
        });
        let mut gateway = SmsGatewaySettings::new("https://sms.example", Secret::new("hunter2"));
        gateway.header = Some(("X-Api-Key".to_owned(), Secret::new("hunter2")));
        let settings = DeliverySettings::new(MailRoute::Smtp(smtp), TextMessageRoute::Gateway(gateway));
        let printed = format!("{settings:?}");
        assert!(
            printed.contains("X-Api-Key") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
