//! `authme serve` as a process.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::fixtures::{ANA_MAIL, secret_of};
use crate::operator::{Operator, Serving, eventually};
use crate::test_app::{NOT_VALID, field};
use test_support::http::{Connection, Request, send};

#[test]
fn start_announces_address_docs_and_folder() {
    let operator = Operator::new();
    let serving = Serving::start(&operator, &[]);
    let address = serving.address;
    let expected = format!(
        "AuthMe serves http://{address}, reference at http://{address}/docs, data in {0}, codes in {0}/outgoing-codes.jsonl",
        operator.data().display()
    );
    assert_eq!(serving.announcement, expected);
    assert_eq!(send(address, Request::at_root("GET", "/docs")).status, 200);
    let (code, log) = serving.stop();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("AuthMe serves").count(), 1);
}

#[test]
fn a_second_server_on_one_folder_fails() {
    let operator = Operator::new();
    let serving = Serving::start(&operator, &[]);
    let second = operator.run(&["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""));
    assert!(second.stderr.contains("another `authme serve` uses"), "{second:?}");
    assert_eq!(send(serving.address, Request::get("/keys")).status, 200);
    assert_eq!(serving.stop().0, Some(0));
    // The folder can be used again.
    assert_eq!(Serving::start(&operator, &[]).stop().0, Some(0));
}

#[test]
fn a_port_in_use_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let done = Operator::new().run(&["serve", "--listen", &address, "--management", "127.0.0.1:0"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(done.stderr.contains(&address), "{done:?}");
}

#[test]
fn serve_beyond_loopback_needs_a_mail_server() {
    let operator = Operator::new();
    let done = operator.run(&["serve", "--listen", "0.0.0.0:0", "--management", "127.0.0.1:0"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    for words in [
        "written in clear",
        "outgoing-codes.jsonl",
        "`delivery.allow_insecure = true`",
    ] {
        assert!(done.stderr.contains(words), "{done:?}");
    }
}

#[test]
fn invalid_settings_are_reported() {
    let operator = Operator::new();
    for (text, words) in [
        ("[http]\ncolour = \"red\"", "http.colour"),
        ("[tokens]\naccess_token_lifetime = \"soon\"", "access_token_lifetime"),
        ("[tokens]\naccess_token_lifetime = \"2h\"", "access_token_lifetime"),
        ("[tokens]\ntyp = \"JWE\"", "tokens.typ"),
        ("[http]\ntrusted_proxies = [\"everyone\"]", "everyone"),
        ("nonsense", ""),
    ] {
        let file = operator.file("settings.toml", text);
        let path = file.to_str().expect("a plain path");
        let done = operator.run(&[
            "serve",
            "--config",
            path,
            "--listen",
            "127.0.0.1:0",
            "--management",
            "127.0.0.1:0",
        ]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{text}: {done:?}");
        assert!(done.stderr.contains(words), "{text}: {done:?}");
    }
}

#[test]
fn both_signals_end_the_server_with_0() {
    for signal in ["-TERM", "-INT"] {
        let operator = Operator::new();
        let serving = Serving::start(&operator, &[]);
        let mut idle = Connection::open(serving.address);
        assert_eq!(idle.send(&Request::get("/keys")).status, 200);
        let address = serving.address;
        serving.signal(signal);
        let (code, log) = serving.stop();
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn event_streams_do_not_delay_shutdown() {
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &[]);
    let login = Request::post("/client-identities/login").basic("locker", &secret_of("locker"));
    let locker = crate::test_app::field(&send(serving.address, login).json(), "accessToken");
    let follow = |connection: &mut Connection, accept: &str| {
        let request = format!(
            "GET /security/iam/v1/events?wait=60 HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nAuthorization: Bearer {locker}\r\n\r\n"
        );
        connection.write(request.as_bytes());
    };
    // The long poll sends nothing until its end. An answer to a later request shows that the server has read it.
    let mut poll = Connection::open(serving.address);
    assert_eq!(poll.send(&Request::get("/keys")).status, 200);
    follow(&mut poll, "*/*");
    let mut stream = Connection::open(serving.address);
    follow(&mut stream, "text/event-stream");
    stream.read_until("content-type: text/event-stream");
    for _ in 0..8 {
        assert_eq!(send(serving.address, Request::get("/keys")).status, 200);
    }
    let (code, _) = serving.stop();
    assert_eq!(code, Some(0));
    // The waiting caller gets an answer before the connection closes.
    assert_eq!(poll.read(false).expect("an answer").status, 200);
}

/// Collects every file and folder with its mode.
fn collect_modes(folder: &Path, found: &mut Vec<(String, bool, u32)>) {
    let metadata = fs::metadata(folder).expect("it exists");
    found.push((
        folder.display().to_string(),
        metadata.is_dir(),
        metadata.permissions().mode() & 0o777,
    ));
    if metadata.is_dir() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            collect_modes(&entry.expect("the folder can be read").path(), found);
        }
    }
}

#[test]
fn files_have_mode_0600_and_folders_0700() {
    let operator = Operator::new();
    operator.register_fixtures();
    operator.run_ok(&["keys", "generate"]);
    let serving = Serving::start(&operator, &[]);
    let mut found = Vec::new();
    collect_modes(&operator.data(), &mut found);
    assert!(found.len() >= 8, "{found:?}");
    for wanted in [
        "authme.sqlite",
        "authme.sqlite-wal",
        ".pem",
        "manifest.json",
        "refresh.key",
    ] {
        assert!(
            found.iter().any(|(path, ..)| path.ends_with(wanted)),
            "{wanted}: {found:?}"
        );
    }
    found.retain(|(_, is_folder, mode)| *mode != if *is_folder { 0o700 } else { 0o600 });
    assert_eq!(found, []);
    drop(serving);
}

#[test]
fn a_running_server_sees_changes_by_commands() {
    let operator = Operator::new();
    let serving = Serving::start(&operator, &[]);
    let login = || Request::post("/client-identities/login").basic("portal", &secret_of("portal"));
    assert_eq!(send(serving.address, login()).status, 401);
    operator.register_fixtures();
    eventually("a new client", || send(serving.address, login()).status == 200);
    operator.run_ok(&["client", "disable", "portal"]);
    eventually("a disabled client", || send(serving.address, login()).status == 401);
    operator.run_ok(&["client", "enable", "portal"]);
    eventually("an enabled client", || send(serving.address, login()).status == 200);
    let [before, after] = [(); 2].map(|()| send(serving.address, Request::get("/keys")).json()["keys"].clone());
    assert_eq!(before, after);
    operator.run_ok(&["keys", "generate"]);
    eventually("a new key", || {
        send(serving.address, Request::get("/keys")).json()["keys"] != before
    });
}

#[test]
fn a_restart_keeps_the_keys() {
    let operator = Operator::new();
    operator.register_fixtures();
    let first = Serving::start(&operator, &[]);
    let keys = send(first.address, Request::get("/keys")).text();
    assert_eq!(first.stop().0, Some(0));
    let second = Serving::start(&operator, &[]);
    assert_eq!(send(second.address, Request::get("/keys")).text(), keys);
}

/// Returns the lines of the log about requests with this id: the answer, and the reason of a rejected token.
fn log_lines(log: &str, request_id: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["request_id"] == request_id && line["target"] != "audit")
        .collect()
}

#[test]
fn the_log_has_the_reason_of_a_rejected_renewal() {
    let operator = Operator::new();
    operator.register_fixtures();
    let serving = Serving::start(&operator, &[]);
    let send_with_id = |request: Request, id: &str| send(serving.address, request.header("X-Request-Id", id));
    let login = |client: &str, id: &str| {
        let login = Request::post("/client-identities/login").basic(client, &secret_of(client));
        field(&send_with_id(login, id).json(), "accessToken")
    };
    let (portal, gateway) = (login("portal", "login-1"), login("gateway", "login-2"));
    let saml = Request::post("/user-identities/handle-auth").query(&[("clientId", "portal")]);
    let saml = saml.bearer(&gateway).json(&json!({"email": ANA_MAIL, "groups": []}));
    let validation_token = field(&send_with_id(saml, "handle-auth").json(), "validationToken");
    let renew = |token: &str, bearer: &str, id: &str| {
        let request = Request::post("/user-identities/renew-token");
        send_with_id(
            request
                .query(&[("token", token), ("remember-me", "true")])
                .bearer(bearer),
            id,
        )
    };
    let refresh = field(&renew(&validation_token, &portal, "renewal").json(), "refreshToken");
    let shop = login("shop", "login-3");
    let answer = renew(&refresh, &shop, "stolen");
    assert_eq!(answer.summary(), NOT_VALID);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0)).ip().to_string();
    let (_, log) = serving.stop();
    let mut lines = log_lines(&log, "login-1");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for name in ["timestamp", "took_ms"] {
        assert_ne!(lines[0][name].take(), Value::Null, "{name}");
    }
    assert_eq!(
        lines[0],
        json!({"timestamp": null, "level": "INFO", "message": "a request was answered", "request_id": "login-1",
            "method": "POST", "route": "/security/iam/v1/client-identities/login", "status": 200, "client": "portal",
            "address": address, "took_ms": null})
    );
    let stolen = log_lines(&log, "stolen");
    assert_eq!(stolen.len(), 2, "{stolen:?}");
    assert_eq!(
        (
            &stolen[0]["reason"],
            &stolen[0]["client"],
            &stolen[0]["session"].is_string()
        ),
        (&json!("of another client or user"), &json!("shop"), &true)
    );
    assert_eq!((&stolen[1]["status"], &stolen[1]["code"]), (&json!(401), &json!("20")));
}
