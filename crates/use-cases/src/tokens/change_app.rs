use std::net::IpAddr;
use std::sync::Arc;

use domain::caller::Call;
use domain::group::AssertedGroups;
use domain::ids::ClientId;
use domain::tokens::RefreshFamily;

use super::Refused;
use super::grants::Grants;
use super::hand_offs::{HandOff, HandOffs, NewHandOff};
use super::mint_gate::{MintGate, Minted, UserSubject};
use crate::ActiveUser;

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
    hand_offs: Arc<HandOffs>,
    gate: Arc<MintGate>,
}

impl ChangeApp {
    pub(super) fn new(gate: Arc<MintGate>, grants: Arc<Grants>, hand_offs: Arc<HandOffs>) -> Self {
        Self {
            grants,
            hand_offs,
            gate,
        }
    }

    /// Judged in this order: lock, session, user, target client, business.
    pub async fn run(&self, call: &Call, request: ChangeAppRequest) -> Result<Minted<HandOff>, Refused> {
        let calling = call.user.as_ref().ok_or(Refused::NotPermitted)?;
        let ActiveUser { identity, session } = self.gate.check_caller(call, calling).await?;
        let target = self.grants.enabled_client(&request.target_client).await?;
        let ancestors = session.as_ref().map(RefreshFamily::ancestors_of_a_branch).transpose();
        let ancestors = ancestors.map_err(|_| Refused::ClientNotUsable)?.unwrap_or_default();
        let business = calling.business.as_ref();
        if business.is_some_and(|business| identity.business(business).is_none()) {
            return Err(Refused::BusinessNotLinked);
        }
        let (groups, session_expires_at) = match session {
            Some(session) => (session.origin.asserted_groups(), session.absolute_expires_at),
            // Without a session there is nothing to revoke, so what comes of it lives no longer than the caller's token.
            None => (AssertedGroups::default(), call.expires_at),
        };
        let subject = UserSubject {
            id: calling.id.clone(),
            epoch: calling.epoch,
            family: calling.session.clone(),
            ancestors,
        };
        self.hand_offs
            .issue(
                call,
                NewHandOff {
                    subject,
                    target_client: target.id,
                    business: calling.business.clone(),
                    groups,
                    session_expires_at: Some(session_expires_at),
                    ip: request.ip,
                },
            )
            .await
    }
}
