use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::caller::Call;
use domain::group::AssertedGroups;
use domain::ids::{BusinessId, ClientId, UserId};
use domain::time::{self, Timestamp};
use domain::tokens::{ValidationToken, ValidationTokenSecret};
use ports::tokens::{ValidationTokenHasher, ValidationTokens};
use ports::{Clock, Randomness};

use super::{TokensPorts, TokensSettings};
use crate::sessions::{Issuance, MintGate, Minted, Sessions, Subject, TokenError, UserSubject, WriteEffect};

/// A validation token, with which the target application gets the user's tokens.
#[derive(Debug)]
pub struct IssuedValidationToken {
    pub validation_token: ValidationTokenSecret,
    pub origin_client: ClientId,
    pub user: UserId,
    pub ip: Option<IpAddr>,
}

/// The content of a validation token that is about to be issued.
pub(super) struct NewValidationToken {
    pub(super) subject: UserSubject,
    pub(super) target_client: ClientId,
    pub(super) business: Option<BusinessId>,
    pub(super) groups: AssertedGroups,
    /// The expiry of the session or token that the validation token comes from, if there is one. The validation token
    /// expires no later.
    pub(super) session_expires_at: Option<Timestamp>,
    pub(super) ip: Option<IpAddr>,
}

/// Issues validation tokens. The store holds only their hash.
pub(super) struct ValidationTokenIssuer {
    validation_tokens: Arc<dyn ValidationTokens>,
    hasher: Arc<dyn ValidationTokenHasher>,
    gate: Arc<MintGate>,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    lifetime: Duration,
}

impl ValidationTokenIssuer {
    pub(super) fn new(ports: &TokensPorts, issuance: &Issuance, settings: &TokensSettings) -> Self {
        Self {
            validation_tokens: ports.stores.validation_tokens.clone(),
            hasher: ports.crypto.hasher.clone(),
            gate: issuance.gate.clone(),
            sessions: issuance.sessions.clone(),
            clock: ports.runtime.clock.clone(),
            randomness: ports.runtime.randomness.clone(),
            lifetime: settings.validation_token_lifetime,
        }
    }

    /// Stores a validation token, passes the mint gate, and returns it. If it is rejected, it stays stored, but no
    /// caller learns its secret.
    pub(super) async fn issue(
        &self,
        call: &Call,
        new: NewValidationToken,
    ) -> Result<Minted<IssuedValidationToken>, TokenError> {
        let secret = ValidationTokenSecret::from_random(self.randomness.secret());
        let expires_at = time::after(self.clock.now(), self.lifetime);
        let token = ValidationToken {
            hash: self.hasher.hash(secret.reveal()),
            user: new.subject.id.clone(),
            origin_client: call.client.clone(),
            target_client: new.target_client,
            business: new.business,
            groups: new.groups.names,
            epoch: new.subject.epoch,
            sessions_version: new.subject.sessions_version,
            ancestors: new.subject.ancestors.clone(),
            session_expires_at: new.session_expires_at,
            ip: new.ip,
            expires_at: new
                .session_expires_at
                .map_or(expires_at, |session| session.min(expires_at)),
            administrative_groups: new.groups.administrative,
            first_refresh_token: Some(self.sessions.first_refresh_token()),
            consumption: None,
        };
        let write = async {
            let is_new = self.validation_tokens.issue(&token).await?;
            Ok(WriteEffect::of_insert(is_new, ()))
        };
        let validation_token = IssuedValidationToken {
            validation_token: secret,
            origin_client: call.client.clone(),
            user: new.subject.id.clone(),
            ip: new.ip,
        };
        self.gate
            .mint(Subject::User(call, new.subject), write, |(), _| Ok(validation_token))
            .await
    }
}
