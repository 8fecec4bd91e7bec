//! Which requests leave a record in the audit trail, and what it says.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use domain::actor::Actor;
use domain::ids::ContactId;
use governor::DefaultDirectRateLimiter;
use governor::clock::DefaultClock;
use governor::{Quota, RateLimiter};
use ports::{AuditOutcome, AuditRecord, AuditTrail, Clock};

use crate::budget::Budget;
use crate::observed::{Observed, ObservedOperation};
use crate::peer::network;

/// Records a minute about callers of one network that no token or secret proved: enough to see who tries what.
const STRANGERS_PER_NETWORK: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// The same from everywhere: 20 a second are at most half a gigabyte a day, however many addresses take part.
const STRANGERS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_199);

/// Networks remembered at most; the least recently seen go first.
const NETWORKS: u64 = 10_000;

/// In this time an untouched budget is whole again.
const WINDOW: Duration = Duration::from_mins(1);

/// Decides and writes. One for all workers: a stranger cannot choose its worker.
pub(crate) struct Auditor {
    trail: Arc<dyn AuditTrail>,
    clock: Arc<dyn Clock>,
    networks: Budget<DefaultClock>,
    hasher: RandomState,
    everywhere: DefaultDirectRateLimiter,
    omitted: AtomicU64,
}

impl Auditor {
    pub(crate) fn new(trail: Arc<dyn AuditTrail>, clock: Arc<dyn Clock>) -> Self {
        Self {
            trail,
            clock,
            networks: Budget::new(
                Quota::per_minute(STRANGERS_PER_NETWORK),
                DefaultClock::default(),
                NETWORKS,
                WINDOW,
            ),
            hasher: RandomState::new(),
            everywhere: RateLimiter::direct(Quota::per_minute(STRANGERS)),
            omitted: AtomicU64::new(0),
        }
    }

    /// Records a request that was answered, when it changed something or was refused to its caller.
    pub(crate) fn record(
        &self,
        operation: &ObservedOperation,
        (request, observed): (&HttpRequest, &Observed),
        (status, code): (StatusCode, Option<&'static str>),
    ) {
        let outcome = match status {
            status if status.is_success() && operation.records_success => AuditOutcome::Done,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED if code != Some(RENEWAL_REFUSED) => AuditOutcome::Refused,
            // Of all 429s only client logins': nobody has been authenticated before them.
            StatusCode::TOO_MANY_REQUESTS if observed.caller.is_none() => AuditOutcome::Refused,
            _ => return,
        };
        let is_stranger = observed.caller.is_none() && observed.client.is_none();
        if is_stranger && !self.admits(observed.request.address) {
            self.omitted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut record = AuditRecord::new(self.clock.now(), operation.id.as_str(), outcome);
        record = match observed.call() {
            Some(call) => record.in_call(&call),
            None => AuditRecord {
                request_id: Some(observed.request.id.clone()),
                by: Actor {
                    client: observed.client.clone(),
                    ..Actor::default()
                },
                address: observed.request.address,
                ..record
            },
        };
        self.trail.record(&AuditRecord {
            object: objects(request, observed),
            status: Some(status.as_u16()),
            code,
            omitted: self.omitted.swap(0, Ordering::Relaxed),
            ..record
        });
    }

    fn admits(&self, address: Option<IpAddr>) -> bool {
        let network = self.hasher.hash_one(address.map(network));
        self.networks.take(network).is_ok() && self.everywhere.check().is_ok()
    }
}

/// A refresh or validation token that is not good is no failed authentication, and whoever renews records what matters.
const RENEWAL_REFUSED: &str = "20";

/// The ids of the path, as far as they are ids, and what the handler named.
fn objects(request: &HttpRequest, observed: &Observed) -> Vec<(&'static str, String)> {
    let mut objects = observed.objects.clone();
    for (parameter, kind) in [("id", "user"), ("factorId", "contact")] {
        let id = request.match_info().get(parameter);
        // Both have the same form. What is no id may be anything, a contact or a secret too.
        let id = id.and_then(|id| ContactId::parse(id).ok());
        objects.extend(id.map(|id| (kind, id.to_string())));
    }
    objects
}
