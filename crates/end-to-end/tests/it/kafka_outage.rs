//! An outage of Kafka: a service starts, responds, and publishes its events after the outage.

use std::net::SocketAddr;
use std::time::Duration;

use domain::credential_lock::events::CREDENTIAL_LOCKED;
use end_to_end::{Installation, Options, Proxy, Servers, Service, open_event_reader};
use tokio::net::lookup_host;

/// The time limit for an event after the outage. A Kafka client retries a lost broker at least every ten seconds.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn service_starts_without_kafka_and_publishes_after_the_outage(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user("ana@example.com", &[]).await;
    let mut kafka = Proxy::start(resolve_first_broker(&servers.kafka_brokers).await).expect("a proxy");
    kafka.refuse().await;

    let options = Options::default().kafka_brokers(kafka.address().to_string());
    let output = installation.run(Service::CredentialLock, &options, &["--check"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.contains("kafka: unreachable"), "{}", output.stdout);

    let _tokens = installation.start(Service::Tokens, &Options::default()).await;
    let service = installation.start(Service::CredentialLock, &options).await;
    let caller = installation.caller();
    let desk = caller.client_token(&fixtures.desk).await;
    caller.lock(&desk, &ana).send().await.expect_status(204);
    assert!(service.log().contains("no Kafka broker answers"), "{}", service.log());

    kafka.restore().expect("the port is reserved");
    let mut reader = open_event_reader(&servers.kafka_brokers, &[&ana]);
    reader.read_until_event(CREDENTIAL_LOCKED, &ana, WITHIN).await;
}

async fn resolve_first_broker(brokers: &str) -> SocketAddr {
    let first = brokers.split(',').next().unwrap_or_default();
    let mut addresses = lookup_host(first).await.expect("a broker has an address");
    addresses.next().expect("a broker has an address")
}
