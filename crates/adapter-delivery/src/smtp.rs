//! Sends codes by mail.

mod connections;
mod guarded_stream;
mod transaction;

use std::time::SystemTime;

use async_trait::async_trait;
use domain::contact::{ContactValue, Email};
use lettre::Message;
use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};

use crate::error::{OpenError, SendError};
use crate::settings::SmtpSettings;
use crate::transport::{RenderedMessage, Transport};
use connections::Connections;

/// A header that asks automatic responders not to answer (RFC 3834 section 5).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Sends mail through one server, which relays it to every recipient.
pub(crate) struct SmtpDelivery {
    from: Mailbox,
    connections: Connections,
}

impl SmtpDelivery {
    pub(crate) fn open(settings: SmtpSettings) -> Result<Self, OpenError> {
        let from = sender(&settings.from)?;
        let domain = from.email.domain().to_owned();
        Ok(Self {
            from,
            connections: Connections::new(settings, domain)?,
        })
    }

    fn mail(&self, rendered: &RenderedMessage) -> Result<Message, SendError> {
        let message = &rendered.message;
        let ContactValue::Email(email) = &message.to else {
            return Err(SendError::WrongRoute);
        };
        let to: Address = email.as_str().parse().map_err(|_| SendError::NoMailAddress)?;
        // Every attempt has the same id, so mail systems can recognize a repeat.
        let id = format!("<{}@{}>", message.challenge.as_str(), self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(rendered.subject.as_deref().unwrap_or_default())
            .date(SystemTime::from(message.sent_at))
            .message_id(Some(id))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            // A part adds `MIME-Version`, which a body alone does not (RFC 2045 section 4).
            .singlepart(SinglePart::plain(rendered.text.clone()))
            .map_err(SendError::Mail)
    }
}

/// Parses the sender. Its domain becomes A-labels, and its local part must be ASCII: otherwise every mail, to whomever,
/// would need a server with SMTPUTF8.
fn sender(text: &str) -> Result<Mailbox, OpenError> {
    let rejected = || OpenError::From(text.to_owned());
    let mut from: Mailbox = text.parse().map_err(|_| rejected())?;
    if !AsRef::<str>::as_ref(&from.email).is_ascii() {
        let converted = Email::parse(from.email.as_ref()).map_err(|_| rejected())?;
        from.email = converted.as_str().parse().map_err(|_| rejected())?;
    }
    if from.email.user().is_ascii() {
        Ok(from)
    } else {
        Err(rejected())
    }
}

#[async_trait]
impl Transport for SmtpDelivery {
    async fn send(&self, rendered: &RenderedMessage) -> Result<(), SendError> {
        let mail = self.mail(rendered)?;
        self.connections.send(mail.envelope(), &mail.formatted()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::settings::{Secret, SmtpLogin, SmtpSecurity};

    fn settings() -> SmtpSettings {
        SmtpSettings::new("mail.example", "AuthMe <no-reply@example.com>")
    }

    fn open_error(change: impl FnOnce(&mut SmtpSettings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        SmtpDelivery::open(settings)
            .err()
            .expect("the settings are rejected")
            .to_string()
    }

    fn rendered_message(to: ContactValue) -> RenderedMessage {
        RenderedMessage {
            message: fixtures::message(to),
            subject: Some("Código".to_owned()),
            text: "olá, 483920\n".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_mail_is_ascii_and_has_its_headers() {
        let smtp = SmtpDelivery::open(settings()).unwrap();
        let mail = smtp
            .mail(&rendered_message(fixtures::email("ana@example.com")))
            .unwrap();
        let mail = String::from_utf8(mail.formatted()).unwrap();
        assert!(mail.is_ascii(), "{mail}");
        for header in [
            "From: AuthMe <no-reply@example.com>\r\n",
            "To: ana@example.com\r\n",
            "Date: Mon, 23 Nov 2026 03:16:24 +0000\r\n",
            "Message-ID: <07070707070707070707070707070707@example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ] {
            assert!(mail.contains(header), "{header} {mail}");
        }
    }

    #[tokio::test]
    async fn only_the_recipient_of_a_mail_is_beyond_ascii() {
        let smtp = SmtpDelivery::open(settings()).unwrap();
        let mail = smtp
            .mail(&rendered_message(fixtures::email("josé@münchen.de")))
            .unwrap();
        let mail = String::from_utf8(mail.formatted()).unwrap();
        let beyond: Vec<&str> = mail.lines().filter(|line| !line.is_ascii()).collect();
        assert_eq!(beyond, ["To: josé@xn--mnchen-3ya.de"]);
    }

    #[tokio::test]
    async fn an_invalid_mail_address_fails_for_good() {
        let smtp = SmtpDelivery::open(settings()).unwrap();
        let error = smtp
            .mail(&rendered_message(fixtures::email("a..b@example.com")))
            .unwrap_err();
        assert!(matches!(error, SendError::NoMailAddress) && !error.is_transient());
        let error = smtp.mail(&rendered_message(fixtures::mobile())).unwrap_err();
        assert!(matches!(error, SendError::WrongRoute) && !error.is_transient());
    }

    #[test]
    fn a_sender_without_an_address_is_rejected() {
        for bad in ["", "AuthMe", "a@b@c", "AuthMe <>", "AuthMe <josé@example.com>"] {
            assert!(
                open_error(|settings| settings.from = bad.to_owned()).contains("is not a sender"),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_domain_of_a_sender_becomes_a_labels() {
        let from = sender("Boas-vindas São <no-reply@münchen.de>").unwrap();
        assert_eq!(from.email.to_string(), "no-reply@xn--mnchen-3ya.de");
    }

    #[test]
    fn plaintext_to_another_host_requires_permission() {
        let plaintext = |allows_remote_hosts| {
            move |settings: &mut SmtpSettings| settings.security = SmtpSecurity::None { allows_remote_hosts }
        };
        assert!(open_error(plaintext(false)).contains("`mail.example` would be sent unprotected"));
        let mut allowed = settings();
        plaintext(true)(&mut allowed);
        assert!(SmtpDelivery::open(allowed).is_ok());
        let mut local = settings();
        plaintext(false)(&mut local);
        local.host = "localhost".to_owned();
        assert!(SmtpDelivery::open(local).is_ok());
    }

    #[test]
    fn unreadable_certificate_authorities_are_rejected() {
        assert!(open_error(|settings| settings.ca_file = Some("/no/such/ca.pem".into())).contains("cannot be read"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no PEM").unwrap();
        assert!(open_error(|settings| settings.ca_file = Some(file)).contains("no certificate"));
    }

    #[test]
    fn errors_do_not_contain_the_password() {
        let error = open_error(|settings| {
            settings.security = SmtpSecurity::None {
                allows_remote_hosts: false,
            };
            settings.login = Some(SmtpLogin {
                user: "authme".to_owned(),
                password: Secret::new("hunter2"),
            });
        });
        assert!(!error.contains("hunter2"));
    }
}
