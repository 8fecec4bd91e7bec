//! An outage of Kafka: a service starts, responds, and publishes its events later.

use std::net::SocketAddr;
use std::time::Duration;

use domain::event::EventKind;
use end_to_end::{Installation, Options, Proxy, Servers, Service, read_events};
use tokio::net::lookup_host;

/// A Kafka client retries a lost broker at least every ten seconds.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn service_starts_and_publishes_when_kafka_is_back(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    let ana = installation.register_user("ana@example.com", &[]).await;
    let mut kafka = Proxy::start(first_broker(&servers.kafka_brokers).await).expect("a proxy");
    kafka.refuse().await;

    let options = Options::default().kafka_brokers(kafka.address().to_string());
    let checked = installation.run(Service::CredentialLock, &options, &["--check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("kafka: unreachable"), "{}", checked.stdout);

    let _tokens = installation.start(Service::Tokens, &Options::default()).await;
    let service = installation.start(Service::CredentialLock, &options).await;
    let caller = installation.caller();
    let desk = caller.client_token(&fixtures.desk).await;
    caller.lock(&desk, &ana).send().await.expect_status(204);
    assert!(service.log().contains("no Kafka broker answers"), "{}", service.log());

    kafka.pass().expect("the port is reserved");
    let mut reader = read_events(&servers.kafka_brokers, &[&ana]);
    reader.read_until_event(EventKind::CredentialLocked, &ana, WITHIN).await;
}

async fn first_broker(brokers: &str) -> SocketAddr {
    let first = brokers.split(',').next().unwrap_or_default();
    let mut addresses = lookup_host(first).await.expect("a broker has an address");
    addresses.next().expect("a broker has an address")
}
