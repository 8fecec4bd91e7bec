use std::sync::Arc;

use super::{AccessTokenFactory, ActiveCheck, MintGate, SessionPorts, SessionSettings, Sessions};

/// The issuance of tokens. A process has one, which the contexts that mint share.
#[derive(Clone)]
pub struct Issuance {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) gate: Arc<MintGate>,
    pub(crate) access_tokens: Arc<AccessTokenFactory>,
    pub(crate) active_check: ActiveCheck,
}

impl Issuance {
    pub fn new(ports: &SessionPorts, settings: &SessionSettings) -> Self {
        let active_check = ActiveCheck {
            clients: ports.stores.clients.clone(),
            identities: ports.stores.identities.clone(),
            lock_statuses: ports.stores.lock_statuses.clone(),
            sign_in_statuses: ports.stores.sign_in_statuses.clone(),
            refresh_families: ports.stores.refresh_families.clone(),
            clock: ports.runtime.clock.clone(),
        };
        let sessions = Arc::new(Sessions::new(ports, settings));
        Self {
            gate: Arc::new(MintGate::new(ports, active_check.clone(), sessions.clone())),
            access_tokens: Arc::new(AccessTokenFactory::new(ports, settings)),
            sessions,
            active_check,
        }
    }
}
