use std::sync::Arc;

use domain::sessions::{UsedOnceKey, UsedOncePurpose};
use domain::time::Timestamp;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, before};
use crate::race::{count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    a_value_is_used_once,
    values_are_independent,
    parallel_uses_have_one_winner,
    a_use_is_remembered_until_it_is_purged,
    uses_survive_reopening,
}

fn key(n: u8) -> UsedOnceKey {
    UsedOnceKey {
        purpose: UsedOncePurpose::SamlAssertion,
        hash: [n; 32],
    }
}

async fn mark_used(stores: &Stores, n: u8, purge_at: Timestamp) -> bool {
    stores.used_once.mark_used(&key(n), purge_at).await.unwrap()
}

async fn a_value_is_used_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(mark_used(&stores, 1, at(1_000)).await);
    // The first use decides, whatever later ones say about its end.
    for purge_at in [at(1_000), at(0), at(9_000)] {
        assert!(!mark_used(&stores, 1, purge_at).await);
    }
}

async fn values_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=3 {
        assert!(mark_used(&stores, n, at(1_000)).await);
    }
}

async fn parallel_uses_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let answers = run_concurrently(|_| {
        let used_once = Arc::clone(&stores.used_once);
        async move { used_once.mark_used(&key(1), at(1_000)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
}

async fn a_use_is_remembered_until_it_is_purged(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(mark_used(&stores, 1, at(1_000)).await);
    assert!(mark_used(&stores, 2, at(2_000)).await);
    let purge = async |before| crate::all_expired_records(&stores).purge(before, 10).await.unwrap();
    assert_eq!(purge(before(at(1_000))).await, 0);
    assert!(!mark_used(&stores, 1, at(1_000)).await);
    assert_eq!(purge(at(1_000)).await, 1);
    assert!(mark_used(&stores, 1, at(3_000)).await);
    assert!(!mark_used(&stores, 2, at(2_000)).await);
}

async fn uses_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(mark_used(&stores, 1, at(1_000)).await);
    drop(stores);
    let stores = fixture.reopen().await;
    assert!(!mark_used(&stores, 1, at(1_000)).await);
    assert!(mark_used(&stores, 2, at(1_000)).await);
}
