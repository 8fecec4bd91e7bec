use domain::factors::FactorSet;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::StoreError;
use ports::factors::FactorSets;

/// Returns a user and the user's set, without the contacts that are credential contacts by now; `None` if there is no
/// such user.
pub(super) async fn find_with_owner(
    factor_sets: &dyn FactorSets,
    user: &UserId,
) -> Result<Option<(Identity, FactorSet)>, StoreError> {
    Ok(clean(user, factor_sets.find_with_owner(user).await?))
}

/// Returns the same, for a caller that saves the set ([`FactorSets::find_for_edit`]).
pub(super) async fn find_for_edit(
    factor_sets: &dyn FactorSets,
    user: &UserId,
) -> Result<Option<(Identity, FactorSet)>, StoreError> {
    Ok(clean(user, factor_sets.find_for_edit(user).await?))
}

fn clean(user: &UserId, found: Option<(Identity, Option<FactorSet>)>) -> Option<(Identity, FactorSet)> {
    let (owner, set) = found?;
    let mut set = set.unwrap_or_else(|| FactorSet::empty(user.clone()));
    set.remove_credential_duplicates(&owner);
    Some((owner, set))
}
