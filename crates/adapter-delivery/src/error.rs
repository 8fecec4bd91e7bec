use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use lettre::transport::smtp;
use minijinja::ErrorKind;

use crate::templates::TemplateError;

/// Why nothing can be delivered with these settings. It never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no way for some codes: set `{0}`, or `delivery.file` to write them into a file")]
    NoRoute(&'static str),
    #[error("`{0}` is missing, which belongs to the other settings of its section")]
    Missing(&'static str),
    #[error("mail cannot be sent from `{0}`: a mail address, or a name with one in angle brackets, is expected")]
    From(String),
    #[error("mail to `{0}` would go unprotected: use starttls or tls, or allow none for any host")]
    PlaintextMail(String),
    #[error("no TLS can be set up for the mail server")]
    MailTls(#[source] smtp::Error),
    #[error("`{path}` holds no certificate as PEM")]
    NoCertificate { path: PathBuf },
    #[error("the URL of the gateway must be https (or http on this machine), and hold neither a name nor a password")]
    GatewayUrl,
    #[error("the signing key of the gateway is shorter than {at_least} bytes")]
    ShortSigningKey { at_least: usize },
    #[error("`{0}` cannot be a header of the gateway: its name or its value is not allowed, or AuthMe sets it itself")]
    GatewayHeader(String),
    #[error("`{0}` is no content type")]
    GatewayContentType(String),
    #[error("the body for the gateway is refused")]
    GatewayBody(#[source] TemplateError),
    #[error("the body for the gateway is no JSON once it is filled in: write {{{{ text }}}} without quotation marks")]
    GatewayBodyNotJson,
    #[error("no client can be set up for the gateway")]
    GatewayClient(#[source] reqwest::Error),
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file of a secret cannot be used")]
    SecretFile(#[source] Box<dyn Error + Send + Sync>),
    #[error("`{path}` cannot be written")]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` holds no texts: the keys subject, mail and text_message are expected")]
    Texts {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("the {part} of the texts `{name}` is refused")]
    Text {
        name: String,
        part: &'static str,
        #[source]
        source: TemplateError,
    },
    #[error("the subject of the texts `{0}` is more than one line")]
    LongSubject(String),
    #[error("there are no texts of the name `{name}`, only {known}")]
    NoSuchTexts { name: String, known: String },
}

impl OpenError {
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why a message was not handed over. It holds neither the code nor the contact: a server repeats them in its answer, so
/// of that only the number is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the mail server cannot be reached")]
    MailServerAway(#[source] io::Error),
    #[error("the mail server cannot be spoken to")]
    MailServer(#[source] smtp::Error),
    #[error("the mail server answered {0}")]
    MailRefused(u16),
    #[error("the mail server answered what is no SMTP")]
    NoSmtp,
    #[error("the contact cannot be written as a mail address")]
    NoMailAddress,
    #[error("the mail cannot be composed")]
    Mail(#[source] lettre::error::Error),
    #[error("the gateway cannot be reached")]
    Gateway(#[source] reqwest::Error),
    #[error("the gateway answered {0}")]
    GatewayRefused(u16),
    #[error("the file cannot be written")]
    File(#[source] io::Error),
    #[error("there was no answer in time")]
    TooLate,
    #[error("the text cannot be filled in: {0}")]
    Text(ErrorKind),
    #[error("a contact of this type goes another way")]
    WrongRoute,
    #[error("it was broken off")]
    BrokenOff(#[source] Box<dyn Error + Send + Sync>),
}

impl SendError {
    /// Whether another try may end better.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::MailServer(failure) => !failure.is_client(),
            Self::MailRefused(status) => *status < 500,
            Self::GatewayRefused(status) => !(400..500).contains(status) || matches!(status, 408 | 429),
            Self::MailServerAway(_) | Self::NoSmtp | Self::Gateway(_) | Self::File(_) => true,
            Self::NoMailAddress
            | Self::Mail(_)
            | Self::Text(_)
            | Self::TooLate
            | Self::WrongRoute
            | Self::BrokenOff(_) => false,
        }
    }
}
