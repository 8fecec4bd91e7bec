use std::fs;
use std::path::PathBuf;

use adapter_delivery::{Secret, SmtpLogin, SmtpSecurity, SmtpSettings};
use ports::factors::CodeMessage;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The mail server of the tests, as it describes itself (`crates/xtask/src/servers/smtp.py`).
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

/// A mail as the server took it.
#[derive(Debug, Deserialize)]
pub(crate) struct Taken {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    /// The version, when it came by TLS.
    pub(crate) tls: Option<String>,
    pub(crate) login: Option<String>,
    /// Decoded.
    pub(crate) headers: Map<String, Value>,
    /// Decoded.
    pub(crate) text: String,
    pub(crate) raw: String,
}

impl MailServer {
    pub(crate) fn described_in(file: &str) -> Self {
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
        self.settings(SmtpSecurity::None { anywhere: false }, self.plain_port)
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

    /// The mails of a challenge. The server has each before it says so.
    pub(crate) fn taken(&self, message: &CodeMessage) -> Vec<Taken> {
        let paths = fs::read_dir(&self.mails).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        let all = paths.iter().map(|path| {
            let taken: Taken = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            taken
        });
        let id = format!("<{}@auth.example>", message.challenge.as_str());
        all.filter(|taken| taken.headers["Message-ID"] == id.as_str()).collect()
    }

    /// The one mail of a challenge.
    pub(crate) fn taken_once(&self, message: &CodeMessage) -> Taken {
        let mut taken = self.taken(message);
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    }
}
