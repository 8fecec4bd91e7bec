use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{CachingTokenVerifier, SystemRandomness};
use adapter_http::{Api, ApiSettings, Authenticator, Management, TrustedProxies};
use ports::{Aggregate, Clock, EventLog, EventPublisher, KeySetSource, Runtime, Stores};
use service_runtime::{CachedClients, CommandError, Loaded, Loops, PrometheusTelemetry, Stop, TokioTimer};
use use_cases::{AdmitCaller, EraseRemovedUsers, RelayOutboxes, RelayPorts};

use crate::context::Context;
use crate::contexts::EventLogSettings;
use crate::platform::Platform;
use crate::settings::ProcessSettings;
use crate::wiring::Wiring;

/// The time limit of a shutdown for requests in flight. A request is cut off after 2.8 s, so this only bounds slow
/// request bodies and slow readers.
pub(crate) const REQUESTS_TIMEOUT: Duration = Duration::from_secs(8);

/// The contexts of a process, connected to its platform: what to serve, and what its loops need.
pub struct App {
    pub api: Api,
    pub api_settings: ApiSettings,
    pub management: Management,
    pub stores: Stores,
    pub stop: Stop,
    pub(crate) aggregates: Vec<&'static Aggregate>,
    pub(crate) event_publisher: Arc<dyn EventPublisher>,
    pub(crate) lock: Option<File>,
    clock: Arc<dyn Clock>,
    keys: Arc<dyn KeySetSource>,
    telemetry: Arc<PrometheusTelemetry>,
    relay_owner: String,
    relay_lease: Duration,
    erase_removed_users: EraseRemovedUsers,
    /// The event log of the process, if it has one, and how long it keeps events.
    event_log: Option<(Arc<dyn EventLog>, Duration)>,
}

impl App {
    /// Connects contexts to a platform. Has to be called on the Tokio runtime on which codes are sent.
    pub fn assemble(contexts: &[&Context], platform: Platform, loaded: Loaded) -> Result<Self, CommandError> {
        let settings = ProcessSettings::read(&loaded).map_err(CommandError::context("the settings are invalid"))?;
        let telemetry = PrometheusTelemetry::new().map_err(CommandError::context("the metrics cannot be set up"))?;
        let telemetry = Arc::new(telemetry);
        let mut stores = platform.stores;
        stores.clients = Arc::new(CachedClients::new(stores.clients));
        let wiring = Wiring {
            stores,
            runtime: Runtime {
                clock: platform.clock,
                randomness: Arc::new(SystemRandomness),
                telemetry: telemetry.clone(),
                audit: platform.audit,
            },
            profile: settings.tokens.profile()?,
            settings: loaded,
            event_log: platform.event_log,
            keys: platform.keys,
            secrets: platform.secrets,
            outgoing_codes: platform.outgoing_codes,
        };
        let event_log = match wiring.event_log.clone() {
            Some(log) => {
                let settings = wiring.settings.read::<EventLogSettings>();
                let settings = settings.map_err(CommandError::context("the settings are invalid"))?;
                Some((log, settings.retention))
            }
            None => None,
        };
        let stop = Stop::default();
        let modules = contexts.iter().map(|context| (context.wire)(&wiring));
        let api = api(&wiring, modules.collect::<Result<_, _>>()?, &stop);
        Ok(Self {
            api,
            api_settings: api_settings(&settings)?,
            management: management(&wiring, telemetry.clone(), &stop),
            stop,
            aggregates: Context::aggregates(contexts),
            erase_removed_users: Context::erase_removed_users(contexts, &wiring.stores),
            event_publisher: platform.event_publisher,
            lock: platform.lock,
            clock: wiring.runtime.clock,
            keys: wiring.keys.periodic.clone(),
            stores: wiring.stores,
            telemetry,
            relay_owner: platform.relay_owner,
            relay_lease: platform.relay_lease,
            event_log,
        })
    }

    /// Creates the relay of the contexts' outboxes.
    pub fn relay(&self) -> RelayOutboxes {
        let ports = RelayPorts {
            outboxes: self.stores.upkeep.outboxes(&self.aggregates),
            publisher: self.event_publisher.clone(),
            clock: self.clock.clone(),
            timer: Arc::new(TokioTimer),
        };
        RelayOutboxes::new(ports, self.relay_owner.clone(), self.relay_lease)
    }

    /// Starts the relay, the key refresh, the purges and the metrics.
    pub(crate) fn start_loops(&self) -> Loops {
        let mut loops = Loops::default();
        let upkeep = &self.stores.upkeep;
        let outboxes = upkeep.outboxes(&self.aggregates);
        loops.relay(self.relay());
        loops.refresh_keys(self.keys.clone());
        loops.purge_expired(upkeep.expired_records(&self.aggregates), self.clock.clone());
        loops.erase_removed_users(self.erase_removed_users.clone());
        if let Some((log, retention)) = self.event_log.clone() {
            loops.remove_old_events(log, retention, self.clock.clone());
        }
        loops.collect_metrics(self.telemetry.clone(), outboxes, self.clock.clone());
        loops
    }
}

fn api(wiring: &Wiring, modules: Vec<adapter_http::Module>, stop: &Stop) -> Api {
    let Runtime {
        clock,
        randomness,
        telemetry,
        audit,
    } = wiring.runtime.clone();
    let verifier = CachingTokenVerifier::new(wiring.keys.verification.clone(), wiring.profile.clone());
    Api {
        modules,
        authenticator: Authenticator {
            verifier: Arc::new(verifier),
            keys: wiring.keys.on_demand.clone(),
            clock: clock.clone(),
            admit_caller: AdmitCaller::new(&wiring.stores, clock),
        },
        telemetry,
        randomness,
        audit,
        stopping: stop.subscribe(),
    }
}

fn api_settings(settings: &ProcessSettings) -> Result<ApiSettings, CommandError> {
    let invalid_network = |text| {
        CommandError::msg(format!(
            "`http.trusted_proxies` contains `{text}`, which is neither a network nor an address"
        ))
    };
    Ok(ApiSettings {
        trusted_proxies: TrustedProxies::parse(&settings.http.trusted_proxies).map_err(invalid_network)?,
        http: settings.http.clone(),
        limits: settings.limits,
        shutdown_timeout: REQUESTS_TIMEOUT,
    })
}

fn management(wiring: &Wiring, telemetry: Arc<PrometheusTelemetry>, stop: &Stop) -> Management {
    let mut checks = vec![wiring.stores.upkeep.readiness()];
    checks.extend(wiring.keys.readiness.clone());
    Management {
        checks,
        is_stopping: stop.flag(),
        metrics: Arc::new(move || telemetry.render()),
    }
}
