use std::error::Error;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::error::OpenError;
use crate::settings::{
    DeliverySettings, MailRoute, Secret, SmsGatewaySettings, SmtpLogin, SmtpSecurity, SmtpSettings, TextMessageRoute,
    TextsSettings,
};

/// The sections `delivery`, `smtp` and `sms` of the settings, as an operator writes them. A secret is given as the path
/// of its file.
#[derive(Debug, Clone, Deserialize)]
pub struct DeliveryConfig {
    delivery: Delivery,
    smtp: Smtp,
    sms: Sms,
}

#[derive(Debug, Clone, Deserialize)]
struct Delivery {
    /// The file for codes of a contact type that has no server.
    file: Option<PathBuf>,
    /// The time limit of one message: waiting for a permit and all attempts together.
    #[serde(rename = "within", deserialize_with = "deserialize_time_limit")]
    time_limit: Duration,
    texts: String,
    texts_directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
struct Smtp {
    host: Option<String>,
    port: u16,
    security: Security,
    from: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Security {
    Starttls,
    Tls,
    None,
    NoneAnywhere,
}

#[derive(Debug, Clone, Deserialize)]
struct Sms {
    url: Option<String>,
    signing_key_file: Option<PathBuf>,
    content_type: Option<String>,
    body: Option<String>,
    header: Option<String>,
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

impl Smtp {
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

impl Sms {
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

fn deserialize_time_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok();
    let limit = parsed.and_then(|duration| Duration::try_from(duration).ok());
    let limit = limit.filter(|limit| *limit >= Duration::from_secs(1));
    limit.ok_or_else(|| D::Error::custom("expected a duration of at least 1s, such as 10s"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use super::*;

    fn read(path: &Path) -> io::Result<Zeroizing<String>> {
        fs::read_to_string(path).map(Zeroizing::new)
    }

    fn settings(toml: &str, file: Option<&str>) -> Result<DeliverySettings, String> {
        let defaults = "delivery = { within = '10s', texts = 'pt' }\n";
        let sections = format!(
            "{}\n{}\n{}",
            if toml.contains("[delivery]") { "" } else { defaults },
            toml,
            if toml.contains("[sms]") { "" } else { "[sms]" }
        );
        let config: DeliveryConfig = toml::from_str(&sections).map_err(|error| error.to_string())?;
        config
            .into_settings(file.map(PathBuf::from), read)
            .map_err(|error| error.to_string())
    }

    const NO_SERVER: &str = "[smtp]\nport = 587\nsecurity = 'starttls'";

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
            let chosen = format!("{server}\n[delivery]\nfile = '/chosen'\nwithin = '10s'\ntexts = 'pt'");
            let chosen = settings(&chosen, Some("/codes")).unwrap();
            assert_eq!(chosen.file(), Some(Path::new("/chosen")));
        }
    }

    #[test]
    fn time_limits_below_a_second_are_rejected() {
        let time_limit = |text: &str| {
            let toml = format!("{NO_SERVER}\n[delivery]\nwithin = '{text}'\ntexts = 'pt'");
            settings(&toml, Some("/codes")).map(|settings| settings.time_limit)
        };
        assert_eq!(time_limit("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(time_limit("2m"), Ok(Duration::from_mins(2)));
        for bad in ["999ms", "0s", "-10s", "10", "soon", ""] {
            let error = time_limit(bad).unwrap_err();
            assert!(error.contains("at least 1s"), "{bad}: {error}");
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
        let sms = Sms {
            url: Some("https://sms.example".to_owned()),
            signing_key_file: Some("/run/key".into()),
            content_type: None,
            body: None,
            header: None,
            header_file: None,
        };
        let line = |path: &Path| {
            assert_eq!(path, Path::new("/run/key"));
            Ok::<_, io::Error>(Zeroizing::new("correct horse\nbattery\n".to_owned()))
        };
        let config = |sms: &Sms| DeliveryConfig {
            delivery: Delivery {
                file: Some("/codes".into()),
                time_limit: Duration::from_secs(10),
                texts: "pt".to_owned(),
                texts_directory: None,
            },
            smtp: toml::from_str("port = 587\nsecurity = 'starttls'").unwrap(),
            sms: sms.clone(),
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
