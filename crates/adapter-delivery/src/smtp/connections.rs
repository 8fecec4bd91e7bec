use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::loopback::is_loopback;
use lettre::address::Envelope;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::guarded_stream::GuardedStream;
use super::transaction;
use crate::error::{OpenError, SendError};
use crate::settings::{SmtpSecurity, SmtpSettings};

/// The maximum number of idle connections kept for later mails: enough to save the TLS handshakes of a steady load.
const MAX_IDLE: usize = 4;

/// A connection that was idle for longer is closed when the next mail is sent, and not used. Servers close idle
/// connections after minutes (RFC 5321 section 4.5.3.2.7 recommends at least five).
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// The time limit of QUIT. A server answers it at once, or the connection is broken.
const QUIT_TIMEOUT: Duration = Duration::from_millis(500);

enum Protection {
    StartTls(TlsParameters),
    Tls(TlsParameters),
    None,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// The connections to one mail server.
///
/// A connection is owned by the mail that is sent over it, and returns to the pool only after the server accepted that
/// mail. A mail that is abandoned half-way therefore drops its connection, so its late answer is never taken for the
/// answer to another mail. (The pool of `lettre` keeps such a connection, and has only a connect timeout.)
pub(super) struct Connections {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    hello: ClientId,
    idle: Mutex<Vec<Idle>>,
}

impl Connections {
    /// Creates an empty pool. The client introduces itself as `domain` in EHLO.
    pub(super) fn new(settings: SmtpSettings, domain: String) -> Result<Self, OpenError> {
        Ok(Self {
            protection: protection(&settings)?,
            host: settings.host,
            port: settings.port,
            credentials: settings
                .login
                .map(|login| Credentials::new(login.user, login.password.reveal().to_owned())),
            hello: ClientId::Domain(domain),
            idle: Mutex::default(),
        })
    }

    /// Sends the mail and returns when the server has accepted it. The caller sets the time limit.
    pub(super) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), SendError> {
        let mut connection = self.acquire().await?;
        let sent = transaction::send(&mut connection, envelope, mail).await;
        match sent {
            Ok(()) => self.release(connection),
            Err(_) => quit(&mut connection).await,
        }
        sent
    }

    async fn acquire(&self) -> Result<AsyncSmtpConnection, SendError> {
        while let Some(mut connection) = self.pop_idle() {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        self.connect().await
    }

    fn pop_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE_TIME);
        Some(idle.pop()?.connection)
    }

    fn release(&self, connection: AsyncSmtpConnection) {
        let since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since });
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let address = (self.host.as_str(), self.port);
        let mut connection = match &self.protection {
            Protection::Tls(tls) => {
                AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, Some(tls.clone()), None).await?
            }
            Protection::StartTls(tls) => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(SendError::MailServerUnreachable)?;
                let stream = Box::new(GuardedStream::before_tls(stream));
                let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?;
                connection.starttls(tls.clone(), &self.hello).await?;
                connection
            }
            Protection::None => AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, None, None).await?,
        };
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await?;
        }
        Ok(connection)
    }
}

/// Says QUIT and closes the connection. The time limit keeps the error of a mail from being replaced by its time-out.
async fn quit(connection: &mut AsyncSmtpConnection) {
    let _ = timeout(QUIT_TIMEOUT, connection.abort()).await;
}

fn protection(settings: &SmtpSettings) -> Result<Protection, OpenError> {
    Ok(match settings.security {
        SmtpSecurity::StartTls => Protection::StartTls(tls(settings)?),
        SmtpSecurity::Tls => Protection::Tls(tls(settings)?),
        SmtpSecurity::None { allows_remote_hosts } if allows_remote_hosts || is_loopback(&settings.host) => {
            Protection::None
        }
        SmtpSecurity::None { .. } => return Err(OpenError::PlaintextMail(settings.host.clone())),
    })
}

fn tls(settings: &SmtpSettings) -> Result<TlsParameters, OpenError> {
    let builder = TlsParameters::builder(settings.host.clone());
    let builder = match &settings.ca_file {
        Some(file) => builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authorities(file)?),
        None => builder,
    };
    builder.build().map_err(OpenError::MailTls)
}

fn authorities(file: &Path) -> Result<Certificate, OpenError> {
    let pem = fs::read(file).map_err(|source| OpenError::unreadable(file, source))?;
    let none = || OpenError::NoCertificate { path: file.to_owned() };
    // lettre accepts a file without a certificate, and would then trust no server at all.
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(none());
    }
    Certificate::from_pem(&pem).map_err(|_| none())
}

impl From<smtp::Error> for SendError {
    fn from(error: smtp::Error) -> Self {
        match error.status() {
            Some(status) => Self::MailRefused(status.into()),
            // The text of this error quotes the answer, which may repeat the address.
            None if error.is_response() => Self::NoSmtp,
            None => Self::MailServer(error),
        }
    }
}
