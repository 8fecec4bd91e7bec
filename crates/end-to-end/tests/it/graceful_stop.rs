//! SIGTERM: the service becomes unready immediately, finishes the requests in flight and publishes the last event.

use std::time::Duration;

use domain::credential_lock::events::CREDENTIAL_LOCKED;
use end_to_end::{Installation, Options, Process, Servers, Service, eventually, open_event_reader};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn sigterm_finishes_requests_and_publishes_their_events(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user("ana@example.com", &[]).await;
    // Longer than the test takes to notice that the service is unready.
    let options = Options::default().setting("http.drain", "2s");
    let _tokens = installation.start(Service::Tokens, &options).await;
    let service = installation.start(Service::CredentialLock, &options).await;
    let caller = installation.caller();
    let desk = caller.client_token(&fixtures.desk).await;

    let mut in_flight = HalfSentRequest::send_first_half(&service, &desk, &ana).await;
    service.send_sigterm();
    eventually("the service is unready", Duration::from_secs(1), async || {
        (!service.is_ready().await).then_some(())
    })
    .await;
    caller.unlock(&desk, &ana).send().await.expect_status(204);
    eventually("the service accepts no connections", WITHIN, async || {
        TcpStream::connect(address(&service)).await.err()
    })
    .await;

    let response = in_flight.finish().await;
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    service.wait_for_exit().await;
    let mut reader = open_event_reader(&servers.kafka_brokers, &[&ana]);
    reader.read_until_event(CREDENTIAL_LOCKED, &ana, WITHIN).await;
}

fn address(service: &Process) -> (&'static str, u16) {
    ("127.0.0.1", service.port())
}

/// A lock request whose second half has not been sent yet.
struct HalfSentRequest {
    connection: TcpStream,
    rest: String,
}

impl HalfSentRequest {
    async fn send_first_half(service: &Process, bearer: &str, user: &str) -> Self {
        let body = json!({"userId": user}).to_string();
        let (first, rest) = body.split_at(5);
        let head = format!(
            "POST /security/iam/v1/user-identities/lock HTTP/1.1\r\nHost: authme.test\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
            body.len()
        );
        let mut connection = TcpStream::connect(address(service)).await.expect("the service listens");
        connection.write_all(head.as_bytes()).await.expect("the service reads");
        Self {
            connection,
            rest: rest.to_owned(),
        }
    }

    /// Sends the rest, reads until the service closes the connection, and returns the response.
    async fn finish(&mut self) -> String {
        self.connection
            .write_all(self.rest.as_bytes())
            .await
            .expect("the service reads");
        let mut response = String::new();
        self.connection
            .read_to_string(&mut response)
            .await
            .expect("the service responds and closes");
        response
    }
}
