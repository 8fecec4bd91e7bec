use domain::credential_lock::CredentialLock;
use domain::factors::FactorSet;
use ports::Versioned as _;
use ports::sessions::REFRESH_FAMILIES;
use std::time::Duration;

use domain::event::Event;
use domain::sessions::{RevocationReason, events};
use ports::{Aggregate, Lease, OutboxBacklog, PendingOutbox, Settlement};

use crate::contract::contracts;
use crate::credential_lock::lock_changes;
use crate::fixtures::{self, at, event_context, event_id, family, full_factor_set, lock_command, user};
use crate::race::{run_concurrently, start_waiting, within_timeout};
use crate::{Fixture, MAX_PENDING_EVENTS};
use ports::Stores;

pub(crate) mod leases;

contracts! { dyn Fixture:
    claim_without_events_is_empty,
    every_kind_of_aggregate_has_an_outbox,
    aggregates_of_one_user_are_independent,
    full_outbox_is_claimed_in_sequence_order,
    settling_keeps_later_events,
    settling_several_settles_each,
    settling_again_changes_nothing,
    settling_absent_outboxes_changes_nothing,
    parallel_settlements_and_pushes_lose_no_event,
    backlog_counts_aggregates_and_returns_the_oldest_event,
    a_claimed_outbox_still_counts_as_backlog,
    every_push_ends_the_wait,
    push_before_the_wait_ends_it,
    dropped_waiter_loses_no_push,
    pending_events_survive_reopening,
}

/// Returns all outboxes with pending events, by a claim with a lease of length zero.
async fn observe(stores: &Stores) -> Vec<PendingOutbox> {
    let lease = Lease {
        owner: "observer".to_owned(),
        now: at(0),
        length: Duration::ZERO,
    };
    crate::all_outboxes(stores).claim(&lease, 10_000).await.unwrap()
}

/// Returns the events of one outbox, which must have no lease. If it has many, only the first of them.
pub(crate) async fn pending(stores: &Stores, aggregate: &'static Aggregate, key: &str) -> Vec<Event> {
    let outboxes = observe(stores).await.into_iter();
    let mut found = outboxes.filter(|outbox| outbox.aggregate == aggregate && outbox.key == key);
    let events = found.next().map_or_else(Vec::new, |outbox| outbox.events);
    assert!(found.next().is_none(), "{aggregate:?} {key} was claimed twice");
    events
}

/// Removes and returns all events of one outbox, which must have no lease. A claim may return only the first events;
/// the others are claimed once these are settled.
pub(crate) async fn drain(stores: &Stores, aggregate: &'static Aggregate, key: &str) -> Vec<Event> {
    let mut drained = Vec::new();
    loop {
        let events = pending(stores, aggregate, key).await;
        let Some(last) = events.last() else {
            return drained;
        };
        acknowledge_in(stores, aggregate, key, last.sequence).await;
        drained.extend(events);
    }
}

/// Empties all outboxes as a relay does.
pub(crate) async fn acknowledge_all(stores: &Stores) {
    for PendingOutbox { aggregate, key, events } in observe(stores).await {
        let last = events.iter().map(|event| event.sequence).max().unwrap();
        acknowledge_in(stores, aggregate, &key, last).await;
    }
}

/// Pushes `count` events into the outbox of a user's factor set.
pub(crate) async fn push(stores: &Stores, n: usize, count: u64) {
    let found = stores.factor_sets.find(&user(n)).await.unwrap();
    let set = found.unwrap_or_else(|| FactorSet::empty(user(n)));
    let first_id = (1_000 * (n + 1) + usize::try_from(set.version).unwrap()) * 1_000;
    let mut events = fixtures::events(0, count);
    for (event, id) in events.iter_mut().zip(first_id..) {
        event.context.id = event_id(id);
    }
    stores.factor_sets.save_if_version(&set, events).await.unwrap();
}

/// Settles the events of a user's factor set up to `sequence`.
pub(crate) async fn acknowledge(stores: &Stores, n: usize, sequence: u64) {
    acknowledge_in(stores, FactorSet::AGGREGATE, user(n).as_str(), sequence).await;
}

/// Settles the events of an outbox up to `sequence`, for an owner without a lease.
pub(crate) async fn acknowledge_in(stores: &Stores, aggregate: &'static Aggregate, key: &str, sequence: u64) {
    let published = settlement(aggregate, key, Some(sequence));
    crate::all_outboxes(stores)
        .settle("no-lease", &[published])
        .await
        .unwrap();
}

fn settlement(aggregate: &'static Aggregate, key: &str, published: Option<u64>) -> Settlement {
    Settlement {
        aggregate,
        key: key.to_owned(),
        published,
        held_until: None,
    }
}

async fn sequences(stores: &Stores, n: usize) -> Vec<u64> {
    let events = pending(stores, FactorSet::AGGREGATE, user(n).as_str()).await;
    events.iter().map(|event| event.sequence).collect()
}

async fn backlog(stores: &Stores) -> OutboxBacklog {
    crate::all_outboxes(stores).backlog().await.unwrap()
}

async fn claim_without_events_is_empty(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(observe(&stores).await.is_empty());
    assert_eq!(backlog(&stores).await, OutboxBacklog::default());
    let set = full_factor_set(user(1));
    stores.factor_sets.save_if_version(&set, Vec::new()).await.unwrap();
    assert!(observe(&stores).await.is_empty());
    assert_eq!(backlog(&stores).await, OutboxBacklog::default());
}

async fn every_kind_of_aggregate_has_an_outbox(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(1), 1)).await;
    push(&stores, 2, 1).await;
    let family = family(3);
    let event = events::start_event(event_context(event_id(3), at(3)), &family);
    stores.refresh_families.start(&family, event).await.unwrap();
    let mut seen: Vec<_> = observe(&stores)
        .await
        .into_iter()
        .flat_map(|outbox| {
            let PendingOutbox { aggregate, key, events } = outbox;
            events.into_iter().map(move |event| {
                assert_eq!(event.subject, key);
                (aggregate, event.user, event.sequence)
            })
        })
        .collect();
    seen.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(
        seen,
        [
            (CredentialLock::AGGREGATE, user(1), 1),
            (FactorSet::AGGREGATE, user(2), 1),
            (&REFRESH_FAMILIES, user(3), 1),
        ]
    );
}

async fn aggregates_of_one_user_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(1), 900)).await;
    let credential = pending(&stores, CredentialLock::AGGREGATE, user(1).as_str()).await;
    assert_eq!(credential.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1]);
    assert_eq!(backlog(&stores).await.depth, 2);
    acknowledge(&stores, 1, 2).await;
    let kept = pending(&stores, CredentialLock::AGGREGATE, user(1).as_str()).await;
    assert_eq!(kept, credential);
    assert_eq!(sequences(&stores, 1).await, [0; 0]);
}

async fn full_outbox_is_claimed_in_sequence_order(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, MAX_PENDING_EVENTS).await;
    let drained = drain(&stores, FactorSet::AGGREGATE, user(1).as_str()).await;
    let sequences: Vec<_> = drained.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=MAX_PENDING_EVENTS).collect::<Vec<_>>());
    assert_eq!(backlog(&stores).await, OutboxBacklog::default());
}

async fn settling_keeps_later_events(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 12).await;
    acknowledge(&stores, 1, 1).await;
    assert_eq!(sequences(&stores, 1).await, (2..=12).collect::<Vec<_>>());
    acknowledge(&stores, 1, 9).await;
    assert_eq!(sequences(&stores, 1).await, [10, 11, 12]);
    push(&stores, 1, 1).await;
    assert_eq!(sequences(&stores, 1).await, [10, 11, 12, 13]);
    acknowledge(&stores, 1, 13).await;
    assert!(observe(&stores).await.is_empty());
}

async fn settling_several_settles_each(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=3 {
        push(&stores, n, 3).await;
    }
    let of = |n, published| settlement(FactorSet::AGGREGATE, user(n).as_str(), published);
    let settlements = [of(1, Some(2)), of(2, None), of(3, Some(3)), of(4, Some(1))];
    crate::all_outboxes(&stores)
        .settle("no-lease", &settlements)
        .await
        .unwrap();
    assert_eq!(sequences(&stores, 1).await, [3]);
    assert_eq!(sequences(&stores, 2).await, [1, 2, 3]);
    assert_eq!(sequences(&stores, 3).await, [0; 0]);
    crate::all_outboxes(&stores).settle("no-lease", &[]).await.unwrap();
}

async fn settling_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 4).await;
    for sequence in [3, 3, 1] {
        acknowledge(&stores, 1, sequence).await;
        assert_eq!(sequences(&stores, 1).await, [4]);
    }
    for _ in 0..2 {
        acknowledge(&stores, 1, 4).await;
        assert_eq!(backlog(&stores).await, OutboxBacklog::default());
    }
    push(&stores, 1, 1).await;
    assert_eq!(sequences(&stores, 1).await, [5]);
}

async fn settling_absent_outboxes_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 2).await;
    acknowledge(&stores, 2, 2).await;
    for aggregate in [CredentialLock::AGGREGATE, &REFRESH_FAMILIES] {
        acknowledge_in(&stores, aggregate, user(1).as_str(), 2).await;
    }
    assert_eq!(sequences(&stores, 1).await, [1, 2]);
}

async fn parallel_settlements_and_pushes_lose_no_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 8).await;
    run_concurrently(|caller| {
        let stores = stores.clone();
        async move {
            if caller % 2 == 0 {
                acknowledge(&stores, 1, u64::try_from(caller / 2).unwrap()).await;
            } else {
                push(&stores, 1, 1).await;
            }
        }
    })
    .await;
    let left = sequences(&stores, 1).await;
    let expected: Vec<_> = (8..).take(left.len()).collect();
    assert!(left.len() >= 2, "no push was stored");
    assert_eq!(left, expected);
}

async fn backlog_counts_aggregates_and_returns_the_oldest_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let expect = |depth, oldest| OutboxBacklog {
        depth,
        oldest: Some(at(oldest)),
        unreadable: 0,
    };
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(1), 500)).await;
    assert_eq!(backlog(&stores).await, expect(1, 500));
    push(&stores, 2, 3).await;
    assert_eq!(backlog(&stores).await, expect(2, 0));
    acknowledge(&stores, 2, 2).await;
    assert_eq!(backlog(&stores).await, expect(2, 2));
    acknowledge(&stores, 2, 3).await;
    assert_eq!(backlog(&stores).await, expect(1, 500));
    acknowledge_all(&stores).await;
    assert_eq!(backlog(&stores).await, OutboxBacklog::default());
}

async fn a_claimed_outbox_still_counts_as_backlog(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 1).await;
    let before = backlog(&stores).await;
    let lease = Lease {
        owner: "relay".to_owned(),
        now: at(0),
        length: Duration::from_secs(30),
    };
    crate::all_outboxes(&stores).claim(&lease, 10).await.unwrap();
    assert_eq!(before.depth, 1);
    assert_eq!(backlog(&stores).await, before);
}

async fn every_push_ends_the_wait(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    let (command, set) = (lock_command(&user(1), 1), full_factor_set(user(1)));
    let started = events::start_event(event_context(event_id(2), at(0)), &family);
    let revoked = events::revocation_event(event_context(event_id(3), at(0)), &family, RevocationReason::Replay);
    let outboxes = crate::all_outboxes(&stores);

    let waiting = start_waiting(|| outboxes.wait_for_event()).await;
    lock_changes::lock(&*stores.credential_locks, &command).await;
    within_timeout(waiting).await;

    let waiting = start_waiting(|| outboxes.wait_for_event()).await;
    lock_changes::unlock(&*stores.credential_locks, &lock_command(&user(1), 4)).await;
    within_timeout(waiting).await;

    let waiting = start_waiting(|| outboxes.wait_for_event()).await;
    let saved = stores.factor_sets.save_if_version(&set, fixtures::events(5, 1));
    saved.await.unwrap();
    within_timeout(waiting).await;

    let waiting = start_waiting(|| outboxes.wait_for_event()).await;
    stores.refresh_families.start(&family, started).await.unwrap();
    within_timeout(waiting).await;

    let waiting = start_waiting(|| outboxes.wait_for_event()).await;
    let ended = stores
        .refresh_families
        .revoke(&family.id, RevocationReason::Replay, revoked);
    assert!(ended.await.unwrap());
    within_timeout(waiting).await;
}

async fn push_before_the_wait_ends_it(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..5 {
        push(&stores, n, 1).await;
        within_timeout(crate::all_outboxes(&stores).wait_for_event()).await;
    }
}

async fn dropped_waiter_loses_no_push(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let outboxes = crate::all_outboxes(&stores);
    let dropped = start_waiting(|| outboxes.wait_for_event()).await;
    drop(dropped);
    push(&stores, 1, 1).await;
    within_timeout(crate::all_outboxes(&stores).wait_for_event()).await;

    let dropped = start_waiting(|| outboxes.wait_for_event()).await;
    push(&stores, 2, 1).await;
    drop(dropped);
    within_timeout(crate::all_outboxes(&stores).wait_for_event()).await;
}

async fn pending_events_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    push(&stores, 1, 12).await;
    push(&stores, 2, 1).await;
    acknowledge(&stores, 1, 9).await;
    acknowledge(&stores, 2, 1).await;
    let backlog_before = backlog(&stores).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(sequences(&stores, 1).await, [10, 11, 12]);
    assert_eq!(backlog(&stores).await, backlog_before);
    push(&stores, 2, 1).await;
    assert_eq!(sequences(&stores, 2).await, [2]);
}
