//! C10: a service is asked to end under load. No request is lost: each answer says that the connection closes, and
//! nobody's connection is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::{Options, Servers, Service, eventually};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::stage::{Clients, Stage};
use crate::tally::{Tally, end, rounds};

/// How often each of the three services is asked to end.
const ROUNDS: usize = 1;

/// Callers on kept connections; every other one pauses between its requests.
const CALLERS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(7);

const OVERDUE: Duration = Duration::from_secs(30);

pub(crate) async fn loses_no_request(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let options = Options::default().setting("http.drain", "1s");
    let stage = Stage::new(&servers).await;
    let deployment = stage.start_all(&options).await;
    let clients = stage.clients().await;
    let user = stage.users(1).await.remove(0);
    let bearer = clients.user_bearer(&user).await;
    let services = [deployment.tokens, deployment.factors, deployment.credential_lock];
    let mut running = Vec::new();
    let mut tally = Tally::of("c10 services");
    for mut process in services {
        let service = process.service();
        let request: Arc<str> = request(service, &clients, &user, &bearer).into();
        for _ in 0..rounds {
            let port = process.port();
            let answered = Arc::new(AtomicUsize::new(0));
            let mut callers: JoinSet<_> = (0..CALLERS)
                .map(|n| ask_until_told(port, request.clone(), PAUSE * (n % 2), answered.clone()))
                .collect();
            eventually("the load", OVERDUE, async || {
                (answered.load(Ordering::Relaxed) > 200).then_some(())
            })
            .await;
            process.ask_to_end();
            while let Some(ended) = callers.join_next().await {
                if let Err(lost) = ended.expect("no caller panics") {
                    tally.add(Err(format!("{}: {lost}", service.name())));
                }
            }
            (0..answered.load(Ordering::Relaxed)).for_each(|_| tally.add(Ok(())));
            process.ended().await;
            process = stage.start(service, options.clone()).await;
        }
        // The others need the key set of `tokens` until the end.
        running.push(process);
    }
    end(vec![tally])
}

/// A request that the service asks its store about.
fn request(service: Service, clients: &Clients, user: &str, bearer: &str) -> String {
    let (method, path, token) = match service {
        Service::Tokens => {
            let (client, query) = (&clients.cast.portal.id, "remember-me=false");
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

/// Asks until it was told twice to close: on a kept connection, and on the one that it opened then, as a caller does
/// until it has heard from its balancer. What was lost, if anything was.
async fn ask_until_told(
    port: u16,
    request: Arc<str>,
    pause: Duration,
    answered: Arc<AtomicUsize>,
) -> Result<(), String> {
    for _ in 0..2 {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let mut stream = BufReader::new(stream.map_err(|error| format!("no connection: {error}"))?);
        loop {
            let answer = ask(&mut stream, &request).await;
            let (status, closes) = answer.map_err(|error| format!("no answer: {error}"))?;
            if status != "200" {
                return Err(format!("answered {status}"));
            }
            answered.fetch_add(1, Ordering::Relaxed);
            if closes {
                break;
            }
            sleep(pause).await;
        }
    }
    Ok(())
}

/// The status, and whether the connection closes.
async fn ask(stream: &mut BufReader<TcpStream>, request: &str) -> std::io::Result<(String, bool)> {
    stream.get_mut().write_all(request.as_bytes()).await?;
    let (mut status, mut length, mut closes) = (String::new(), 0, false);
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
            closes = true;
        } else if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok((status, closes))
}
