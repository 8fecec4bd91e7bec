use std::net::IpAddr;
use std::sync::Arc;

use domain::caller::Call;
use domain::group::AssertedGroups;
use domain::ids::{ClientId, FamilyId, UserId};
use domain::sessions::RefreshFamily;

use super::validation_token_issuer::{IssuedValidationToken, NewValidationToken, ValidationTokenIssuer};
use crate::sessions::{AccessTokenFactory, ActiveUser, Issuance, MintGate, Minted, TokenError, UserSubject};

/// The target of a change of application.
#[derive(Debug, Clone)]
pub struct ChangeAppRequest {
    pub target_client: ClientId,
    pub ip: Option<IpAddr>,
}

/// Issues a validation token with which another application gets the user's tokens. The session that starts with it is
/// a branch of the caller's. It ends no later than the caller's session, and as soon as any ancestor is revoked
/// (docs/protocols.md "Branches").
pub struct ChangeApp {
    access_tokens: Arc<AccessTokenFactory>,
    validation_tokens: Arc<ValidationTokenIssuer>,
    gate: Arc<MintGate>,
}

impl ChangeApp {
    pub(super) fn new(issuance: &Issuance, validation_tokens: Arc<ValidationTokenIssuer>) -> Self {
        Self {
            access_tokens: issuance.access_tokens.clone(),
            validation_tokens,
            gate: issuance.gate.clone(),
        }
    }

    /// Issues the validation token. Errors are reported in this order: lock, session, user, target client, business.
    #[tracing::instrument(
        level = "debug",
        name = "change_app",
        skip_all,
        fields(client = call.client.as_str(), user = call.user_id().map(UserId::as_str), session = tracing::field::Empty)
    )]
    pub async fn run(
        &self,
        call: &Call,
        request: ChangeAppRequest,
    ) -> Result<Minted<IssuedValidationToken>, TokenError> {
        let calling = call.user.as_ref().ok_or(TokenError::NotPermitted)?;
        let ActiveUser {
            identity,
            session,
            sessions_version,
        } = self.gate.check_caller(call, calling).await?;
        tracing::Span::current().record("session", calling.session.as_ref().map(FamilyId::as_str));
        let target = self.access_tokens.enabled_client(&request.target_client).await?;
        let ancestors = session.as_ref().map(RefreshFamily::ancestors_of_a_branch).transpose();
        let ancestors = ancestors.map_err(|_| TokenError::ClientNotUsable)?.unwrap_or_default();
        let business = calling.business.as_ref();
        if business.is_some_and(|business| identity.business(business).is_none()) {
            return Err(TokenError::BusinessNotLinked);
        }
        let (groups, session_expires_at) = match session {
            Some(session) => (session.origin.asserted_groups(), session.absolute_expires_at),
            // Without a session there is nothing to revoke, so the new session ends with the caller's token.
            None => (AssertedGroups::default(), call.expires_at),
        };
        let subject = UserSubject {
            id: calling.id.clone(),
            epoch: calling.epoch,
            sessions_version,
            family: calling.session.clone(),
            ancestors,
        };
        self.validation_tokens
            .issue(
                call,
                NewValidationToken {
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
