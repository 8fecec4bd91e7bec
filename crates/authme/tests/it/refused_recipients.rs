//! Contacts that a mail server or an SMS gateway refuses, over HTTP: docs/protocols.md "Send quotas".

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::add_contacts::{add_all, email, mobile, path};
use crate::fixtures::{ANA_MAIL, BIA_MAIL};
use crate::test_app::{Setup, TestApp};
use test_support::http::{Answer, Request};

/// Listens on a free port, and serves each connection on a thread of its own.
fn listen(serve: impl Fn(TcpStream) -> Option<()> + Send + Sync + Copy + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a port has an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Starts a mail server without extensions that gives this answer to every recipient.
fn mail_server(to_recipients: &'static str) -> u16 {
    listen(move |mut stream| {
        let commands = BufReader::new(stream.try_clone().ok()?);
        stream.write_all(b"220 mail.test\r\n").ok()?;
        for command in commands.lines() {
            let answer = match command.ok()?.get(..4)? {
                "RCPT" => to_recipients,
                "QUIT" => "221 2.0.0 bye",
                _ => "250 mail.test",
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        }
        Some(())
    })
}

/// Starts an SMS gateway that answers every request with this status.
fn gateway(status: &'static str) -> u16 {
    listen(move |mut stream| {
        // One request per connection, which fits into one packet on the loopback device.
        let _ = stream.read(&mut [0; 8_192]).ok()?;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).ok()
    })
}

/// Starts an app that sends codes through this mail server and this gateway.
fn app(mail_port: u16, gateway_port: u16) -> (TestApp, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("sms.key");
    adapter_crypto::write_private(&key, b"0123456789abcdef").expect("the key can be written");
    let settings = [
        ("smtp.host", "127.0.0.1".to_owned()),
        ("smtp.port", mail_port.to_string()),
        ("smtp.security", "none".to_owned()),
        ("smtp.from", "no-reply@auth.example".to_owned()),
        ("sms.url", format!("http://127.0.0.1:{gateway_port}/")),
        ("sms.signing_key_file", key.display().to_string()),
    ];
    let app = TestApp::start_with(Setup {
        settings: settings.into(),
        ..Setup::default()
    });
    (app, folder)
}

fn send(app: &TestApp, user: &str, contact: &str) -> Answer {
    let path = format!("{}/{contact}/token", path("me"));
    app.send(Request::post(&path).bearer(&app.user_token(user, "portal")))
}

#[test]
fn an_address_that_the_mail_server_refuses_is_not_valid() {
    let (app, _folder) = app(mail_server("550 5.1.1 no such mailbox"), gateway("200 OK"));
    let expected = r#"422 [{"code":"08","message":"the mail server refuses this address","field":"email"}]"#;
    assert_eq!(send(&app, ANA_MAIL, "ana-mail").summary(), expected);
    assert!(
        app.metrics()
            .contains(r#"authme_code_sends_total{outcome="refused"} 1"#)
    );
    // The attempts count: otherwise addresses could be tried without limit.
    for _ in 0..2 {
        assert_eq!(send(&app, ANA_MAIL, "ana-mail").summary(), expected);
    }
    assert_eq!(send(&app, ANA_MAIL, "ana-mail").status, 429);
}

#[test]
fn an_address_beyond_ascii_is_not_valid_without_smtputf8() {
    let (app, _folder) = app(mail_server("250 2.1.5 ok"), gateway("200 OK"));
    add_all(&app, "bia", &[email("c1", "josé@example.com")]);
    assert_eq!(send(&app, BIA_MAIL, "c1").codes(), (422, vec!["08".to_owned()]));
}

#[test]
fn another_failure_of_the_mail_server_is_503() {
    for answer in ["450 4.2.1 mailbox busy", "554 5.7.1 relay access denied"] {
        let (app, _folder) = app(mail_server(answer), gateway("200 OK"));
        let rejected = send(&app, ANA_MAIL, "ana-mail");
        assert_eq!(rejected.codes(), (503, vec!["90".to_owned()]), "{answer}");
        assert_eq!(rejected.header("retry-after"), Some("1"));
    }
}

#[test]
fn a_number_that_the_gateway_refuses_is_not_valid() {
    for (status, expected) in [
        ("400 Bad Request", (422, "09")),
        ("422 Unprocessable Content", (422, "09")),
        ("401 Unauthorized", (503, "90")),
        ("404 Not Found", (503, "90")),
    ] {
        let (app, _folder) = app(mail_server("250 2.1.5 ok"), gateway(status));
        let items: [Value; 1] = [mobile("c1", "911112222")];
        add_all(&app, "ana", &items);
        let rejected = send(&app, ANA_MAIL, "c1");
        assert_eq!(rejected.codes(), (expected.0, vec![expected.1.to_owned()]), "{status}");
    }
}
