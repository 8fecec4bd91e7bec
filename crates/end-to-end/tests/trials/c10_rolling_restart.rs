//! C10: a service gets SIGTERM under load. No request is lost: the last response on each connection has `Connection:
//! close`, and the service closes no connection without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::{Options, Servers, Service, eventually};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::setup::{Clients, Setup};
use crate::summary::{Summary, finish, rounds};

/// The number of times that each of the three services gets SIGTERM.
const ROUNDS: usize = 1;

/// The number of callers with keep-alive connections. Every other caller pauses between its requests.
const CALLERS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(7);

/// The time limit of a step, which is more than any step takes.
const OVERDUE: Duration = Duration::from_secs(30);

pub(crate) async fn loses_no_request(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let options = Options::default().setting("http.drain", "1s");
    let setup = Setup::new(&servers).await;
    let deployment = setup.start_all(&options).await;
    let clients = setup.clients().await;
    let user = setup.register_users(1).await.remove(0);
    let bearer = clients.user_bearer(&user).await;
    let services = [deployment.tokens, deployment.factors, deployment.credential_lock];
    let mut running = Vec::new();
    let mut summary = Summary::new("c10 services");
    for mut process in services {
        let service = process.service();
        let request: Arc<str> = request(service, &clients, &user, &bearer).into();
        for _ in 0..rounds {
            let port = process.port();
            let responses = Arc::new(AtomicUsize::new(0));
            let mut callers: JoinSet<_> = (0..CALLERS)
                .map(|n| send_until_closed(port, request.clone(), PAUSE * (n % 2), responses.clone()))
                .collect();
            eventually("the load", OVERDUE, async || {
                (responses.load(Ordering::Relaxed) > 200).then_some(())
            })
            .await;
            process.send_sigterm();
            while let Some(ended) = callers.join_next().await {
                if let Err(lost) = ended.expect("no caller panics") {
                    summary.add(Err(format!("{}: {lost}", service.name())));
                }
            }
            (0..responses.load(Ordering::Relaxed)).for_each(|_| summary.add(Ok(())));
            process.wait_for_exit().await;
            process = setup.start(service, options.clone()).await;
        }
        // The other services need the key set of `tokens` until the end.
        running.push(process);
    }
    finish(vec![summary])
}

/// Returns a request for which the service reads its store.
fn request(service: Service, clients: &Clients, user: &str, bearer: &str) -> String {
    let (method, path, token) = match service {
        Service::Tokens => {
            let (client, query) = (&clients.fixtures.portal.id, "remember-me=false");
            let path = format!("/user-identities/renew-token?userId={user}&clientId={client}&{query}");
            ("POST", path, clients.portal.as_str())
        }
        Service::Factors => ("GET", "/user-identities/me/authentication-factors".to_owned(), bearer),
        Service::CredentialLock => ("GET", format!("/user-identities/{user}/lock"), clients.desk.as_str()),
    };
    format!(
        "{method} /security/iam/v1{path} HTTP/1.1\r\nHost: authme.test\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Sends requests until the service has closed two connections. The second one is opened after the first was closed,
/// because a caller opens connections until its load balancer has removed the process. Returns an error for a lost
/// request.
async fn send_until_closed(
    port: u16,
    request: Arc<str>,
    pause: Duration,
    responses: Arc<AtomicUsize>,
) -> Result<(), String> {
    for _ in 0..2 {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let mut stream = BufReader::new(stream.map_err(|error| format!("no connection: {error}"))?);
        loop {
            let response = send(&mut stream, &request).await;
            let (status, is_last) = response.map_err(|error| format!("no response: {error}"))?;
            if status != "200" {
                return Err(format!("status {status}"));
            }
            responses.fetch_add(1, Ordering::Relaxed);
            if is_last {
                break;
            }
            sleep(pause).await;
        }
    }
    Ok(())
}

/// Sends a request; returns the status, and whether the response is the last one on the connection.
async fn send(stream: &mut BufReader<TcpStream>, request: &str) -> std::io::Result<(String, bool)> {
    stream.get_mut().write_all(request.as_bytes()).await?;
    let (mut status, mut length, mut is_last) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            rest.split(' ').next().unwrap_or_default().clone_into(&mut status);
        } else if let Some(text) = line.strip_prefix("content-length: ") {
            length = text.parse().unwrap_or_default();
        } else if line == "connection: close" {
            is_last = true;
        } else if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok((status, is_last))
}
