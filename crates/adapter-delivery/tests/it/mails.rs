use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use adapter_delivery::{CodeSender, DeliverySettings, MailRoute, SmtpSecurity, SmtpSettings, TextMessageRoute, open};
use ports::factors::{CodeDelivery as _, CodeMessage};
use tokio::net::TcpListener;

use crate::journal;
use crate::mail_server::MailServer;
use crate::messages::{CODE, WRONG_PASSWORD, address, failure, mail, mail_to};
use crate::relay::{Relay, hang_up, pass};

fn settings(smtp: SmtpSettings) -> DeliverySettings {
    let nowhere = TextMessageRoute::File("/dev/null".into());
    DeliverySettings::new(MailRoute::Smtp(smtp), nowhere)
}

fn deliveries(smtp: SmtpSettings) -> CodeSender {
    open(settings(smtp)).unwrap()
}

pub(crate) async fn a_code_arrives_by_starttls(server: MailServer) {
    let message = mail();
    deliveries(server.starttls()).deliver(&message).await.unwrap();
    let taken = server.taken_once(&message);
    assert_eq!(taken.tls.as_deref(), Some("TLSv1.3"));
    assert_eq!(taken.login, None);
    assert_eq!(taken.sender, "no-reply@auth.example");
    assert_eq!(taken.recipients, [address(&message)]);
    for (name, value) in [
        ("From", "AuthMe <no-reply@auth.example>"),
        ("To", address(&message)),
        ("Subject", "O seu código de confirmação"),
        ("Date", "Mon, 23 Nov 2026 03:16:24 +0000"),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Type", "text/plain; charset=\"utf-8\""),
    ] {
        assert_eq!(taken.headers[name], value);
    }
    assert!(taken.raw.is_ascii(), "{}", taken.raw);
    let text = taken.text.replace("\r\n", "\n");
    assert!(
        text.starts_with(&format!("Olá,\n\no seu código é {CODE}.\n\ncom.example.portal pediu")),
        "{text}"
    );
    assert!(text.contains("O código vale por 10 minutos."), "{text}");
}

pub(crate) async fn a_code_arrives_by_tls(server: MailServer) {
    let message = mail();
    deliveries(server.tls()).deliver(&message).await.unwrap();
    let taken = server.taken_once(&message);
    assert_eq!(taken.tls.as_deref(), Some("TLSv1.3"));
    assert!(taken.text.contains(CODE), "{}", taken.text);
}

pub(crate) async fn a_code_arrives_in_the_clear_on_this_machine(server: MailServer) {
    let message = mail();
    deliveries(server.plain()).deliver(&message).await.unwrap();
    let taken = server.taken_once(&message);
    assert_eq!(taken.tls, None);
    assert!(taken.text.contains(CODE), "{}", taken.text);
}

pub(crate) async fn whoever_must_log_in_does(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let login = Some(server.login());
        deliveries(SmtpSettings { login, ..smtp })
            .deliver(&message)
            .await
            .unwrap();
        assert_eq!(server.taken_once(&message).login.as_deref(), Some("authme"));
    }
}

pub(crate) async fn a_wrong_password_is_a_failure(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let login = Some(server.login_with(WRONG_PASSWORD));
        let causes = failure(&deliveries(SmtpSettings { login, ..smtp }), &message).await;
        assert_eq!(causes[1], "the mail server answered 535");
        assert!(server.taken(&message).is_empty());
    }
}

pub(crate) async fn without_starttls_nothing_is_sent(server: MailServer) {
    let message = mail();
    let smtp = SmtpSettings {
        port: server.plain_port,
        ..server.starttls()
    };
    let causes = failure(&deliveries(smtp), &message).await;
    assert!(
        causes.iter().any(|cause| cause.contains("STARTTLS is not supported")),
        "{causes:?}"
    );
    assert!(server.taken(&message).is_empty());
}

/// The server's own authority is not among those that the system trusts.
pub(crate) async fn a_certificate_of_strangers_is_refused(server: MailServer) {
    for smtp in [server.starttls(), server.tls()] {
        let message = mail();
        let ca_file = None;
        let causes = failure(&deliveries(SmtpSettings { ca_file, ..smtp }), &message).await;
        assert!(causes.iter().any(|cause| cause.contains("certificate")), "{causes:?}");
        assert!(server.taken(&message).is_empty());
    }
}

/// Somebody on the way, who cannot look into TLS, answers ahead of it.
pub(crate) async fn answers_put_behind_starttls_are_not_taken(server: MailServer) {
    let relay = Relay::to(server.starttls_port, |_| {
        Box::new(|answer| {
            if answer.starts_with(b"220 Ready to start TLS") {
                answer.extend_from_slice(b"250 put in\r\n");
            }
            ControlFlow::Continue(())
        })
    });
    let message = mail();
    let smtp = SmtpSettings {
        port: relay.await.port,
        ..server.starttls()
    };
    failure(&deliveries(smtp), &message).await;
    assert!(server.taken(&message).is_empty());
}

pub(crate) async fn a_connection_is_used_again(server: MailServer) {
    for smtp in [server.starttls(), server.tls(), server.plain()] {
        let relay = Relay::to(smtp.port, |_| pass()).await;
        let port = relay.port;
        let deliveries = deliveries(SmtpSettings { port, ..smtp });
        for message in [mail(), mail(), mail()] {
            deliveries.deliver(&message).await.unwrap();
            server.taken_once(&message);
        }
        assert_eq!(relay.connections(), 1);
    }
}

/// It is cut when it is asked, before its second mail, whether it still stands.
pub(crate) async fn a_connection_that_was_cut_is_replaced(server: MailServer) {
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
    let deliveries = deliveries(smtp);
    for message in [mail(), mail()] {
        deliveries.deliver(&message).await.unwrap();
        server.taken_once(&message);
    }
    assert_eq!(relay.connections(), 2);
}

pub(crate) async fn a_server_that_comes_back_gets_the_same_code(server: MailServer) {
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
    deliveries(smtp).deliver(&message).await.unwrap();
    assert_eq!(relay.connections(), 2);
    assert!(server.taken_once(&message).text.contains(CODE));
    assert!(journal::told().contains(message.challenge.as_str()));
}

/// To a server that takes the mail of the first connection, and whose answer to that is lost.
async fn losing_an_answer(server: &MailServer, connection: ControlFlow<()>) -> (Relay, SmtpSettings) {
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

/// It is lost with its connection.
pub(crate) async fn a_lost_answer_repeats_the_same_mail(server: MailServer) {
    let (relay, smtp) = losing_an_answer(&server, ControlFlow::Break(())).await;
    let message = mail();
    deliveries(smtp).deliver(&message).await.unwrap();
    let taken = server.taken(&message);
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].raw, taken[1].raw);
    assert_eq!(relay.connections(), 2);
}

pub(crate) async fn a_mail_whose_answer_does_not_come_is_sent_once(server: MailServer) {
    let (relay, smtp) = losing_an_answer(&server, ControlFlow::Continue(())).await;
    let mut settings = settings(smtp);
    settings.within = Duration::from_secs(2);
    let message = mail();
    let causes = failure(&open(settings).unwrap(), &message).await;
    assert_eq!(causes[1..], ["there was no answer in time"]);
    server.taken_once(&message);
    assert_eq!(relay.connections(), 1);
}

pub(crate) async fn a_recipient_that_is_busy_is_tried_again(server: MailServer) {
    let message = mail_to("busy-");
    deliveries(server.starttls()).deliver(&message).await.unwrap();
    server.taken_once(&message);
    assert!(journal::told().contains("the mail server answered 451"));
}

/// The server repeats the address in its answer.
pub(crate) async fn a_recipient_that_is_refused_is_not_tried_again(server: MailServer) {
    let message = mail_to("refused-");
    let relay = Relay::to(server.plain_port, |_| pass()).await;
    let smtp = SmtpSettings {
        port: relay.port,
        ..server.plain()
    };
    let causes = failure(&deliveries(smtp), &message).await;
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
    let deliveries = open(settings).unwrap();
    for (name, subject, beginning) in [
        ("ru", "Код для com.example.portal 🔑", "Код: 000417\n.\n10 мин"),
        ("en", "Your confirmation code", "Hello,\n\nyour code is 000417."),
        ("none", "O seu código de confirmação", "Olá,"),
    ] {
        let texts = Some(name.to_owned());
        let message = CodeMessage { texts, ..mail() };
        deliveries.deliver(&message).await.unwrap();
        let taken = server.taken_once(&message);
        assert_eq!(taken.headers["Subject"], subject);
        let text = taken.text.replace("\r\n", "\n");
        assert!(text.starts_with(beginning), "{text}");
    }
    assert!(journal::told().contains("the client chose texts that are not there"));
}

/// A port on which nobody listens.
pub(crate) async fn a_server_that_is_away_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for security in [
        SmtpSecurity::StartTls,
        SmtpSecurity::Tls,
        SmtpSecurity::None { anywhere: false },
    ] {
        let smtp = SmtpSettings {
            port,
            security,
            ..SmtpSettings::new("127.0.0.1", "no-reply@auth.example")
        };
        let begun = Instant::now();
        let causes = failure(&deliveries(smtp), &mail()).await;
        assert!(causes.last().unwrap().contains("refused"), "{causes:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}

/// It takes connections and never answers.
pub(crate) async fn a_server_that_says_nothing_fails_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = SmtpSettings {
        port: listener.local_addr().unwrap().port(),
        ..SmtpSettings::new("127.0.0.1", "no-reply@auth.example")
    };
    let mut settings = settings(smtp);
    settings.within = Duration::from_millis(800);
    let begun = Instant::now();
    let causes = failure(&open(settings).unwrap(), &mail()).await;
    assert_eq!(causes[1..], ["there was no answer in time"]);
    let elapsed = begun.elapsed();
    assert!(
        (Duration::from_millis(800)..Duration::from_secs(5)).contains(&elapsed),
        "{elapsed:?}"
    );
}
