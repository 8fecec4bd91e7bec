//! The contract of every aggregate with rules. An aggregate runs it with a [`Sample`].

use std::fmt::Debug;
use std::sync::Arc;

use domain::actor::Actor;
use domain::event::{Event, EventContext, NewEvent};
use ports::{SaveOutcome, Stores, Versioned, VersionedStore};

use crate::contract::Contract;
use crate::fixtures::{at, event, event_context, event_id, events, user};
use crate::race::{CALLERS, count, run_concurrently};
use crate::{Fixture, MAX_PENDING_EVENTS, outboxes};

/// What the contract needs to know of an aggregate. Its key is the user of its events.
pub(crate) trait Sample: Versioned + PartialEq + Debug {
    /// Returns its store.
    fn store(stores: &Stores) -> Arc<dyn VersionedStore<Self>>;

    /// Returns the aggregate of user `n` with as few members as possible, not stored yet.
    fn empty(n: usize) -> Self;

    /// Returns the aggregate of user `n` with every member, not stored yet.
    fn full(n: usize) -> Self;

    /// Returns the aggregate as one of [`CALLERS`] changes it: each differently.
    fn changed_by(&self, caller: usize) -> Self;

    /// Returns the aggregate under another version.
    fn at_version(self, version: u64) -> Self;
}

macro_rules! contracts_of_every_aggregate {
    ($($contract:ident),+ $(,)?) => {
        pub(crate) fn contracts<A: Sample>() -> Vec<Contract<dyn Fixture>> {
            vec![$(Contract {
                name: format!("{}::{}::{}", module_path!(), A::AGGREGATE.name, stringify!($contract)),
                run: |fixture| Box::pin($contract::<A>(fixture)),
            }),+]
        }
    };
}

contracts_of_every_aggregate! {
    an_unknown_key_has_no_aggregate,
    every_member_survives,
    saving_raises_the_version,
    saving_again_is_a_conflict,
    save_with_unknown_version_conflicts,
    a_conflict_writes_nothing,
    aggregates_of_two_keys_are_independent,
    parallel_saves_have_one_winner,
    parallel_saves_of_a_stored_aggregate_have_one_winner,
    events_are_kept_in_the_order_given,
    every_field_of_an_event_survives,
    it_may_be_saved_without_an_event,
    full_outbox_rejects_a_save,
    outbox_respects_its_limit,
    it_survives_reopening,
}

async fn save<A: Sample>(stores: &Stores, aggregate: &A, events: Vec<NewEvent>) -> SaveOutcome {
    A::store(stores).save_if_version(aggregate, events).await.unwrap()
}

/// Returns the stored aggregate of user 1. Both reads return the same.
async fn find<A: Sample>(stores: &Stores) -> Option<A> {
    let key = A::empty(1).key().clone();
    let found = A::store(stores).read_linearizable(&key).await.unwrap();
    assert_eq!(A::store(stores).find(&key).await.unwrap(), found);
    found
}

async fn pending<A: Sample>(stores: &Stores) -> Vec<Event> {
    outboxes::pending(stores, A::AGGREGATE, user(1).as_str()).await
}

async fn drain<A: Sample>(stores: &Stores) -> Vec<Event> {
    outboxes::drain(stores, A::AGGREGATE, user(1).as_str()).await
}

/// Returns `events` as the outbox of user 1 holds them, the first with `sequence`.
fn with_sequences(events: Vec<NewEvent>, sequence: u64) -> Vec<Event> {
    events
        .into_iter()
        .zip(sequence..)
        .map(|(event, sequence)| event.into_event(user(1).as_str(), user(1), sequence))
        .collect()
}

async fn race_to_save<A: Sample>(stores: &Stores, found: &A) {
    let outcomes = run_concurrently(|caller| {
        let (store, changed) = (A::store(stores), found.changed_by(caller));
        async move { store.save_if_version(&changed, events(10 * caller, 2)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &SaveOutcome::Saved), 1);
    assert_eq!(count(&outcomes, &SaveOutcome::Conflict), CALLERS - 1);
    let winner = outcomes
        .iter()
        .position(|outcome| *outcome == SaveOutcome::Saved)
        .unwrap();
    let expected = found.changed_by(winner).at_version(found.version() + 1);
    assert_eq!(find::<A>(stores).await, Some(expected));
    let mut left = pending::<A>(stores).await;
    let tail = left.split_off(left.len() - 2);
    assert_eq!(
        tail.into_iter().map(|event| event.id).collect::<Vec<_>>(),
        [event_id(10 * winner), event_id(10 * winner + 1)]
    );
}

async fn an_unknown_key_has_no_aggregate<A: Sample>(fixture: &dyn Fixture) {
    assert_eq!(find::<A>(&fixture.stores()).await, None);
}

async fn every_member_survives<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(save(&stores, &A::full(1), events(1, 1)).await, SaveOutcome::Saved);
    assert_eq!(find(&stores).await, Some(A::full(1).at_version(1)));
    let emptied = A::empty(1).at_version(1);
    assert_eq!(save(&stores, &emptied, events(2, 1)).await, SaveOutcome::Saved);
    assert_eq!(find(&stores).await, Some(emptied.at_version(2)));
}

async fn saving_raises_the_version<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for version in 0..5 {
        let found = find(&stores).await.unwrap_or_else(|| A::empty(1));
        assert_eq!(found.version(), version);
        assert_eq!(save(&stores, &found, Vec::new()).await, SaveOutcome::Saved);
    }
}

async fn saving_again_is_a_conflict<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &A::full(1), events(1, 1)).await;
    for events in [events(1, 1), Vec::new()] {
        assert_eq!(save(&stores, &A::full(1), events).await, SaveOutcome::Conflict);
    }
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(1, 1), 1));
}

async fn save_with_unknown_version_conflicts<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for version in [1, 7] {
        let ahead = A::full(1).at_version(version);
        assert_eq!(save(&stores, &ahead, events(1, 1)).await, SaveOutcome::Conflict);
    }
    assert_eq!(find::<A>(&stores).await, None);
    assert_eq!(pending::<A>(&stores).await, []);
}

async fn a_conflict_writes_nothing<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &A::empty(1), events(1, 1)).await;
    save(&stores, &A::empty(1).at_version(1), events(2, 1)).await;
    let before = find::<A>(&stores).await;
    for version in [0, 1, 3] {
        for events in [events(3, 1), Vec::new()] {
            let other = A::full(1).at_version(version);
            assert_eq!(save(&stores, &other, events).await, SaveOutcome::Conflict);
            assert_eq!(find::<A>(&stores).await, before);
        }
    }
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(1, 2), 1));
}

async fn aggregates_of_two_keys_are_independent<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &A::full(2), events(1, 1)).await;
    assert_eq!(find::<A>(&stores).await, None);
    assert_eq!(save(&stores, &A::empty(1), events(2, 1)).await, SaveOutcome::Saved);
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(2, 1), 1));
}

async fn parallel_saves_have_one_winner<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    race_to_save(&stores, &A::full(1)).await;
    assert_eq!(pending::<A>(&stores).await.len(), 2);
}

async fn parallel_saves_of_a_stored_aggregate_have_one_winner<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &A::full(1), events(900, 1)).await;
    race_to_save(&stores, &A::full(1).at_version(1)).await;
    assert_eq!(pending::<A>(&stores).await.len(), 3);
}

async fn events_are_kept_in_the_order_given<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let backwards: Vec<_> = events(1, 3).into_iter().rev().collect();
    save(&stores, &A::empty(1), backwards.clone()).await;
    save(&stores, &A::empty(1).at_version(1), events(4, 2)).await;
    let given = [backwards, events(4, 2)].concat();
    assert_eq!(pending::<A>(&stores).await, with_sequences(given, 1));

    outboxes::acknowledge_all(&stores).await;
    save(&stores, &A::empty(1).at_version(2), events(6, 1)).await;
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(6, 1), 6));
}

async fn every_field_of_an_event_survives<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let plain = NewEvent {
        context: EventContext {
            by: Actor::default(),
            correlation_id: None,
            ..event_context(event_id(100), at(-1))
        },
        data: Vec::new(),
        ..event(100)
    };
    let given: Vec<_> = domain::event_types()
        .zip(1..)
        .map(|(kind, n)| NewEvent { kind, ..event(n) })
        .chain([plain])
        .collect();
    save(&stores, &A::empty(1), given.clone()).await;
    assert_eq!(pending::<A>(&stores).await, with_sequences(given, 1));
}

async fn it_may_be_saved_without_an_event<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(save(&stores, &A::full(1), Vec::new()).await, SaveOutcome::Saved);
    assert_eq!(pending::<A>(&stores).await, []);
    save(&stores, &A::full(1).at_version(1), events(1, 1)).await;
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(1, 1), 1));
}

async fn full_outbox_rejects_a_save<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let full = events(1, MAX_PENDING_EVENTS);
    assert_eq!(save(&stores, &A::empty(1), full.clone()).await, SaveOutcome::Saved);
    let before = find::<A>(&stores).await;
    let changed = A::full(1).at_version(1);
    assert_eq!(save(&stores, &changed, events(900, 1)).await, SaveOutcome::OutboxFull);
    assert_eq!(find(&stores).await, before);

    outboxes::acknowledge_in(&stores, A::AGGREGATE, user(1).as_str(), 1).await;
    assert_eq!(save(&stores, &changed, events(900, 1)).await, SaveOutcome::Saved);
    let kept = full.into_iter().skip(1).chain(events(900, 1)).collect();
    assert_eq!(drain::<A>(&stores).await, with_sequences(kept, 2));
}

async fn outbox_respects_its_limit<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let almost = events(1, MAX_PENDING_EVENTS - 1);
    save(&stores, &A::empty(1), almost.clone()).await;
    let found = A::empty(1).at_version(1);
    assert_eq!(save(&stores, &found, events(900, 2)).await, SaveOutcome::OutboxFull);
    assert_eq!(find(&stores).await, Some(found.clone()));
    assert_eq!(save(&stores, &found, events(900, 1)).await, SaveOutcome::Saved);
    let kept = [almost, events(900, 1)].concat();
    assert_eq!(drain::<A>(&stores).await, with_sequences(kept, 1));
}

async fn it_survives_reopening<A: Sample>(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &A::full(1), events(1, 3)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(find(&stores).await, Some(A::full(1).at_version(1)));
    assert_eq!(pending::<A>(&stores).await, with_sequences(events(1, 3), 1));
    assert_eq!(save(&stores, &A::full(1), events(1, 3)).await, SaveOutcome::Conflict);
}
