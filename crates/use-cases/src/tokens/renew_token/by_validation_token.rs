use domain::caller::Call;
use domain::time::Timestamp;
use domain::tokens::{ValidationToken, ValidationTokenHash};
use ports::StoreError;

use super::{ExpectedSubject, RenewToken, Renewed};
use crate::tokens::access_token_factory::{self, issue};
use crate::tokens::mint_gate::{Subject, UserSubject, WriteEffect};
use crate::tokens::rejection::{RejectionReason, reject};

impl RenewToken {
    /// Turns a hand-off into tokens; a validation token works once.
    pub(super) async fn by_validation_token(
        &self,
        call: &Call,
        token: &str,
        claimed: &ExpectedSubject,
        remember: bool,
    ) -> Renewed {
        let now = self.clock.now();
        let hash = self.tokens.hasher.hash(token);
        let found = self.find_or_look(&hash, now).await?;
        let found = found.ok_or_else(|| reject(call, None, RejectionReason::Unknown))?;
        self.belongs_to(call, None, (&found.target_client, &found.user)).await?;
        let agreement = self.agrees(claimed, &found.target_client, &found.user).await;
        let groups = found.asserted_groups();
        let mut user = access_token_factory::user(found.user, found.business, found.epoch);
        let mut subject = UserSubject {
            id: user.id.clone(),
            epoch: user.epoch,
            family: None,
            ancestors: found.ancestors.clone(),
        };
        // A lock is told before anything else that is wrong.
        self.gate.check_before_write(call, &subject).await?;
        agreement?;
        let parent = (found.ancestors, found.session_expires_at);
        let session = remember.then(|| self.new_session(&user, found.target_client.clone(), groups.clone(), parent));
        user.session = session.as_ref().map(|session| session.id.clone());
        subject.family = user.session.clone();
        let client = self.access_tokens.enabled_client(&found.target_client).await?;
        let token = self.access_tokens.for_user(&client, user, &groups).await?;
        let token = token.ending_by(found.session_expires_at);
        self.take_session_start(session.as_ref())?;
        let write = async {
            if !self.tokens.validation_tokens.consume(&hash, &client.id, now).await? {
                return Err(reject(call, None, RejectionReason::Used));
            }
            match session {
                Some(session) => Ok(self.start(call, session).await?.map(Some)),
                None => Ok(WriteEffect::Changed(None)),
            }
        };
        self.gate
            .mint(Subject::User(call, subject), write, |refresh, signer| {
                issue(token, refresh, signer)
            })
            .await
    }

    /// Looks once more before it is said that there is no such token: right after a failover a majority read may be behind
    /// the write that issued it. Only a client or user whose own token is good comes here, so no stranger makes us look.
    async fn find_or_look(
        &self,
        hash: &ValidationTokenHash,
        now: Timestamp,
    ) -> Result<Option<ValidationToken>, StoreError> {
        match self.tokens.validation_tokens.find(hash, now).await? {
            Some(found) => Ok(Some(found)),
            None => self.tokens.validation_tokens.read_linearizable(hash, now).await,
        }
    }
}
