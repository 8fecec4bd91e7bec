//! SIGTERM: unready at once, what is in flight is finished, the last event goes out.

use std::time::Duration;

use domain::event::EventKind;
use end_to_end::{Installation, Options, Process, Servers, Service, eventually, follow_events};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn finishes_what_is_in_flight_and_publishes_its_event(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    let ana = installation.user("ana@example.com", &[]).await;
    // Longer than it takes to look.
    let options = Options::default().setting("http.drain", "2s");
    let _tokens = installation.start(Service::Tokens, &options).await;
    let service = installation.start(Service::CredentialLock, &options).await;
    let caller = installation.caller();
    let desk = caller.client_token(&cast.desk).await;

    let mut in_flight = Half::sent(&service, &desk, &ana).await;
    service.ask_to_end();
    eventually("it is unready", Duration::from_secs(1), async || {
        (!service.is_ready().await).then_some(())
    })
    .await;
    caller.unlock(&desk, &ana).answer().await.with_status(204);
    eventually("it accepts nobody any more", WITHIN, async || {
        TcpStream::connect(address(&service)).await.err()
    })
    .await;

    let answer = in_flight.finished().await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    service.ended().await;
    let mut follower = follow_events(&servers.kafka_brokers, &[&ana]);
    follower
        .read_until_told(EventKind::CredentialLocked, &ana, WITHIN)
        .await;
}

fn address(service: &Process) -> (&'static str, u16) {
    ("127.0.0.1", service.port())
}

/// An order to lock, of which the second half is still to come.
struct Half {
    connection: TcpStream,
    rest: String,
}

impl Half {
    async fn sent(service: &Process, bearer: &str, user: &str) -> Self {
        let body = json!({"userId": user}).to_string();
        let (first, rest) = body.split_at(5);
        let head = format!(
            "POST /security/iam/v1/user-identities/lock HTTP/1.1\r\nHost: authme.test\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
            body.len()
        );
        let mut connection = TcpStream::connect(address(service)).await.expect("it listens");
        connection.write_all(head.as_bytes()).await.expect("it reads");
        Self {
            connection,
            rest: rest.to_owned(),
        }
    }

    /// Sends the rest; the answer up to the end of the connection.
    async fn finished(&mut self) -> String {
        self.connection.write_all(self.rest.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        self.connection
            .read_to_string(&mut answer)
            .await
            .expect("it answers and closes");
        answer
    }
}
