use domain::factors::FactorSet;
use ports::SaveOutcome;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{full_factor_set, full_identity, user};

pub(crate) mod codes;

contracts! { dyn Fixture:
    owner_and_set_are_found_together,
    a_set_without_owner_is_not_found,
}

async fn owner_and_set_are_found_together(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let owner = full_identity(1);
    stores.identities.create(&owner).await.unwrap();
    let found = stores.factor_sets.find_with_owner(&owner.id).await.unwrap();
    assert_eq!(found, Some((owner.clone(), None)));
    let found = stores.factor_sets.find_for_edit(&owner.id).await.unwrap();
    assert_eq!(found, Some((owner.clone(), None)));
    let set = full_factor_set(owner.id.clone());
    let outcome = stores.factor_sets.save_if_version(&set, Vec::new()).await.unwrap();
    assert_eq!(outcome, SaveOutcome::Saved);
    let found = stores.factor_sets.find_for_edit(&owner.id).await.unwrap();
    let first = FactorSet {
        version: 1,
        ..set.clone()
    };
    assert_eq!(found, Some((owner.clone(), Some(first))));
    let found = stores.factor_sets.find_with_owner(&owner.id).await.unwrap();
    assert_eq!(found, Some((owner, Some(FactorSet { version: 1, ..set }))));
}

async fn a_set_without_owner_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let set = full_factor_set(user(1));
    let outcome = stores.factor_sets.save_if_version(&set, Vec::new()).await.unwrap();
    assert_eq!(outcome, SaveOutcome::Saved);
    assert_eq!(stores.factor_sets.find_with_owner(&user(1)).await.unwrap(), None);
    assert_eq!(stores.factor_sets.find_for_edit(&user(1)).await.unwrap(), None);
}
