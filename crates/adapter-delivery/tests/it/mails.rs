use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use adapter_delivery::{CodeSender, DeliverySettings, MailRoute, SmtpSecurity, SmtpSettings, TextMessageRoute, open};
use ports::factors::{CodeDelivery as _, CodeMessage};
use tokio::net::TcpListener;

use crate::journal;
use crate::mail_server::MailServer;
use crate::messages::{CODE, WRONG_PASSWORD, address, error_chain, mail, mail_to};
use crate::relay::{Relay, hang_up, pass};

fn settings(smtp: SmtpSettings) -> DeliverySettings {
    let nowhere = TextMessageRoute::File("/dev/null".into());
    DeliverySettings::new(MailRoute::Smtp(smtp), nowhere)
}

fn sender(smtp: SmtpSettings) -> CodeSender {
    open(settings(smtp)).unwrap()
}

pub(crate) async fn a_code_arrives_by_starttls(server: MailServer) {
    let message = mail();
    sender(server.starttls()).deliver(&message).await.unwrap();
    let accepted = server.only_mail(&message);
    assert_eq!(accepted.tls.as_deref(), Some("TLSv1.3"));
    assert_eq!(accepted.login, None);
    assert_eq!(accepted.sender, "no-reply@auth.example");
    assert_eq!(accepted.recipients, [address(&message)]);
    for (name, value) in [
        ("From", "AuthMe <no-reply@auth.example>"),
        ("To", address(&message)),
        ("Subject", "O seu código de confirmação"),
        ("Date", "Mon, 23 Nov 2026 03:16:24 +0000"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Type", "text/plain; charset=\"utf-8\""),
    ] {
        assert_eq!(accepted.headers[name], value);
    }
    assert!(accepted.raw.is_ascii(), "{}", accepted.raw);
    let text = accepted.text.replace("\r\n", "\n");
    assert!(
        text.starts_with(&format!("Olá,\n\no seu código é {CODE}.\n\ncom.example.portal pediu")),
        "{text}"
    );
    assert!(text.contains("O código vale por 10 minutos."), "{text}");
}

pub(crate) async fn a_code_arrives_by_tls(server: MailServer) {
    let message = mail();
    sender(server.tls()).deliver(&message).await.unwrap();
    let accepted = server.only_mail(&message);
    assert_eq!(accepted.tls.as_deref(), Some("TLSv1.3"));
    assert!(accepted.text.contains(CODE), "{}", accepted.text);
}

pub(crate) async fn a_code_arrives_in_the_clear_on_this_machine(server: MailServer) {
    let message = mail();
    sender(server.plain()).deliver(&message).await.unwrap();
    let accepted = server.only_mail(&message);
    assert_eq!(accepted.tls, None);
    assert!(accepted.text.contains(CODE), "{}", accepted.text);
}

pub(crate) async fn a_configured_login_is_used(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let login = Some(server.login());
        sender(SmtpSettings { login, ..smtp }).deliver(&message).await.unwrap();
        assert_eq!(server.only_mail(&message).login.as_deref(), Some("authme"));
    }
}

pub(crate) async fn a_wrong_password_is_an_error(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let login = Some(server.login_with(WRONG_PASSWORD));
        let causes = error_chain(&sender(SmtpSettings { login, ..smtp }), &message).await;
        assert_eq!(causes[1], "the mail server answered 535");
        assert!(server.mails(&message).is_empty());
    }
}

pub(crate) async fn without_starttls_nothing_is_sent(server: MailServer) {
    let message = mail();
    let smtp = SmtpSettings {
        port: server.plain_port,
        ..server.starttls()
    };
    let causes = error_chain(&sender(smtp), &message).await;
    assert!(
        causes.iter().any(|cause| cause.contains("STARTTLS is not supported")),
        "{causes:?}"
    );
    assert!(server.mails(&message).is_empty());
}

/// The system does not trust the authority of the test server.
pub(crate) async fn an_untrusted_certificate_is_rejected(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let ca_file = None;
        let causes = error_chain(&sender(SmtpSettings { ca_file, ..smtp }), &message).await;
        assert!(causes.iter().any(|cause| cause.contains("certificate")), "{causes:?}");
        assert!(server.mails(&message).is_empty());
    }
}

/// An attacker on the path, who cannot read TLS, appends an answer before TLS begins (RFC 3207 section 6).
pub(crate) async fn answers_injected_after_starttls_are_ignored(server: MailServer) {
    let relay = Relay::to(server.starttls_port, |_| {
        Box::new(|answer| {
            if answer.starts_with(b"220 Ready to start TLS") {
                answer.extend_from_slice(b"250 injected\r\n");
            }
            ControlFlow::Continue(())
        })
    });
    let message = mail();
    let smtp = SmtpSettings {
        port: relay.await.port,
        ..server.starttls()
    };
    error_chain(&sender(smtp), &message).await;
    assert!(server.mails(&message).is_empty());
}

pub(crate) async fn connections_are_reused(server: MailServer) {
    for smtp in [server.starttls(), server.tls(), server.plain()] {
        let relay = Relay::to(smtp.port, |_| pass()).await;
        let port = relay.port;
        let sender = sender(SmtpSettings { port, ..smtp });
        for message in [mail(), mail(), mail()] {
            sender.deliver(&message).await.unwrap();
            server.only_mail(&message);
        }
        assert_eq!(relay.connections(), 1);
    }
}

/// The connection is cut by the NOOP that tests it before the second mail.
pub(crate) async fn a_broken_connection_is_replaced(server: MailServer) {
    let relay = Relay::to(server.plain_port, |number| {
        let (mut mail_has_begun, mut answers) = (false, 0);
        Box::new(move |answer| {
            mail_has_begun |= answer.starts_with(b"354");
            answers += usize::from(mail_has_begun);
            if number == 1 && answers == 3 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    });
    let relay = relay.await;
    let smtp = SmtpSettings {
        port: relay.port,
        ..server.plain()
    };
    let sender = sender(smtp);
    for message in [mail(), mail()] {
        sender.deliver(&message).await.unwrap();
        server.only_mail(&message);
    }
    assert_eq!(relay.connections(), 2);
}

pub(crate) async fn the_retry_after_an_outage_has_the_same_code(server: MailServer) {
    let relay = Relay::to(
        server.starttls_port,
        |number| if number == 1 { hang_up() } else { pass() },
    );
    let relay = relay.await;
    let message = mail();
    let smtp = SmtpSettings {
        port: relay.port,
        ..server.starttls()
    };
    sender(smtp).deliver(&message).await.unwrap();
    assert_eq!(relay.connections(), 2);
    assert!(server.only_mail(&message).text.contains(CODE));
    assert!(journal::contents().contains(message.challenge.as_str()));
}

/// Returns settings for a server that accepts the mail of the first connection, but whose answer to it is lost.
async fn lose_answer(server: &MailServer, connection: ControlFlow<()>) -> (Relay, SmtpSettings) {
    let relay = Relay::to(server.plain_port, move |number| {
        let mut mail_has_begun = false;
        Box::new(move |answer| {
            if number == 1 && mail_has_begun {
                answer.clear();
                return connection;
            }
            mail_has_begun = answer.starts_with(b"354");
            ControlFlow::Continue(())
        })
    });
    let relay = relay.await;
    let smtp = SmtpSettings {
        port: relay.port,
        ..server.plain()
    };
    (relay, smtp)
}

/// The answer is lost together with its connection.
pub(crate) async fn a_lost_answer_repeats_the_same_mail(server: MailServer) {
    let (relay, smtp) = lose_answer(&server, ControlFlow::Break(())).await;
    let message = mail();
    sender(smtp).deliver(&message).await.unwrap();
    let accepted = server.mails(&message);
    assert_eq!(accepted.len(), 2);
    assert_eq!(accepted[0].raw, accepted[1].raw);
    assert_eq!(relay.connections(), 2);
}

pub(crate) async fn a_mail_without_an_answer_is_sent_once(server: MailServer) {
    let (relay, smtp) = lose_answer(&server, ControlFlow::Continue(())).await;
    let mut settings = settings(smtp);
    settings.time_limit = Duration::from_secs(2);
    let message = mail();
    let causes = error_chain(&open(settings).unwrap(), &message).await;
    assert_eq!(causes[1..], ["the message was not accepted within its time limit"]);
    server.only_mail(&message);
    assert_eq!(relay.connections(), 1);
}

pub(crate) async fn a_busy_recipient_is_retried(server: MailServer) {
    let message = mail_to("busy-");
    sender(server.starttls()).deliver(&message).await.unwrap();
    server.only_mail(&message);
    assert!(journal::contents().contains("the mail server answered 451"));
}

/// The answer of the server contains the address, which must not be logged.
pub(crate) async fn a_rejected_recipient_is_not_retried(server: MailServer) {
    let message = mail_to("refused-");
    let relay = Relay::to(server.plain_port, |_| pass()).await;
    let smtp = SmtpSettings {
        port: relay.port,
        ..server.plain()
    };
    let causes = error_chain(&sender(smtp), &message).await;
    assert_eq!(causes[1..], ["the mail server answered 550"]);
    assert_eq!(relay.connections(), 1);
}

pub(crate) async fn the_client_chooses_the_texts(server: MailServer) {
    let folder = tempfile::tempdir().unwrap();
    let texts =
        "subject = 'Код для {{ client }} 🔑'\nmail = \"Код: {{ code }}\\n.\\n{{ minutes }} мин\\n\"\ntext_message = ''";
    fs::write(folder.path().join("ru.toml"), texts).unwrap();
    let mut settings = settings(server.starttls());
    settings.texts.directory = Some(folder.path().to_owned());
    let sender = open(settings).unwrap();
    for (name, subject, beginning) in [
        ("ru", "Код для com.example.portal 🔑", "Код: 000417\n.\n10 мин"),
        ("en", "Your confirmation code", "Hello,\n\nyour code is 000417."),
        ("none", "O seu código de confirmação", "Olá,"),
    ] {
        let texts = Some(name.to_owned());
        let message = CodeMessage {
            message_templates: texts,
            ..mail()
        };
        sender.deliver(&message).await.unwrap();
        let accepted = server.only_mail(&message);
        assert_eq!(accepted.headers["Subject"], subject);
        let text = accepted.text.replace("\r\n", "\n");
        assert!(text.starts_with(beginning), "{text}");
    }
    assert!(journal::contents().contains("the client chose texts that do not exist"));
}

/// Nothing listens on the port.
pub(crate) async fn an_unreachable_server_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for security in [
        SmtpSecurity::StartTls,
        SmtpSecurity::Tls,
        SmtpSecurity::None {
            allows_remote_hosts: false,
        },
    ] {
        let smtp = SmtpSettings {
            port,
            security,
            ..SmtpSettings::new("127.0.0.1", "no-reply@auth.example")
        };
        let start = Instant::now();
        let causes = error_chain(&sender(smtp), &mail()).await;
        assert!(causes.last().unwrap().contains("refused"), "{causes:?}");
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    }
}

/// The server accepts connections and never answers.
pub(crate) async fn a_silent_server_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = SmtpSettings {
        port: listener.local_addr().unwrap().port(),
        ..SmtpSettings::new("127.0.0.1", "no-reply@auth.example")
    };
    let mut settings = settings(smtp);
    settings.time_limit = Duration::from_millis(800);
    let start = Instant::now();
    let causes = error_chain(&open(settings).unwrap(), &mail()).await;
    assert_eq!(causes[1..], ["the message was not accepted within its time limit"]);
    let elapsed = start.elapsed();
    assert!(
        (Duration::from_millis(800)..Duration::from_secs(5)).contains(&elapsed),
        "{elapsed:?}"
    );
}
