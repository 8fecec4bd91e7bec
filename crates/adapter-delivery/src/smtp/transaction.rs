//! One mail over an open connection, command by command: which of them the server refuses tells whether another mail can
//! succeed.

use std::error::Error as _;

use lettre::address::{Address, Envelope};
use lettre::transport::smtp;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use crate::error::SendError;

/// Statuses that are never about the recipient (RFC 5321 section 4.2.2, RFC 4954 section 6): commands that are not
/// understood or out of order, and a login that is missing or insufficient.
const ABOUT_THE_SESSION: [u16; 7] = [500, 502, 503, 504, 530, 535, 538];

/// Sends the mail and returns when the server has accepted it.
pub(super) async fn send(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<(), SendError> {
    let parameters = mail_parameters(connection, envelope, mail)?;
    connection
        .command(Mail::new(envelope.from().cloned(), parameters))
        .await?;
    for recipient in envelope.to() {
        let rcpt = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        rcpt.map_err(recipient_error)?;
    }
    connection.command(Data).await?;
    connection.message(mail).await.map_err(content_error)?;
    Ok(())
}

/// Asks for SMTPUTF8 if an address has a local part beyond ASCII (RFC 6531 section 3.4). Its header field then is beyond
/// ASCII, too, which needs 8BITMIME; every server that offers the first offers the second (section 3.1).
fn mail_parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
) -> Result<Vec<MailParameter>, SendError> {
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    if mail.is_ascii() && envelope.to().iter().all(is_ascii) {
        return Ok(Vec::new());
    }
    let server = connection.server_info();
    if server.supports_feature(Extension::SmtpUtfEight) && server.supports_feature(Extension::EightBitMime) {
        let body = MailParameter::Body(MailBodyParameter::EightBitMime);
        Ok(vec![MailParameter::SmtpUtfEight, body])
    } else {
        Err(SendError::NoSmtpUtf8)
    }
}

/// Maps the answer to RCPT. A permanent one is about the recipient, unless its enhanced status (RFC 3463) names the mail
/// system (X.3), the protocol (X.5) or a policy (X.7): a relay that AuthMe may not use answers `554 5.7.1` to every
/// recipient, and the operator has to correct that.
fn recipient_error(error: smtp::Error) -> SendError {
    match error.status().map(u16::from) {
        Some(status)
            if status >= 500
                && !ABOUT_THE_SESSION.contains(&status)
                && !matches!(enhanced_subject(&error), Some(3 | 5 | 7)) =>
        {
            SendError::RecipientRefused(status)
        }
        _ => error.into(),
    }
}

/// Maps the answer to the content. It is about the recipient only if its enhanced status names the address (X.1): some
/// servers check a recipient after the content.
fn content_error(error: smtp::Error) -> SendError {
    match error.status().map(u16::from) {
        Some(status) if status >= 500 && enhanced_subject(&error) == Some(1) => SendError::RecipientRefused(status),
        _ => error.into(),
    }
}

/// Returns the second number of the enhanced status that the text of the answer begins with: 7 of `5.7.1 denied`.
fn enhanced_subject(error: &smtp::Error) -> Option<u16> {
    let text = error.source()?.to_string();
    let mut numbers = text.split_whitespace().next()?.split('.');
    let class = numbers.next()?;
    let subject = numbers.next()?.parse().ok()?;
    let detail: Result<u16, _> = numbers.next()?.parse();
    (class == "5" && detail.is_ok() && numbers.next().is_none()).then_some(subject)
}
