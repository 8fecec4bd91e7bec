use domain::caller::Call;
use domain::time::Timestamp;
use domain::tokens::{ValidationToken, ValidationTokenHash};
use ports::StoreError;

use super::{ExpectedSubject, RenewToken, RenewalResult};
use crate::sessions::{RejectionReason, Subject, UserSubject, WriteEffect, calling_user, issue, reject};

impl RenewToken {
    /// Renews by a validation token, which works once. Everything that may fail is read before the token is consumed.
    /// If the answer is lost after that, the token is spent, and the application starts the SAML login or `change-app`
    /// again.
    pub(super) async fn by_validation_token(
        &self,
        call: &Call,
        token: &str,
        expected: &ExpectedSubject,
        is_remembered: bool,
    ) -> RenewalResult {
        let now = self.clock.now();
        let hash = self.hasher.hash(token);
        let found = self.find_validation_token(&hash, now).await?;
        let found = found.ok_or_else(|| reject(call, None, RejectionReason::Unknown))?;
        self.check_ownership(call, None, (&found.target_client, &found.user))
            .await?;
        let agreement = self
            .check_expected_subject(expected, &found.target_client, &found.user)
            .await;
        let groups = found.asserted_groups();
        let mut user = calling_user(found.user, found.business, found.epoch);
        let mut subject = UserSubject {
            id: user.id.clone(),
            epoch: user.epoch,
            family: None,
            ancestors: found.ancestors.clone(),
        };
        // This comes before the check of the expected subject, because a lock is reported before other errors.
        self.gate.check_before_write(call, &subject).await?;
        agreement?;
        let parent = (found.ancestors, found.session_expires_at);
        let session =
            is_remembered.then(|| self.new_session(&user, found.target_client.clone(), groups.clone(), parent));
        user.session = session.as_ref().map(|session| session.id.clone());
        subject.family = user.session.clone();
        let client = self.access_tokens.enabled_client(&found.target_client).await?;
        let token = self.access_tokens.for_user(&client, user, &groups).await?;
        let token = token.ending_by(found.session_expires_at);
        self.take_session_start(session.as_ref())?;
        let write = async {
            if !self.validation_tokens.consume(&hash, &client.id, now).await? {
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

    /// Returns the stored validation token. An absent one is read again, linearizably: right after a failover a
    /// majority read may be behind the write that issued it. Only a caller with a valid access token gets here, so an
    /// unauthenticated caller cannot cause these reads.
    async fn find_validation_token(
        &self,
        hash: &ValidationTokenHash,
        now: Timestamp,
    ) -> Result<Option<ValidationToken>, StoreError> {
        match self.validation_tokens.find(hash, now).await? {
            Some(found) => Ok(Some(found)),
            None => self.validation_tokens.read_linearizable(hash, now).await,
        }
    }
}
