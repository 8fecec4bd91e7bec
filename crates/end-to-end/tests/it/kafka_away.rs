//! Kafka may be away: a service starts, answers, and its events go out later.

use std::net::SocketAddr;
use std::time::Duration;

use domain::event::EventKind;
use end_to_end::{Installation, Options, Proxy, Servers, Service, follow_events};
use tokio::net::lookup_host;

/// A client of Kafka looks for brokers that are away every ten seconds at least.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn a_service_starts_and_its_events_go_out_when_it_is_back(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    let ana = installation.user("ana@example.com", &[]).await;
    let mut kafka = Proxy::before(first(&servers.kafka_brokers).await).expect("a proxy");
    kafka.refuse().await;

    let options = Options::default().kafka_brokers(kafka.address().to_string());
    let checked = installation.run(Service::CredentialLock, &options, &["--check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("kafka: away"), "{}", checked.stdout);

    let _tokens = installation.start(Service::Tokens, &Options::default()).await;
    let service = installation.start(Service::CredentialLock, &options).await;
    let caller = installation.caller();
    let desk = caller.client_token(&cast.desk).await;
    caller.lock(&desk, &ana).answer().await.with_status(204);
    assert!(service.log().contains("no broker answers"), "{}", service.log());

    kafka.pass().expect("the port is still ours");
    let mut follower = follow_events(&servers.kafka_brokers, &[&ana]);
    follower
        .read_until_told(EventKind::CredentialLocked, &ana, WITHIN)
        .await;
}

async fn first(brokers: &str) -> SocketAddr {
    let first = brokers.split(',').next().unwrap_or_default();
    let mut found = lookup_host(first).await.expect("a broker has an address");
    found.next().expect("a broker has an address")
}
