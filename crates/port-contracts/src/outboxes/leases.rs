use domain::factors::FactorSet;
use ports::Versioned as _;
use std::time::Duration;

use domain::ids::UserId;
use ports::{Lease, PendingOutbox, Settlement};

use super::{acknowledge, push, settlement};
use crate::Fixture;
use crate::contract::contracts;
use crate::credential_lock::lock_changes;
use crate::fixtures::{at, lock_command, user};
use crate::race::run_concurrently;
use ports::Stores;

contracts! { dyn Fixture:
    active_lease_excludes_other_owners,
    a_lease_ends_exactly_after_its_length,
    the_same_owner_may_claim_again,
    a_repeated_claim_extends_the_lease,
    event_pushed_during_a_lease_belongs_to_its_owner,
    claim_respects_its_limit,
    leased_outbox_does_not_block_others,
    settlement_by_another_owner_keeps_the_lease,
    released_outbox_can_be_claimed_immediately,
    outbox_can_be_claimed_at_the_end_of_its_hold,
    release_by_another_owner_changes_nothing,
    releasing_again_changes_nothing,
    parallel_claims_give_each_outbox_to_one_owner,
    parallel_claims_after_a_lease_give_each_outbox_to_one_owner,
    lease_of_a_clock_far_ahead_is_ignored,
    leases_survive_reopening,
}

/// The length of every lease here, in milliseconds.
const LEASE_MS: i64 = 30_000;

fn lease(owner: &str, now: i64) -> Lease {
    Lease {
        owner: owner.to_owned(),
        now: at(now),
        length: Duration::from_millis(LEASE_MS.unsigned_abs()),
    }
}

/// Claims for `owner` at `now` and returns the sorted keys.
async fn claim(stores: &Stores, owner: &str, now: i64) -> Vec<String> {
    claim_some(stores, owner, now, 100).await
}

async fn claim_some(stores: &Stores, owner: &str, now: i64, limit: usize) -> Vec<String> {
    let claimed = crate::all_outboxes(stores)
        .claim(&lease(owner, now), limit)
        .await
        .unwrap();
    let mut keys: Vec<_> = claimed.into_iter().map(|outbox| outbox.key).collect();
    keys.sort();
    keys
}

async fn release(stores: &Stores, n: usize, owner: &str) {
    let nothing_published = settlement(FactorSet::AGGREGATE, user(n).as_str(), None);
    crate::all_outboxes(stores)
        .settle(owner, &[nothing_published])
        .await
        .unwrap();
}

fn keys(users: impl IntoIterator<Item = usize>) -> Vec<String> {
    let ids = users.into_iter().map(user);
    ids.map(|id: UserId| id.to_string()).collect()
}

async fn active_lease_excludes_other_owners(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "a", 0).await, keys([1]));
    for now in [0, 1, LEASE_MS - 1] {
        assert_eq!(claim(&stores, "b", now).await, keys([]), "at {now}");
    }
}

async fn a_lease_ends_exactly_after_its_length(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    assert_eq!(claim(&stores, "b", LEASE_MS - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LEASE_MS).await, keys([1]));
    assert_eq!(claim(&stores, "a", LEASE_MS).await, keys([]), "b's lease is active");
    assert_eq!(claim(&stores, "a", 2 * LEASE_MS).await, keys([1]));
}

async fn the_same_owner_may_claim_again(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    let first = crate::all_outboxes(&stores).claim(&lease("a", 0), 10).await.unwrap();
    let second = crate::all_outboxes(&stores).claim(&lease("a", 1), 10).await.unwrap();
    let events = |claimed: Vec<PendingOutbox>| claimed.into_iter().map(|outbox| outbox.events);
    assert!(events(first).eq(events(second)));
}

async fn a_repeated_claim_extends_the_lease(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    assert_eq!(claim(&stores, "a", 20_000).await, keys([1]));
    assert_eq!(claim(&stores, "b", 20_000 + LEASE_MS - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", 20_000 + LEASE_MS).await, keys([1]));
}

async fn event_pushed_during_a_lease_belongs_to_its_owner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    push(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "b", 1).await, keys([]));
    let claimed = crate::all_outboxes(&stores).claim(&lease("a", 1), 10).await.unwrap();
    let sequences: Vec<_> = claimed
        .iter()
        .flat_map(|outbox| &outbox.events)
        .map(|event| event.sequence)
        .collect();
    assert_eq!(sequences, [1, 2]);
}

async fn claim_respects_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..3 {
        push(&stores, n, 2).await;
    }
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(9), 1)).await;
    let mut claimed_keys = claim_some(&stores, "a", 0, 3).await;
    assert_eq!(claimed_keys.len(), 3);
    claimed_keys.extend(claim_some(&stores, "b", 0, 3).await);
    claimed_keys.sort();
    assert_eq!(claimed_keys, keys([0, 1, 2, 9]));
}

async fn leased_outbox_does_not_block_others(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..3 {
        push(&stores, n, 1).await;
    }
    assert_eq!(claim(&stores, "a", 0).await, keys(0..3));
    push(&stores, 3, 1).await;
    assert_eq!(claim_some(&stores, "b", 1, 1).await, keys([3]));
}

async fn settlement_by_another_owner_keeps_the_lease(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    claim(&stores, "a", 0).await;
    acknowledge(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "b", LEASE_MS - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LEASE_MS).await, keys([1]));
}

async fn released_outbox_can_be_claimed_immediately(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    push(&stores, 2, 1).await;
    claim(&stores, "a", 0).await;
    release(&stores, 1, "a").await;
    assert_eq!(claim(&stores, "b", 0).await, keys([1]));
}

async fn outbox_can_be_claimed_at_the_end_of_its_hold(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    claim(&stores, "a", 0).await;
    let held = Settlement {
        held_until: Some(at(3)),
        ..settlement(FactorSet::AGGREGATE, user(1).as_str(), Some(1))
    };
    crate::all_outboxes(&stores).settle("a", &[held]).await.unwrap();
    for owner in ["a", "b"] {
        assert_eq!(claim(&stores, owner, 2).await, keys([]), "{owner}");
    }
    assert_eq!(claim(&stores, "b", 3).await, keys([1]));
}

async fn release_by_another_owner_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    release(&stores, 1, "b").await;
    assert_eq!(claim(&stores, "b", 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LEASE_MS).await, keys([1]));
    release(&stores, 1, "a").await;
    assert_eq!(claim(&stores, "a", LEASE_MS).await, keys([]));
}

async fn releasing_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    release(&stores, 1, "a").await;
    push(&stores, 1, 1).await;
    release(&stores, 1, "a").await;
    claim(&stores, "a", 0).await;
    for _ in 0..2 {
        release(&stores, 1, "a").await;
    }
    assert_eq!(claim(&stores, "b", 0).await, keys([1]));
}

/// Claims for several owners at `now` and returns the sorted keys of all their claims.
async fn race_to_claim(stores: &Stores, now: i64) -> Vec<String> {
    let claims = run_concurrently(|caller| {
        let outboxes = crate::all_outboxes(stores);
        async move {
            let lease = lease(&format!("relay-{caller}"), now);
            outboxes.claim(&lease, 100).await.unwrap()
        }
    })
    .await;
    let mut claimed_keys: Vec<_> = claims.into_iter().flatten().map(|outbox| outbox.key).collect();
    claimed_keys.sort();
    claimed_keys
}

async fn parallel_claims_give_each_outbox_to_one_owner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..5 {
        push(&stores, n, 1).await;
    }
    assert_eq!(race_to_claim(&stores, 0).await, keys(0..5));
}

async fn parallel_claims_after_a_lease_give_each_outbox_to_one_owner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..5 {
        push(&stores, n, 1).await;
    }
    assert_eq!(claim(&stores, "paused", 0).await, keys(0..5));
    assert_eq!(race_to_claim(&stores, LEASE_MS - 1).await, keys([]));
    assert_eq!(race_to_claim(&stores, LEASE_MS).await, keys(0..5));
}

async fn lease_of_a_clock_far_ahead_is_ignored(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "a day ahead", 86_400_000).await, keys([1]));
    assert_eq!(claim(&stores, "b", 0).await, keys([1]));
    assert_eq!(claim(&stores, "c", 1).await, keys([]));
}

async fn leases_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(claim(&stores, "b", LEASE_MS - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LEASE_MS).await, keys([1]));
}
