use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

/// The routes and texts of codes, and the time limit of a message.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    pub mail: MailRoute,
    pub text_message: TextMessageRoute,
    pub texts: TextsSettings,
    /// The time limit of one message: waiting for a permit and all attempts together.
    pub time_limit: Duration,
}

impl DeliverySettings {
    /// Returns settings with texts in Portuguese and ten seconds per message.
    pub fn new(mail: MailRoute, text_message: TextMessageRoute) -> Self {
        Self {
            mail,
            text_message,
            texts: TextsSettings::default(),
            time_limit: Duration::from_secs(10),
        }
    }

    /// Returns the file that some or all codes are written into, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match (&self.mail, &self.text_message) {
            (MailRoute::File(file), _) | (_, TextMessageRoute::File(file)) => Some(file),
            (MailRoute::Smtp(_), TextMessageRoute::Gateway(_)) => None,
        }
    }

    /// Returns settings that write every code into `file` and send none to a user. For local use.
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

/// The texts around a code.
#[derive(Debug, Clone)]
pub struct TextsSettings {
    /// The name of the texts for a client that chose none. `pt` and `en` are built in.
    pub default: String,
    /// A folder of files `NAME.toml`. Each one adds the texts of that name, or replaces the built-in ones. A file has
    /// three keys: `subject` and `mail` for a mail, and `text_message`. The placeholders are `{{ code }}`,
    /// `{{ minutes }}` (how long the code is valid) and `{{ client }}` (the client id).
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

/// A mail server, and the sender of the mails.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    /// The login, if the server requires one.
    pub login: Option<SmtpLogin>,
    /// An address, or a name with an address in angle brackets.
    pub from: String,
    /// A PEM file with the authorities that may have signed the server's certificate. Defaults to the authorities
    /// that the system trusts.
    pub ca_file: Option<PathBuf>,
}

impl SmtpSettings {
    /// Returns settings with STARTTLS on port 587 (RFC 6409) and without a login.
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

/// The protection of a connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Connects in the clear, and sends neither login nor mail before TLS is negotiated (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Plaintext: neither confidential nor authenticated. Refused for any host but this machine, unless
    /// `allows_remote_hosts` is set.
    None { allows_remote_hosts: bool },
}

/// A user of the mail server.
#[derive(Debug, Clone)]
pub struct SmtpLogin {
    pub user: String,
    pub password: Secret,
}

/// An HTTP gateway that sends text messages.
///
/// A message is a POST with these headers: `Idempotency-Key`, which is unique to the message and the same for all its
/// attempts; `AuthMe-Timestamp`, the time at which the code was created, in seconds since 1970 (UTC); `AuthMe-Signature`,
/// `v1=` followed by the hexadecimal HMAC-SHA-256, under the signing key, of the timestamp, a dot and the body.
///
/// A receiver compares the signature in constant time, refuses a timestamp that differs from its own clock by more than
/// a few minutes, and repeats its first answer for an idempotency key that it has seen before. Any 2xx accepts the
/// message. 400 and 422 refuse the number for good. Any other 4xx except 408 and 429 is final, too, but not about the
/// number, and so is a missing answer at the end of the time limit. After any
/// other status or a broken connection, the request is sent again. Redirects are not followed.
#[derive(Debug, Clone)]
pub struct SmsGatewaySettings {
    /// An https URL; http is accepted for this machine only.
    pub url: String,
    pub content_type: String,
    /// The template of the body. Placeholders are `{{ to }}` (the number, as `+5511911112222`), `{{ text }}`,
    /// `{{ code }}`, `{{ minutes }}`, `{{ client }}` and `{{ challenge_id }}`. In a JSON body each one becomes a JSON
    /// string or number, quotation marks included. In a form, write `{{ text|urlencode }}`.
    pub body: String,
    /// The key of the HMAC: at least 16 bytes (128 bits).
    pub signing_key: Secret,
    /// A header that the gateway requires, such as an API key.
    pub header: Option<(String, Secret)>,
}

impl SmsGatewaySettings {
    /// Returns settings with the JSON body `{"to": …, "text": …}`.
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

/// A password or a key. Its `Debug` output does not contain it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret verbatim. The caller removes the line break of a file.
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
    fn debug_output_hides_secrets() {
        let mut smtp = SmtpSettings::new("mail.example", "a@example.com");
        smtp.login = Some(SmtpLogin {
            user: "authme".to_owned(),
            password: Secret::new("hunter2"),
        });
        let mut gateway = SmsGatewaySettings::new("https://sms.example", Secret::new("hunter2"));
        gateway.header = Some(("X-Api-Key".to_owned(), Secret::new("hunter2")));
        let settings = DeliverySettings::new(MailRoute::Smtp(smtp), TextMessageRoute::Gateway(gateway));
        let output = format!("{settings:?}");
        assert!(output.contains("X-Api-Key") && !output.contains("hunter2"), "{output}");
    }
}
