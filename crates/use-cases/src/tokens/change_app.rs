use std::net::IpAddr;
use std::sync::Arc;

use domain::caller::Caller;
use domain::ids::ClientId;

use super::Refused;
use super::grants::Grants;
use super::hand_offs::{HandOff, HandOffs, NewHandOff};
use super::mint_gate::{MintGate, Minted, UserSubject};
use super::sessions::Sessions;

/// Where a user goes.
#[derive(Debug, Clone)]
pub struct ChangeAppRequest {
    pub target_client: ClientId,
    pub ip: Option<IpAddr>,
}

/// Takes a user from one application to another. What the target makes of it is a branch of the caller's session: it ends
/// no later, and with the root of that session.
pub struct ChangeApp {
    grants: Arc<Grants>,
    sessions: Arc<Sessions>,
    hand_offs: Arc<HandOffs>,
    gate: Arc<MintGate>,
}

impl ChangeApp {
    pub(super) fn new(
        gate: Arc<MintGate>,
        grants: Arc<Grants>,
        sessions: Arc<Sessions>,
        hand_offs: Arc<HandOffs>,
    ) -> Self {
        Self {
            grants,
            sessions,
            hand_offs,
            gate,
        }
    }

    /// Judged in this order: lock, target client, session, user, business.
    pub async fn run(&self, caller: &Caller, request: ChangeAppRequest) -> Result<Minted<HandOff>, Refused> {
        let calling = caller.user.as_ref().ok_or(Refused::NotPermitted)?;
        let mut subject = UserSubject {
            id: calling.id.clone(),
            epoch: calling.epoch,
            family: calling.session.clone(),
            root: None,
        };
        // A lock is told before anything else that is wrong, and before what it did to the session.
        self.gate.look(&subject).await?;
        let target = self.grants.enabled_client(&request.target_client).await?;
        let parent = self.sessions.alive(caller).await?;
        if let Some(parent) = &parent {
            subject.root = Some(parent.origin.root.clone());
            self.gate.look(&subject).await?;
        }
        self.grants
            .check_business(&calling.id, calling.business.as_ref())
            .await?;
        let (groups, session_expires_at) = match parent {
            Some(parent) => (parent.origin.groups, parent.absolute_expires_at),
            // Without a session there is nothing to revoke, so what comes of it lives no longer than the caller's token.
            None => (Vec::new(), caller.expires_at),
        };
        self.hand_offs
            .issue(NewHandOff {
                subject,
                origin_client: caller.client.clone(),
                target_client: target.id,
                business: calling.business.clone(),
                groups,
                session_expires_at: Some(session_expires_at),
                ip: request.ip,
            })
            .await
    }
}
