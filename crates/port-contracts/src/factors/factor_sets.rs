use std::sync::Arc;

use domain::actor::Actor;
use domain::event::{Event, EventContext, NewEvent};
use domain::factors::FactorSet;
use domain::factors::events::FACTOR_CHANGED;
use domain::ids::UserId;
use ports::Aggregate;
use ports::SaveOutcome;

use crate::contract::contracts;
use crate::fixtures::{at, contact_id, event, event_context, event_id, events, full_factor_set, full_identity, user};
use crate::outboxes;
use crate::race::{CALLERS, count, run_concurrently};
use crate::{Fixture, MAX_PENDING_EVENTS};
use ports::Stores;

pub(crate) mod codes;

contracts! { dyn Fixture:
    unknown_user_has_an_empty_set,
    every_field_of_a_set_survives,
    find_with_owner_returns_empty_and_stored_sets,
    find_with_owner_returns_none_for_absent_owner,
    saving_raises_the_version,
    saving_again_is_a_conflict,
    save_with_unknown_version_conflicts,
    a_conflict_writes_nothing,
    sets_of_two_users_are_independent,
    parallel_saves_have_one_winner,
    parallel_saves_of_a_stored_set_have_one_winner,
    events_are_kept_in_the_order_given,
    every_field_of_an_event_survives,
    a_set_may_be_saved_without_an_event,
    full_outbox_rejects_a_save,
    outbox_respects_its_limit,
    a_set_survives_reopening,
}

async fn save(stores: &Stores, set: &FactorSet, events: Vec<NewEvent>) -> SaveOutcome {
    stores.factor_sets.save_if_version(set, events).await.unwrap()
}

async fn find(stores: &Stores, user: &UserId) -> FactorSet {
    stores.factor_sets.find(user).await.unwrap()
}

async fn pending(stores: &Stores, user: &UserId) -> Vec<Event> {
    outboxes::pending(stores, Aggregate::FactorSet, user.as_str()).await
}

async fn drain(stores: &Stores, user: &UserId) -> Vec<Event> {
    outboxes::drain(stores, Aggregate::FactorSet, user.as_str()).await
}

/// Returns `events` as the outbox of user 1's set holds them, the first with `sequence`.
fn with_sequences(events: Vec<NewEvent>, sequence: u64) -> Vec<Event> {
    events
        .into_iter()
        .zip(sequence..)
        .map(|(event, sequence)| event.into_event(user(1).as_str(), user(1), sequence))
        .collect()
}

/// Returns the set that one of [`CALLERS`] saves over `found`; the chosen default is the caller's number.
fn rival(found: &FactorSet, caller: usize) -> FactorSet {
    FactorSet {
        chosen_default: Some(contact_id(&caller.to_string())),
        ..found.clone()
    }
}

async fn find_with_owner_returns_empty_and_stored_sets(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let owner = full_identity(1);
    stores.identities.create(&owner).await.unwrap();
    let empty = FactorSet::empty(owner.id.clone());
    let found = stores.factor_sets.find_with_owner(&owner.id).await.unwrap();
    assert_eq!(found, Some((owner.clone(), empty)));
    let set = full_factor_set(owner.id.clone());
    assert_eq!(save(&stores, &set, events(0, 1)).await, SaveOutcome::Saved);
    let saved = find(&stores, &owner.id).await;
    let found = stores.factor_sets.find_with_owner(&owner.id).await.unwrap();
    assert_eq!(found, Some((owner, saved)));
}

async fn find_with_owner_returns_none_for_absent_owner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(
        save(&stores, &full_factor_set(user(1)), events(0, 1)).await,
        SaveOutcome::Saved
    );
    assert_eq!(stores.factor_sets.find_with_owner(&user(1)).await.unwrap(), None);
}

async fn race_to_save(stores: &Stores, found: &FactorSet) {
    let outcomes = run_concurrently(|caller| {
        let factor_sets = Arc::clone(&stores.factor_sets);
        let set = rival(found, caller);
        async move { factor_sets.save_if_version(&set, events(10 * caller, 2)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &SaveOutcome::Saved), 1);
    assert_eq!(count(&outcomes, &SaveOutcome::Conflict), CALLERS - 1);
    let winner = outcomes
        .iter()
        .position(|outcome| *outcome == SaveOutcome::Saved)
        .unwrap();
    let expected = FactorSet {
        version: found.version + 1,
        ..rival(found, winner)
    };
    assert_eq!(find(stores, &found.user).await, expected);
    let mut left = pending(stores, &found.user).await;
    let tail = left.split_off(left.len() - 2);
    assert_eq!(
        tail.into_iter().map(|event| event.id).collect::<Vec<_>>(),
        [event_id(10 * winner), event_id(10 * winner + 1)]
    );
}

async fn unknown_user_has_an_empty_set(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(find(&stores, &user(1)).await, FactorSet::empty(user(1)));
}

async fn every_field_of_a_set_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let full = full_factor_set(user(1));
    assert_eq!(save(&stores, &full, events(1, 1)).await, SaveOutcome::Saved);
    let found = find(&stores, &user(1)).await;
    assert_eq!(found, FactorSet { version: 1, ..full });

    let emptied = FactorSet {
        version: 1,
        ..FactorSet::empty(user(1))
    };
    assert_eq!(save(&stores, &emptied, events(2, 1)).await, SaveOutcome::Saved);
    let found = find(&stores, &user(1)).await;
    assert_eq!(found, FactorSet { version: 2, ..emptied });
}

async fn saving_raises_the_version(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for version in 0..5 {
        let found = find(&stores, &user(1)).await;
        assert_eq!(found.version, version);
        assert_eq!(save(&stores, &found, Vec::new()).await, SaveOutcome::Saved);
    }
}

async fn saving_again_is_a_conflict(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let set = full_factor_set(user(1));
    save(&stores, &set, events(1, 1)).await;
    assert_eq!(save(&stores, &set, events(1, 1)).await, SaveOutcome::Conflict);
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(1, 1), 1));
}

async fn save_with_unknown_version_conflicts(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for version in [1, 7] {
        let ahead = FactorSet {
            version,
            ..full_factor_set(user(1))
        };
        assert_eq!(save(&stores, &ahead, events(1, 1)).await, SaveOutcome::Conflict);
    }
    assert_eq!(find(&stores, &user(1)).await, FactorSet::empty(user(1)));
    assert_eq!(pending(&stores, &user(1)).await, []);
}

async fn a_conflict_writes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &FactorSet::empty(user(1)), events(1, 1)).await;
    save(&stores, &find(&stores, &user(1)).await, events(2, 1)).await;
    let before = find(&stores, &user(1)).await;
    for version in [0, 1, 3] {
        let other = FactorSet {
            version,
            ..full_factor_set(user(1))
        };
        assert_eq!(save(&stores, &other, events(3, 1)).await, SaveOutcome::Conflict);
        assert_eq!(find(&stores, &user(1)).await, before);
    }
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(1, 2), 1));
}

async fn sets_of_two_users_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &full_factor_set(user(2)), events(1, 1)).await;
    assert_eq!(find(&stores, &user(1)).await, FactorSet::empty(user(1)));
    let outcome = save(&stores, &FactorSet::empty(user(1)), events(2, 1)).await;
    assert_eq!(outcome, SaveOutcome::Saved);
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(2, 1), 1));
}

async fn parallel_saves_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    race_to_save(&stores, &full_factor_set(user(1))).await;
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn parallel_saves_of_a_stored_set_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &full_factor_set(user(1)), events(900, 1)).await;
    race_to_save(&stores, &find(&stores, &user(1)).await).await;
    assert_eq!(pending(&stores, &user(1)).await.len(), 3);
}

async fn events_are_kept_in_the_order_given(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let backwards: Vec<_> = events(1, 3).into_iter().rev().collect();
    save(&stores, &FactorSet::empty(user(1)), backwards.clone()).await;
    save(&stores, &find(&stores, &user(1)).await, events(4, 2)).await;
    let given = [backwards, events(4, 2)].concat();
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(given, 1));

    outboxes::acknowledge_all(&stores).await;
    save(&stores, &find(&stores, &user(1)).await, events(6, 1)).await;
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(6, 1), 6));
}

async fn every_field_of_an_event_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let plain = NewEvent {
        context: EventContext {
            by: Actor::default(),
            correlation_id: None,
            ..event_context(event_id(100), at(-1))
        },
        kind: FACTOR_CHANGED,
        data: Vec::new(),
    };
    let given: Vec<_> = domain::event_types()
        .zip(1..)
        .map(|(kind, n)| NewEvent { kind, ..event(n) })
        .chain([plain])
        .collect();
    save(&stores, &FactorSet::empty(user(1)), given.clone()).await;
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(given, 1));
}

async fn a_set_may_be_saved_without_an_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let outcome = save(&stores, &full_factor_set(user(1)), Vec::new()).await;
    assert_eq!(outcome, SaveOutcome::Saved);
    assert_eq!(pending(&stores, &user(1)).await, []);
    save(&stores, &find(&stores, &user(1)).await, events(1, 1)).await;
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(1, 1), 1));
}

async fn full_outbox_rejects_a_save(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let full = events(1, MAX_PENDING_EVENTS);
    let outcome = save(&stores, &FactorSet::empty(user(1)), full.clone()).await;
    assert_eq!(outcome, SaveOutcome::Saved);
    let before = find(&stores, &user(1)).await;
    let changed = FactorSet {
        version: before.version,
        ..full_factor_set(user(1))
    };
    assert_eq!(save(&stores, &changed, events(900, 1)).await, SaveOutcome::OutboxFull);
    assert_eq!(find(&stores, &user(1)).await, before);

    outboxes::acknowledge(&stores, 1, 1).await;
    assert_eq!(save(&stores, &changed, events(900, 1)).await, SaveOutcome::Saved);
    let kept = full.into_iter().skip(1).chain(events(900, 1)).collect();
    assert_eq!(drain(&stores, &user(1)).await, with_sequences(kept, 2));
}

async fn outbox_respects_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let almost = events(1, MAX_PENDING_EVENTS - 1);
    save(&stores, &FactorSet::empty(user(1)), almost.clone()).await;
    let found = find(&stores, &user(1)).await;
    assert_eq!(save(&stores, &found, events(900, 2)).await, SaveOutcome::OutboxFull);
    assert_eq!(find(&stores, &user(1)).await, found);
    assert_eq!(save(&stores, &found, events(900, 1)).await, SaveOutcome::Saved);
    let kept = [almost, events(900, 1)].concat();
    assert_eq!(drain(&stores, &user(1)).await, with_sequences(kept, 1));
}

async fn a_set_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let set = full_factor_set(user(1));
    save(&stores, &set, events(1, 3)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    let raised = FactorSet {
        version: 1,
        ..set.clone()
    };
    assert_eq!(find(&stores, &user(1)).await, raised);
    assert_eq!(pending(&stores, &user(1)).await, with_sequences(events(1, 3), 1));
    assert_eq!(save(&stores, &set, events(1, 3)).await, SaveOutcome::Conflict);
}
