use std::fs;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use adapter_crypto::CachingTokenVerifier;
use adapter_http::{Api, ApiSettings, Authenticator, Management, TrustedProxies};
use adapter_kafka::KafkaEventPublisher;
use ports::Stores;
use service_runtime::{CommandError, Loaded, Loops, Signals, Stop, listen};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use use_cases::{AdmitCaller, RelayOutboxes};

use crate::settings::ServiceSettings;
use crate::store::{self, WaitForStore};
use crate::topics::{self, Topics};
use crate::{Context, Service, Shared, kafka};

// The time limits of the shutdown steps, in the order of the steps. Together with the default `http.drain` of 5 s they add
// up to 24 s. Kubernetes kills a pod after 30 s (`terminationGracePeriodSeconds`).

/// The limit for requests in flight. A request is cut off after 2.8 s, so this only bounds slow request bodies and slow readers.
const REQUESTS_TIMEOUT: Duration = Duration::from_secs(8);
/// The limit for the relay: the time limit for sending one outbox.
const RELAY_TIMEOUT: Duration = Duration::from_secs(5);
/// The limit for the producer's flush.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit for store calls that were already sent. A call takes at most 2.5 s.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts the service, serves until SIGTERM or SIGINT, and shuts down in order.
pub(crate) async fn serve(service: &Service, loaded: Loaded, settings: ServiceSettings) -> Result<(), CommandError> {
    // Installed first, so that a signal also ends a service that is still waiting for the store.
    let mut signals = Signals::install().map_err(CommandError::context("signal handlers cannot be installed"))?;
    let running = tokio::select! {
        running = RunningService::start(service, loaded, &settings) => running?,
        () = signals.recv() => return Ok(()),
    };
    signals.recv().await;
    running.stop(settings.http.drain).await;
    Ok(())
}

/// A started service, and the parts that a shutdown ends.
struct RunningService {
    api: ServerHandle,
    management: ServerHandle,
    servers: [JoinHandle<std::io::Result<()>>; 2],
    loops: Loops,
    stop: Stop,
    stores: Stores,
    publisher: Arc<KafkaEventPublisher>,
}

impl RunningService {
    async fn start(service: &Service, loaded: Loaded, settings: &ServiceSettings) -> Result<Self, CommandError> {
        let publisher = Arc::new(kafka::publisher(&settings.kafka)?);
        let stores = store::open(&settings.store, WaitForStore::Yes);
        let (stores, topics) = tokio::try_join!(stores, topics::check(&publisher))?;
        if let Topics::Unknown(error) = topics {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no Kafka broker answers; events stay in the outboxes until one does"
            );
        }
        let shared = Shared::new(loaded, settings, stores)?;
        let context = (service.wire)(&shared)?;
        store::create_indexes(&shared.stores, &context.aggregates()).await?;
        let stop = Stop::default();
        let api_settings = api_settings(settings, &context)?;
        let (listener, management_listener) = (
            listen(&settings.http.listen, "http.listen", None)?,
            listen(&settings.http.management, "http.management", None)?,
        );
        let loops = start_loops(service, settings, &shared, &context, &publisher);
        let management = management(&shared, &stop).serve(management_listener);
        let management = management.map_err(CommandError::context("the management port cannot be served"))?;
        let api = adapter_http::serve(api(&shared, &stop, context), api_settings, listener);
        let api = api.map_err(CommandError::context("the API cannot be served"))?;
        tracing::info!(
            service = service.name,
            api = settings.http.listen,
            management = settings.http.management,
            "serving"
        );
        Ok(Self {
            api: api.handle(),
            management: management.handle(),
            servers: [tokio::spawn(api), tokio::spawn(management)],
            loops,
            stop,
            stores: shared.stores,
            publisher,
        })
    }

    /// Shuts down. The steps are:
    ///
    /// 1. Readiness turns false. The API keeps serving for `drain`, so that load balancers notice.
    /// 2. Requests in flight are finished.
    /// 3. The relay publishes the last events.
    /// 4. The producer is flushed, and the last store calls are finished.
    ///
    /// The management port is open until the end, so that the last metrics can be scraped.
    async fn stop(self, drain: Duration) {
        tracing::info!("stopping");
        self.stop.begin();
        sleep(drain).await;
        self.api.stop(true).await;
        if timeout(RELAY_TIMEOUT, self.loops.end()).await.is_err() {
            tracing::warn!("events remain in the outboxes; another relay publishes them");
        }
        if let Err(error) = self.publisher.close(FLUSH_TIMEOUT).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the Kafka producer was closed before its flush was complete"
            );
        }
        if timeout(STORE_TIMEOUT, self.stores.upkeep.close()).await.is_err() {
            tracing::warn!("the store did not answer the last calls");
        }
        self.management.stop(true).await;
        for server in self.servers {
            let _ = server.await;
        }
        tracing::info!("stopped");
    }
}

fn start_loops(
    service: &Service,
    settings: &ServiceSettings,
    shared: &Shared,
    context: &Context,
    publisher: &Arc<KafkaEventPublisher>,
) -> Loops {
    let mut loops = Loops::default();
    let outboxes = shared.stores.upkeep.outboxes(&context.aggregates());
    let relay = RelayOutboxes::new(
        outboxes.clone(),
        publisher.clone(),
        shared.runtime.clock.clone(),
        relay_owner(service.name, shared),
        settings.relay.lease,
    );
    loops.relay(relay, outboxes.clone());
    loops.refresh_keys(shared.keys.periodic());
    let expired_records = shared.stores.upkeep.expired_records(&context.aggregates());
    loops.purge_expired(expired_records, shared.runtime.clock.clone());
    loops.collect_metrics(shared.telemetry.clone(), outboxes, shared.runtime.clock.clone());
    loops
}

/// Returns the name under which the relay claims outboxes. It is unique among all replicas and differs at each start, so a
/// restarted process never settles under a lease of its predecessor.
fn relay_owner(service: &str, shared: &Shared) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let suffix = domain::hex::encode(&shared.runtime.randomness.nonce());
    format!("{service}/{}/{}/{suffix}", host.trim(), process::id())
}

fn api(shared: &Shared, stop: &Stop, context: Context) -> Api {
    let verifier = CachingTokenVerifier::new(shared.keys.verification(), shared.profile.clone());
    let mut api = Api {
        tokens: None,
        factors: None,
        credential_lock: None,
        follow_events: None,
        authenticator: Authenticator {
            verifier: Arc::new(verifier),
            keys: shared.keys.on_demand(),
            clock: shared.runtime.clock.clone(),
            admit_caller: AdmitCaller::new(&shared.stores, shared.runtime.clock.clone()),
        },
        telemetry: shared.runtime.telemetry.clone(),
        randomness: shared.runtime.randomness.clone(),
        audit: shared.runtime.audit.clone(),
        stopping: stop.subscribe(),
    };
    context.add_to(&mut api);
    api
}

fn api_settings(settings: &ServiceSettings, context: &Context) -> Result<ApiSettings, CommandError> {
    let invalid_network = |text| {
        CommandError::msg(format!(
            "`http.trusted_proxies` contains `{text}`, which is neither a network nor an address"
        ))
    };
    Ok(ApiSettings {
        trusted_proxies: TrustedProxies::parse(&settings.http.trusted_proxies).map_err(invalid_network)?,
        http: settings.http.clone(),
        limits: settings.limits,
        key_set_cache_time: context.key_set_cache_time(),
        shutdown_timeout: REQUESTS_TIMEOUT,
        accepts_query_tokens: context.accepts_query_tokens(),
        login_guard: context.login_guard(),
    })
}

fn management(shared: &Shared, stop: &Stop) -> Management {
    let metrics = shared.telemetry.clone();
    let mut checks = vec![shared.stores.upkeep.readiness()];
    checks.extend(shared.keys.readiness());
    Management {
        checks,
        is_stopping: stop.flag(),
        metrics: Arc::new(move || metrics.render()),
    }
}
