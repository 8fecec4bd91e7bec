use std::fs;
use std::path::PathBuf;

use adapter_delivery::{Secret, SmtpLogin, SmtpSecurity, SmtpSettings};
use ports::factors::CodeMessage;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The mail server of the tests, read from the description that `crates/test-servers/servers/smtp.py` writes.
#[derive(Clone, Deserialize)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) plain_port: u16,
    pub(crate) starttls_port: u16,
    pub(crate) tls_port: u16,
    user: String,
    password: String,
    ca_file: PathBuf,
    mails: PathBuf,
}

/// A mail that the server accepted.
#[derive(Debug, Deserialize)]
pub(crate) struct AcceptedMail {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    /// The TLS version, or `None` for a plaintext connection.
    pub(crate) tls: Option<String>,
    pub(crate) login: Option<String>,
    /// Decoded.
    pub(crate) headers: Map<String, Value>,
    /// Decoded.
    pub(crate) text: String,
    pub(crate) raw: String,
}

impl MailServer {
    pub(crate) fn read(file: &str) -> Self {
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }

    fn settings(&self, security: SmtpSecurity, port: u16) -> SmtpSettings {
        SmtpSettings {
            port,
            security,
            ca_file: Some(self.ca_file.clone()),
            ..SmtpSettings::new(self.host.clone(), "AuthMe <no-reply@auth.example>")
        }
    }

    pub(crate) fn starttls(&self) -> SmtpSettings {
        self.settings(SmtpSecurity::StartTls, self.starttls_port)
    }

    pub(crate) fn tls(&self) -> SmtpSettings {
        self.settings(SmtpSecurity::Tls, self.tls_port)
    }

    pub(crate) fn plain(&self) -> SmtpSettings {
        self.settings(
            SmtpSecurity::None {
                allows_remote_hosts: false,
            },
            self.plain_port,
        )
    }

    pub(crate) fn login(&self) -> SmtpLogin {
        self.login_with(&self.password)
    }

    pub(crate) fn login_with(&self, password: &str) -> SmtpLogin {
        SmtpLogin {
            user: self.user.clone(),
            password: Secret::new(password),
        }
    }

    /// Returns the mails of a challenge. The server stores a mail before it accepts it.
    pub(crate) fn mails(&self, message: &CodeMessage) -> Vec<AcceptedMail> {
        let paths = fs::read_dir(&self.mails).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        let all = paths.iter().map(|path| {
            let mail: AcceptedMail = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            mail
        });
        let id = format!("<{}@auth.example>", message.challenge.as_str());
        all.filter(|mail| mail.headers["Message-ID"] == id.as_str()).collect()
    }

    /// Returns the only mail of a challenge.
    pub(crate) fn only_mail(&self, message: &CodeMessage) -> AcceptedMail {
        let mut mails = self.mails(message);
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.remove(0)
    }
}
