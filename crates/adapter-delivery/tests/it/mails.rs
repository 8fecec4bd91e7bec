use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use adapter_delivery::{CodeSender, DeliverySettings, MailRoute, SmtpSecurity, SmtpSettings, TextMessageRoute, open};
use ports::factors::{CodeDelivery as _, CodeMessage};
use tokio::net::TcpListener;

use crate::journal;
use crate::mail_server::MailServer;
use crate::messages::{CODE, WRONG_PASSWORD, address, error_chain, mail, mail_at, mail_to};
use crate::relay::{OnAnswer, Relay, hang_up, pass};

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
        ("MIME-Version", "1.0"),
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
    assert_eq!(
        causes,
        [
            "the gateway refuses the recipient",
            "the mail server refused the recipient: it answered 550"
        ]
    );
    assert_eq!(relay.connections(), 1);
}

/// Replaces the beginning of each answer that begins with `from`.
fn replace_answers(from: &'static [u8], to: &'static [u8]) -> OnAnswer {
    Box::new(move |answer| {
        if answer.starts_with(from) {
            answer.splice(..from.len(), to.iter().copied());
        }
        ControlFlow::Continue(())
    })
}

/// A relay that AuthMe may not use refuses every recipient: the operator has to correct that, not the user.
pub(crate) async fn a_refusal_by_policy_is_not_about_the_recipient(server: MailServer) {
    for (answered, status) in [
        (&b"554 5.7.1"[..], 554),
        (b"530 5.7.0", 530),
        (b"550 5.3.2", 550),
        (b"503 5.5.1", 503),
    ] {
        let relay = Relay::to(server.plain_port, move |_| replace_answers(b"550 5.1.1", answered)).await;
        let smtp = SmtpSettings {
            port: relay.port,
            ..server.plain()
        };
        let causes = error_chain(&sender(smtp), &mail_to("refused-")).await;
        let expected = [
            "the code could not be delivered to the gateway".to_owned(),
            format!("the mail server answered {status}"),
        ];
        assert_eq!(causes, expected);
    }
}

pub(crate) async fn a_recipient_refused_in_any_way_is_told_apart(server: MailServer) {
    for (answered, status) in [
        (&b"550 "[..], 550),
        (b"553 5.1.3", 553),
        (b"550 5.4.1", 550),
        (b"552 5.2.2", 552),
    ] {
        let relay = Relay::to(server.plain_port, move |_| replace_answers(b"550 5.1.1", answered)).await;
        let smtp = SmtpSettings {
            port: relay.port,
            ..server.plain()
        };
        let causes = error_chain(&sender(smtp), &mail_to("refused-")).await;
        assert_eq!(
            causes[1],
            format!("the mail server refused the recipient: it answered {status}")
        );
    }
}

/// Some servers check the recipient after the content.
pub(crate) async fn a_recipient_refused_after_the_content_is_told_apart(server: MailServer) {
    for (answered, cause) in [
        (
            &b"550 5.1.1 "[..],
            "the mail server refused the recipient: it answered 550",
        ),
        (b"554 5.6.0 ", "the mail server answered 554"),
        (b"554 spam ", "the mail server answered 554"),
    ] {
        let relay = Relay::to(server.plain_port, move |_| {
            let mut mail_has_begun = false;
            let mut refuse = replace_answers(b"250 ", answered);
            Box::new(move |answer| {
                if mail_has_begun {
                    return refuse(answer);
                }
                mail_has_begun = answer.starts_with(b"354");
                ControlFlow::Continue(())
            })
        });
        let smtp = SmtpSettings {
            port: relay.await.port,
            ..server.plain()
        };
        let causes = error_chain(&sender(smtp), &mail()).await;
        assert_eq!(causes[1], cause);
    }
}

pub(crate) async fn an_address_beyond_ascii_is_sent_by_smtputf8(server: MailServer) {
    let message = mail_to("josé.");
    sender(server.starttls()).deliver(&message).await.unwrap();
    let accepted = server.only_mail(&message);
    assert_eq!(accepted.recipients, [address(&message)]);
    assert_eq!(accepted.headers["To"], address(&message));
    assert_eq!(accepted.headers["MIME-Version"], "1.0");
}

/// The relay hides that the server offers SMTPUTF8.
pub(crate) async fn without_smtputf8_an_address_beyond_ascii_is_refused(server: MailServer) {
    let relay = Relay::to(server.plain_port, |_| {
        Box::new(|answer| {
            let text = String::from_utf8_lossy(answer).replace("SMTPUTF8", "X-OTHER");
            *answer = text.into_bytes();
            ControlFlow::Continue(())
        })
    });
    let smtp = SmtpSettings {
        port: relay.await.port,
        ..server.plain()
    };
    let sender = sender(smtp);
    let causes = error_chain(&sender, &mail_to("josé.")).await;
    assert_eq!(
        causes,
        [
            "the gateway refuses the recipient",
            "the mail server does not offer SMTPUTF8, which an address beyond ASCII needs",
        ]
    );
    // A domain needs no SMTPUTF8, because it is sent as A-labels.
    let message = mail_at("münchen.de");
    sender.deliver(&message).await.unwrap();
    let recipient = &server.only_mail(&message).recipients[0];
    assert!(recipient.ends_with("@xn--mnchen-3ya.de"), "{recipient}");
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
