use domain::caller::Caller;
use domain::standing::NotStanding;
use ports::{CredentialStandings, StoreFailure};

/// Looks at the credential of a calling user, as every operation that changes something must: a locked user's token,
/// or one from before a lock, changes nothing anywhere. A client-only token has no credential to look at.
pub(crate) async fn look(
    standings: &dyn CredentialStandings,
    caller: &Caller,
) -> Result<Result<(), NotStanding>, StoreFailure> {
    match &caller.user {
        Some(user) => Ok(standings.look(&user.id).await?.judge(user.epoch)),
        None => Ok(Ok(())),
    }
}
