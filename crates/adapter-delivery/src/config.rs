use std::error::Error;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::OpenError;
use crate::settings::{
    DeliverySettings, MailRoute, Secret, SmsGatewaySettings, SmtpLogin, SmtpSecurity, SmtpSettings, TextMessageRoute,
    TextsSettings,
};

/// The sections `delivery`, `smtp` and `sms` of the settings, as an operator writes them. A secret is given as the path
/// of its file.
#[derive(Debug, Clone, Default)]
pub struct DeliveryConfig {
    pub delivery: DeliverySection,
    pub smtp: SmtpSection,
    pub sms: SmsSection,
}

/// The delivery of one-time codes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "delivery")]
pub struct DeliverySection {
    /// File to which codes are written, one JSON object per line, when no server for them is configured. For local use
    /// only.
    file: Option<PathBuf>,
    /// Write codes in clear into a file although the server accepts requests from other machines (`http.listen` is not a
    /// loopback address).
    pub allow_insecure: bool,
    /// Time limit for the delivery of one message, including retries. At least `1s`.
    ///
    /// It covers waiting for a permit and all attempts together.
    #[serde(rename = "within", with = "duration")]
    #[schemars(with = "SignedDuration", extend("formatMinimum" = "1s"))]
    time_limit: Duration,
    /// Message templates for clients without their own: `pt`, `en`, or a file name of `delivery.texts_directory` without
    /// `.toml`.
    texts: String,
    /// Folder with message templates, `NAME.toml` with `subject`, `mail` and `text_message`.
    texts_directory: Option<PathBuf>,
}

impl Default for DeliverySection {
    fn default() -> Self {
        Self {
            file: None,
            allow_insecure: false,
            time_limit: Duration::from_secs(10),
            texts: "pt".to_owned(),
            texts_directory: None,
        }
    }
}

/// The mail server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "smtp")]
pub struct SmtpSection {
    /// Mail server (SMTP) for codes to e-mail addresses.
    #[schemars(extend("requiredUnless" = "delivery.file"))]
    host: Option<String>,
    /// Port of the mail server.
    port: u16,
    /// Protection of the connection to the mail server: `starttls`, `tls`, `none` (unencrypted, only to the same
    /// machine) or `none-anywhere` (unencrypted).
    security: Security,
    /// Sender of the e-mails: an address, or a name followed by an address in angle brackets. Required with `smtp.host`.
    from: Option<String>,
    /// User name at the mail server. Requires `smtp.password_file`.
    user: Option<String>,
    /// File with the password of that user.
    password_file: Option<PathBuf>,
    /// CA certificates (PEM) that verify the mail server. Unset: the system's certificates.
    ca_file: Option<PathBuf>,
}

impl Default for SmtpSection {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            security: Security::Starttls,
            from: None,
            user: None,
            password_file: None,
            ca_file: None,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Security {
    Starttls,
    Tls,
    None,
    NoneAnywhere,
}

/// The gateway for text messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "sms")]
pub struct SmsSection {
    /// URL of the SMS gateway for codes to mobile numbers. Each message is a signed POST request.
    #[schemars(extend("requiredUnless" = "delivery.file"))]
    url: Option<String>,
    /// File with the key of the signature (HMAC-SHA-256). Required with `sms.url`.
    signing_key_file: Option<PathBuf>,
    /// Header `Content-Type` of the request. Unset: `application/json`.
    content_type: Option<String>,
    /// Template of the request body. Unset: `{"to":{{ to }},"text":{{ text }}}`.
    body: Option<String>,
    /// Name of an additional header that the gateway requires, such as one for an API key. Requires `sms.header_file`.
    header: Option<String>,
    /// File with the value of that header.
    header_file: Option<PathBuf>,
}

impl DeliveryConfig {
    /// Resolves the sections to settings. Codes for a contact type without a server are written into
    /// `delivery.file`. Without any server, that file defaults to `local`. With only one of the two servers there is no
    /// default: codes for users would end up in a file that the operator did not ask for. `read` reads the text of a
    /// secret file, and must fail for a file that other users can read.
    pub fn into_settings<E: Error + Send + Sync + 'static>(
        mut self,
        local: Option<PathBuf>,
        read: impl Fn(&Path) -> Result<Zeroizing<String>, E>,
    ) -> Result<DeliverySettings, OpenError> {
        let secret = |path: &Path| {
            let text = read(path).map_err(|error| OpenError::SecretFile(Box::new(error)))?;
            Ok(Secret::new(text.lines().next().unwrap_or_default()))
        };
        let has_no_server = self.smtp.host.is_none() && self.sms.url.is_none();
        let file = mem::take(&mut self.delivery.file).or(local.filter(|_| has_no_server));
        let (smtp, gateway) = (self.smtp.settings(&secret)?, self.sms.settings(&secret)?);
        let mail = match smtp {
            Some(smtp) => MailRoute::Smtp(smtp),
            None => MailRoute::File(file.clone().ok_or(OpenError::NoRoute("smtp.host"))?),
        };
        let text_message = match gateway {
            Some(gateway) => TextMessageRoute::Gateway(gateway),
            None => TextMessageRoute::File(file.ok_or(OpenError::NoRoute("sms.url"))?),
        };
        Ok(DeliverySettings {
            texts: TextsSettings {
                default: self.delivery.texts,
                directory: self.delivery.texts_directory,
            },
            time_limit: self.delivery.time_limit,
            ..DeliverySettings::new(mail, text_message)
        })
    }
}

/// Reads the first line of a secret file.
type ReadSecret<'a> = &'a dyn Fn(&Path) -> Result<Secret, OpenError>;

impl SmtpSection {
    fn settings(self, secret: ReadSecret<'_>) -> Result<Option<SmtpSettings>, OpenError> {
        let Some(host) = self.host else { return Ok(None) };
        let from = self.from.ok_or(OpenError::Missing("smtp.from"))?;
        let login = match (self.user, self.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some(SmtpLogin {
                user,
                password: secret(&file)?,
            }),
            (None, Some(_)) => return Err(OpenError::Missing("smtp.user")),
            (Some(_), None) => return Err(OpenError::Missing("smtp.password_file")),
        };
        Ok(Some(SmtpSettings {
            port: self.port,
            security: match self.security {
                Security::Starttls => SmtpSecurity::StartTls,
                Security::Tls => SmtpSecurity::Tls,
                Security::None => SmtpSecurity::None {
                    allows_remote_hosts: false,
                },
                Security::NoneAnywhere => SmtpSecurity::None {
                    allows_remote_hosts: true,
                },
            },
            login,
            ca_file: self.ca_file,
            ..SmtpSettings::new(host, from)
        }))
    }
}

impl SmsSection {
    fn settings(self, secret: ReadSecret<'_>) -> Result<Option<SmsGatewaySettings>, OpenError> {
        let Some(url) = self.url else { return Ok(None) };
        let key = self
            .signing_key_file
            .ok_or(OpenError::Missing("sms.signing_key_file"))?;
        let header = match (self.header, self.header_file) {
            (None, None) => None,
            (Some(name), Some(file)) => Some((name, secret(&file)?)),
            (None, Some(_)) => return Err(OpenError::Missing("sms.header")),
            (Some(_), None) => return Err(OpenError::Missing("sms.header_file")),
        };
        let standard = SmsGatewaySettings::new(url, secret(&key)?);
        Ok(Some(SmsGatewaySettings {
            content_type: self.content_type.unwrap_or(standard.content_type),
            body: self.body.unwrap_or(standard.body),
            header,
            ..standard
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use super::*;

    fn read(path: &Path) -> io::Result<Zeroizing<String>> {
        fs::read_to_string(path).map(Zeroizing::new)
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sections {
        delivery: DeliverySection,
        smtp: SmtpSection,
        sms: SmsSection,
    }

    fn settings(toml: &str, file: Option<&str>) -> Result<DeliverySettings, String> {
        let Sections { delivery, smtp, sms } = toml::from_str(toml).map_err(|error| error.to_string())?;
        let config = DeliveryConfig { delivery, smtp, sms };
        config
            .into_settings(file.map(PathBuf::from), read)
            .map_err(|error| error.to_string())
    }

    const NO_SERVER: &str = "[smtp]";

    #[test]
    fn codes_are_written_into_the_file_without_servers() {
        let local = settings(NO_SERVER, Some("/codes")).unwrap();
        assert!(matches!(&local.mail, MailRoute::File(path) if path == Path::new("/codes")));
        assert!(matches!(&local.text_message, TextMessageRoute::File(path) if path == Path::new("/codes")));
        let error = settings(NO_SERVER, None).unwrap_err();
        assert!(error.contains("smtp.host"), "{error}");
    }

    #[test]
    fn one_server_requires_the_other_or_a_file() {
        let key = tempfile::NamedTempFile::new().unwrap();
        fs::write(key.path(), "0123456789abcdef\n").unwrap();
        let mail = format!("{NO_SERVER}\nhost = 'mail.example'\nfrom = 'a@example.com'");
        let gateway = format!(
            "{NO_SERVER}\n[sms]\nurl = 'https://sms.example'\nsigning_key_file = '{}'",
            key.path().display()
        );
        for (server, other) in [(&mail, "sms.url"), (&gateway, "smtp.host")] {
            for local in [None, Some("/codes")] {
                let error = settings(server, local).unwrap_err();
                assert!(error.contains(&format!("set `{other}`, or `delivery.file`")), "{error}");
            }
            let chosen = format!("{server}\n[delivery]\nfile = '/chosen'");
            let chosen = settings(&chosen, Some("/codes")).unwrap();
            assert_eq!(chosen.file(), Some(Path::new("/chosen")));
        }
    }

    #[test]
    fn an_incomplete_section_is_rejected() {
        for (more, missing) in [
            ("host = 'mail.example'", "smtp.from"),
            (
                "host = 'mail.example'\nfrom = 'a@example.com'\nuser = 'u'",
                "smtp.password_file",
            ),
            (
                "host = 'mail.example'\nfrom = 'a@example.com'\npassword_file = '/p'",
                "smtp.user",
            ),
            ("[sms]\nurl = 'https://sms.example'", "sms.signing_key_file"),
        ] {
            let error = settings(&format!("{NO_SERVER}\n{more}"), Some("/codes")).unwrap_err();
            assert!(error.contains(missing), "{more}: {error}");
        }
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file() {
        let sms = SmsSection {
            url: Some("https://sms.example".to_owned()),
            signing_key_file: Some("/run/key".into()),
            ..SmsSection::default()
        };
        let line = |path: &Path| {
            assert_eq!(path, Path::new("/run/key"));
            Ok::<_, io::Error>(Zeroizing::new("correct horse\nbattery\n".to_owned()))
        };
        let config = |sms: &SmsSection| DeliveryConfig {
            delivery: DeliverySection {
                file: Some("/codes".into()),
                ..DeliverySection::default()
            },
            sms: sms.clone(),
            ..DeliveryConfig::default()
        };
        let settings = config(&sms).into_settings(None, line).unwrap();
        let TextMessageRoute::Gateway(gateway) = settings.text_message else {
            panic!("no gateway");
        };
        assert_eq!(gateway.signing_key.reveal(), "correct horse");
        let unreadable = |_: &Path| Err(io::Error::other("others may read it"));
        let error = config(&sms).into_settings(None, unreadable).unwrap_err();
        assert!(error.source().unwrap().to_string().contains("others may read it"));
    }
}
