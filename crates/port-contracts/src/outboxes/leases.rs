use std::sync::Arc;
use std::time::Duration;

use domain::ids::UserId;
use ports::{Aggregate, Lease, PendingOutbox, Settlement};

use super::{acknowledge, push, settlement};
use crate::contract::contracts;
use crate::credential_lock::lock_changes;
use crate::fixtures::{at, lock_command, user};
use crate::race::at_once;
use crate::{Fixture, Stores};

contracts! { dyn Fixture:
    a_living_lease_keeps_others_out,
    a_lease_ends_at_the_exact_instant,
    the_same_owner_may_claim_again,
    a_repeated_claim_extends_the_lease,
    an_event_pushed_meanwhile_belongs_to_the_lease,
    a_claim_takes_no_more_than_its_limit,
    a_held_outbox_does_not_hold_up_others,
    what_another_settles_keeps_the_lease,
    a_released_outbox_is_free_at_once,
    a_held_outbox_is_free_at_the_exact_instant,
    releasing_what_another_holds_changes_nothing,
    releasing_again_changes_nothing,
    claiming_at_once_gives_each_outbox_to_one,
    taking_over_at_once_gives_each_outbox_to_one,
    a_lease_from_a_clock_far_ahead_holds_nobody_up,
    leases_survive_reopening,
}

/// Length of every lease here, in milliseconds.
const LENGTH: i64 = 30_000;

fn lease(owner: &str, now: i64) -> Lease {
    Lease {
        owner: owner.to_owned(),
        now: at(now),
        length: Duration::from_millis(LENGTH.unsigned_abs()),
    }
}

/// The keys `owner` is given at `now`, in order.
async fn claim(stores: &Stores, owner: &str, now: i64) -> Vec<String> {
    claim_some(stores, owner, now, 100).await
}

async fn claim_some(stores: &Stores, owner: &str, now: i64, limit: usize) -> Vec<String> {
    let claimed = stores.outboxes.claim(&lease(owner, now), limit).await.unwrap();
    let mut keys: Vec<_> = claimed.into_iter().map(|outbox| outbox.key).collect();
    keys.sort();
    keys
}

async fn release(stores: &Stores, n: usize, owner: &str) {
    let nothing_sent = settlement(Aggregate::FactorSet, user(n).as_str(), None);
    stores.outboxes.settle(owner, &[nothing_sent]).await.unwrap();
}

fn keys(users: impl IntoIterator<Item = usize>) -> Vec<String> {
    let ids = users.into_iter().map(user);
    ids.map(|id: UserId| id.to_string()).collect()
}

async fn a_living_lease_keeps_others_out(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "a", 0).await, keys([1]));
    for now in [0, 1, LENGTH - 1] {
        assert_eq!(claim(&stores, "b", now).await, keys([]), "at {now}");
    }
}

async fn a_lease_ends_at_the_exact_instant(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    assert_eq!(claim(&stores, "b", LENGTH - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LENGTH).await, keys([1]));
    assert_eq!(claim(&stores, "a", LENGTH).await, keys([]), "b's lease lives");
    assert_eq!(claim(&stores, "a", 2 * LENGTH).await, keys([1]));
}

async fn the_same_owner_may_claim_again(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    let first = stores.outboxes.claim(&lease("a", 0), 10).await.unwrap();
    let second = stores.outboxes.claim(&lease("a", 1), 10).await.unwrap();
    let events = |claimed: Vec<PendingOutbox>| claimed.into_iter().map(|outbox| outbox.events);
    assert!(events(first).eq(events(second)));
}

async fn a_repeated_claim_extends_the_lease(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    assert_eq!(claim(&stores, "a", 20_000).await, keys([1]));
    assert_eq!(claim(&stores, "b", 20_000 + LENGTH - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", 20_000 + LENGTH).await, keys([1]));
}

async fn an_event_pushed_meanwhile_belongs_to_the_lease(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    push(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "b", 1).await, keys([]));
    let claimed = stores.outboxes.claim(&lease("a", 1), 10).await.unwrap();
    let sequences: Vec<_> = claimed
        .iter()
        .flat_map(|outbox| &outbox.events)
        .map(|event| event.sequence)
        .collect();
    assert_eq!(sequences, [1, 2]);
}

async fn a_claim_takes_no_more_than_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..3 {
        push(&stores, n, 2).await;
    }
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(9), 1)).await;
    let mut given = claim_some(&stores, "a", 0, 3).await;
    assert_eq!(given.len(), 3);
    given.extend(claim_some(&stores, "b", 0, 3).await);
    given.sort();
    assert_eq!(given, keys([0, 1, 2, 9]));
}

async fn a_held_outbox_does_not_hold_up_others(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..3 {
        push(&stores, n, 1).await;
    }
    assert_eq!(claim(&stores, "a", 0).await, keys(0..3));
    push(&stores, 3, 1).await;
    assert_eq!(claim_some(&stores, "b", 1, 1).await, keys([3]));
}

async fn what_another_settles_keeps_the_lease(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    claim(&stores, "a", 0).await;
    acknowledge(&stores, 1, 1).await;
    assert_eq!(claim(&stores, "b", LENGTH - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LENGTH).await, keys([1]));
}

async fn a_released_outbox_is_free_at_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    push(&stores, 2, 1).await;
    claim(&stores, "a", 0).await;
    release(&stores, 1, "a").await;
    assert_eq!(claim(&stores, "b", 0).await, keys([1]));
}

async fn a_held_outbox_is_free_at_the_exact_instant(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    claim(&stores, "a", 0).await;
    let held = Settlement {
        held_until: Some(at(3)),
        ..settlement(Aggregate::FactorSet, user(1).as_str(), Some(1))
    };
    stores.outboxes.settle("a", &[held]).await.unwrap();
    for owner in ["a", "b"] {
        assert_eq!(claim(&stores, owner, 2).await, keys([]), "{owner}");
    }
    assert_eq!(claim(&stores, "b", 3).await, keys([1]));
}

async fn releasing_what_another_holds_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    claim(&stores, "a", 0).await;
    release(&stores, 1, "b").await;
    assert_eq!(claim(&stores, "b", 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LENGTH).await, keys([1]));
    release(&stores, 1, "a").await;
    assert_eq!(claim(&stores, "a", LENGTH).await, keys([]));
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

/// What each of several owners is given when all claim at `now`.
async fn race_to_claim(stores: &Stores, now: i64) -> Vec<String> {
    let claims = at_once(|caller| {
        let outboxes = Arc::clone(&stores.outboxes);
        async move {
            let lease = lease(&format!("relay-{caller}"), now);
            outboxes.claim(&lease, 100).await.unwrap()
        }
    })
    .await;
    let mut given: Vec<_> = claims.into_iter().flatten().map(|outbox| outbox.key).collect();
    given.sort();
    given
}

async fn claiming_at_once_gives_each_outbox_to_one(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..5 {
        push(&stores, n, 1).await;
    }
    assert_eq!(race_to_claim(&stores, 0).await, keys(0..5));
}

async fn taking_over_at_once_gives_each_outbox_to_one(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..5 {
        push(&stores, n, 1).await;
    }
    assert_eq!(claim(&stores, "paused", 0).await, keys(0..5));
    assert_eq!(race_to_claim(&stores, LENGTH - 1).await, keys([]));
    assert_eq!(race_to_claim(&stores, LENGTH).await, keys(0..5));
}

async fn a_lease_from_a_clock_far_ahead_holds_nobody_up(fixture: &dyn Fixture) {
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
    assert_eq!(claim(&stores, "b", LENGTH - 1).await, keys([]));
    assert_eq!(claim(&stores, "b", LENGTH).await, keys([1]));
}
