//! Decides which requests are recorded in the audit trail, and writes their records.

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

use crate::keyed_rate_limiter::KeyedRateLimiter;
use crate::peer::network;
use crate::request_record::{AuditedOperation, RequestRecord};

/// The maximum number of records per minute about unauthenticated callers from one network. One record a second shows
/// an operator what the network tries.
const UNAUTHENTICATED_PER_NETWORK: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// The maximum number of records per minute about unauthenticated callers from all networks. 20 records a second are at
/// most half a gigabyte a day, however many addresses take part in an attack.
const UNAUTHENTICATED: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_199);

/// The maximum number of remembered networks. The least recently used one is evicted first. Ten thousand states are a
/// few megabytes.
const NETWORKS: u64 = 10_000;

/// The period of the quotas, after which an unused quota is full again.
const PERIOD: Duration = Duration::from_mins(1);

/// Writes the audit records of requests. All workers share one recorder. With one per worker, a caller that reaches
/// several workers would have the quota of each.
pub(crate) struct AuditRecorder {
    trail: Arc<dyn AuditTrail>,
    clock: Arc<dyn Clock>,
    networks: KeyedRateLimiter<DefaultClock>,
    hasher: RandomState,
    all_networks: DefaultDirectRateLimiter,
    omitted: AtomicU64,
}

impl AuditRecorder {
    pub(crate) fn new(trail: Arc<dyn AuditTrail>, clock: Arc<dyn Clock>) -> Self {
        Self {
            trail,
            clock,
            networks: KeyedRateLimiter::new(
                Quota::per_minute(UNAUTHENTICATED_PER_NETWORK),
                DefaultClock::default(),
                NETWORKS,
                PERIOD,
            ),
            hasher: RandomState::new(),
            all_networks: RateLimiter::direct(Quota::per_minute(UNAUTHENTICATED)),
            omitted: AtomicU64::new(0),
        }
    }

    /// Records an answered request that changed something, unless its use case records it, or that was refused with 401
    /// or 403, unless its refresh or validation token was not valid, or a client login that was refused with 429.
    /// Quotas limit the records about unauthenticated callers. The next record has the number of records that were
    /// omitted.
    pub(crate) fn record(
        &self,
        operation: &AuditedOperation,
        (request, request_record): (&HttpRequest, &RequestRecord),
        (status, code): (StatusCode, Option<&'static str>),
    ) {
        let outcome = match status {
            status if status.is_success() && operation.records_success => AuditOutcome::Done,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED if code != Some(TOKEN_NOT_VALID) => AuditOutcome::Refused,
            // Only a client login gets 429 before its caller is known: the request limits apply to verified tokens.
            StatusCode::TOO_MANY_REQUESTS if request_record.caller.is_none() => AuditOutcome::Refused,
            _ => return,
        };
        let is_unauthenticated = request_record.caller.is_none() && request_record.client.is_none();
        if is_unauthenticated && !self.has_quota(request_record.request.address) {
            self.omitted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut record = AuditRecord::new(self.clock.now(), operation.id.as_str(), outcome);
        record = match request_record.call() {
            Some(call) => record.in_call(&call),
            None => AuditRecord {
                request_id: Some(request_record.request.id.clone()),
                by: Actor {
                    client: request_record.client.clone(),
                    ..Actor::default()
                },
                address: request_record.request.address,
                ..record
            },
        };
        self.trail.record(&AuditRecord {
            object: collect_objects(request, request_record),
            status: Some(status.as_u16()),
            code,
            omitted: self.omitted.swap(0, Ordering::Relaxed),
            ..record
        });
    }

    fn has_quota(&self, address: Option<IpAddr>) -> bool {
        let network = self.hasher.hash_one(address.map(network));
        self.networks.take(network).is_ok() && self.all_networks.check().is_ok()
    }
}

/// The code of a refresh or validation token that is not valid. Such a token is not a failed authentication of the
/// caller, and the use cases record a replay themselves. A refused assertion of a SAML login has the same code.
const TOKEN_NOT_VALID: &str = "20";

/// Returns the objects that the handler recorded, and the well-formed ids in the path.
fn collect_objects(request: &HttpRequest, request_record: &RequestRecord) -> Vec<(&'static str, String)> {
    let mut objects = request_record.objects.clone();
    for (parameter, kind) in [("id", "user"), ("factorId", "contact")] {
        let id = request.match_info().get(parameter);
        // Both kinds of id have the same form. Malformed text is left out: it may be a contact or a secret.
        let id = id.and_then(|id| ContactId::parse(id).ok());
        objects.extend(id.map(|id| (kind, id.to_string())));
    }
    objects
}
