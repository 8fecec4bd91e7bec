use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use lettre::transport::smtp;
use minijinja::ErrorKind;

use crate::templates::TemplateError;

/// The error of unusable delivery settings. The text never contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("some codes cannot be sent: set `{0}`, or `delivery.file` to write them into a file")]
    NoRoute(&'static str),
    #[error("`{0}` is missing; the other settings of its section require it")]
    Missing(&'static str),
    #[error(
        "`{0}` is not a sender: expected a mail address with an ASCII name before the @, or a name followed by one in \
         angle brackets"
    )]
    From(String),
    #[error("mail to `{0}` would be sent unprotected: use starttls or tls, or allow plaintext with none-anywhere")]
    PlaintextMail(String),
    #[error("TLS for the mail server cannot be set up")]
    MailTls(#[source] smtp::Error),
    #[error("`{path}` contains no certificate in PEM")]
    NoCertificate { path: PathBuf },
    #[error("the URL of the gateway must be https (or http on this machine), without a user name and password")]
    GatewayUrl,
    #[error("the signing key of the gateway is shorter than {at_least} bytes")]
    ShortSigningKey { at_least: usize },
    #[error("the gateway header `{0}` is not allowed: its name or value is invalid, or AuthMe sets it itself")]
    GatewayHeader(String),
    #[error("`{0}` is not a content type")]
    GatewayContentType(String),
    #[error("the body for the gateway is invalid")]
    GatewayBody(#[source] TemplateError),
    #[error("the body for the gateway is not JSON after it is filled in: write {{{{ text }}}} without quotation marks")]
    GatewayBodyNotJson,
    #[error("the HTTP client for the gateway cannot be set up")]
    GatewayClient(#[source] reqwest::Error),
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a secret file cannot be used")]
    SecretFile(#[source] Box<dyn Error + Send + Sync>),
    #[error("`{path}` cannot be written")]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is not a file of texts: the keys subject, mail and text_message are expected")]
    Texts {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("the {part} of the texts `{name}` is invalid")]
    Text {
        name: String,
        part: &'static str,
        #[source]
        source: TemplateError,
    },
    #[error("the subject of the texts `{0}` has more than one line")]
    LongSubject(String),
    #[error("there are no texts named `{name}`, only {known}")]
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

/// The error of an attempt to send a message. The text contains neither the code nor the contact. Servers repeat them in
/// their answers, so only the status of an answer is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the mail server cannot be reached")]
    MailServerUnreachable(#[source] io::Error),
    #[error("the connection to the mail server failed")]
    MailServer(#[source] smtp::Error),
    /// The answer to anything but the recipient: the connection, the login, the sender or the content.
    #[error("the mail server answered {0}")]
    MailRefused(u16),
    #[error("the mail server refused the recipient: it answered {0}")]
    RecipientRefused(u16),
    #[error("the mail server does not offer SMTPUTF8, which an address beyond ASCII needs")]
    NoSmtpUtf8,
    #[error("the answer of the mail server is not SMTP")]
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
    #[error("the message was not accepted within its time limit")]
    TimedOut,
    #[error("the text cannot be filled in: {0}")]
    Text(ErrorKind),
    #[error("the contact has another type than this route")]
    WrongRoute,
    #[error("the sending task was aborted or panicked")]
    Aborted(#[source] Box<dyn Error + Send + Sync>),
}

impl SendError {
    /// Returns whether another attempt can succeed. [`TimedOut`](Self::TimedOut) is final, because no time is left for
    /// another attempt.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::MailServer(error) => !error.is_client(),
            Self::MailRefused(status) => *status < 500,
            Self::GatewayRefused(status) => !(400..500).contains(status) || matches!(status, 408 | 429),
            Self::MailServerUnreachable(_) | Self::NoSmtp | Self::Gateway(_) | Self::File(_) => true,
            Self::RecipientRefused(_)
            | Self::NoSmtpUtf8
            | Self::NoMailAddress
            | Self::Mail(_)
            | Self::Text(_)
            | Self::TimedOut
            | Self::WrongRoute
            | Self::Aborted(_) => false,
        }
    }

    /// Returns whether the recipient is the reason, so that no attempt to reach them can succeed. Of a gateway's
    /// statuses, 400 and 422 mean that the request is refused for its content, of which only the number and the text
    /// vary. The others are about the gateway's own configuration, such as its credentials (401, 403) or its URL (404).
    pub(crate) fn is_about_recipient(&self) -> bool {
        match self {
            Self::RecipientRefused(_) | Self::NoSmtpUtf8 | Self::NoMailAddress => true,
            Self::GatewayRefused(status) => matches!(status, 400 | 422),
            _ => false,
        }
    }
}
