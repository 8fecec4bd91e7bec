use std::sync::Arc;

use domain::credential_lock::{CredentialLock, LockCommand, events};
use domain::event::NewEvent;
use domain::event::{Event, EventKind};
use domain::ids::UserId;
use ports::{Aggregate, SaveOutcome};

use super::lock_changes::{self, LockOutcome, stored};
use crate::contract::contracts;
use crate::fixtures::{lock_command, user};
use crate::outboxes;
use crate::race::{CALLERS, at_once, count, only};
use crate::{Fixture, MAX_PENDING_EVENTS, Stores};

contracts! { dyn Fixture:
    a_user_never_locked_has_no_credential,
    a_lock_tells_since_when_by_whom_and_why,
    a_second_lock_changes_nothing,
    an_unlock_keeps_the_epoch,
    unlocking_the_unlocked_changes_nothing,
    every_lock_raises_the_epoch,
    every_turn_leaves_its_event,
    a_sequence_goes_on_after_its_events_are_gone,
    a_full_outbox_refuses_to_turn,
    locking_at_once_turns_once,
    unlocking_at_once_turns_once,
    locks_and_unlocks_at_once_alternate,
    a_credential_saved_as_it_was_has_another_version,
    a_conflict_writes_nothing,
    saving_under_a_version_never_stored_is_a_conflict,
    saving_at_once_has_one_winner,
    a_turn_given_up_before_an_answer_does_not_land_after_it,
    a_credential_survives_reopening,
}

async fn lock(stores: &Stores, command: &LockCommand) -> LockOutcome {
    lock_changes::lock(&*stores.credential_locks, command).await
}

async fn unlock(stores: &Stores, command: &LockCommand) -> LockOutcome {
    lock_changes::unlock(&*stores.credential_locks, command).await
}

async fn find(stores: &Stores, user: &UserId) -> Option<CredentialLock> {
    stores.credential_locks.find(user).await.unwrap()
}

async fn pending(stores: &Stores, user: &UserId) -> Vec<Event> {
    outboxes::pending(stores, Aggregate::Credential, user.as_str()).await
}

fn turned(turn: &LockOutcome) -> Option<CredentialLock> {
    match turn {
        LockOutcome::Changed(credential) => Some(credential.clone()),
        LockOutcome::Unchanged | LockOutcome::OutboxFull => None,
    }
}

/// The credential of a user whose first lock `command` is.
fn locked_by(command: &LockCommand) -> CredentialLock {
    stored(CredentialLock::unlocked(command.user.clone()).lock(command).unwrap())
}

async fn save(stores: &Stores, credential: &CredentialLock, events: Vec<NewEvent>) -> SaveOutcome {
    stores
        .credential_locks
        .save_if_version(credential, events)
        .await
        .unwrap()
}

/// The event of a credential that `command` turned.
fn told(turned: &CredentialLock, command: &LockCommand) -> Vec<NewEvent> {
    vec![events::lock_changed(turned, command)]
}

async fn a_user_never_locked_has_no_credential(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock(&stores, &lock_command(&user(2), 1)).await;
    assert_eq!(find(&stores, &user(1)).await, None);
}

async fn a_lock_tells_since_when_by_whom_and_why(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for command in [lock_command(&user(1), 1), lock_command(&user(2), 2)] {
        let locked = locked_by(&command);
        assert_eq!(lock(&stores, &command).await, LockOutcome::Changed(locked.clone()));
        assert_eq!(find(&stores, &command.user).await, Some(locked));
    }
}

async fn a_second_lock_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = lock_command(&user(1), 1);
    lock(&stores, &first).await;
    for (command, version) in [(first.clone(), 2), (lock_command(&user(1), 2), 3)] {
        assert_eq!(lock(&stores, &command).await, LockOutcome::Unchanged);
        let locked = CredentialLock {
            version,
            ..locked_by(&first)
        };
        assert_eq!(find(&stores, &user(1)).await, Some(locked));
    }
    assert_eq!(pending(&stores, &user(1)).await.len(), 1);
}

async fn an_unlock_keeps_the_epoch(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (first, second) = (lock_command(&user(1), 1), lock_command(&user(1), 2));
    lock(&stores, &first).await;
    let unlocked = stored(locked_by(&first).unlock(&second).unwrap());
    assert_eq!(unlock(&stores, &second).await, LockOutcome::Changed(unlocked.clone()));
    assert_eq!(find(&stores, &user(1)).await, Some(unlocked));
}

async fn unlocking_the_unlocked_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 1)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(
        find(&stores, &user(1)).await,
        Some(stored(CredentialLock::unlocked(user(1))))
    );
    assert_eq!(pending(&stores, &user(1)).await, []);

    lock(&stores, &lock_command(&user(1), 2)).await;
    let unlocked = turned(&unlock(&stores, &lock_command(&user(1), 3)).await);
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 4)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(find(&stores, &user(1)).await, unlocked.map(stored));
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn every_lock_raises_the_epoch(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let mut expected = CredentialLock::unlocked(user(1));
    for round in 0..3 {
        let (lock_it, unlock_it) = (lock_command(&user(1), 2 * round), lock_command(&user(1), 2 * round + 1));
        expected = stored(expected.lock(&lock_it).unwrap());
        assert_eq!(lock(&stores, &lock_it).await, LockOutcome::Changed(expected.clone()));
        expected = stored(expected.unlock(&unlock_it).unwrap());
        assert_eq!(
            unlock(&stores, &unlock_it).await,
            LockOutcome::Changed(expected.clone())
        );
    }
    assert_eq!(find(&stores, &user(1)).await, Some(expected.clone()));
    assert_eq!(expected.epoch, 3);
}

async fn every_turn_leaves_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let command = |n| lock_command(&user(1), n);
    let turns = [
        (command(1), lock(&stores, &command(1)).await),
        (command(2), unlock(&stores, &command(2)).await),
        (command(3), lock(&stores, &command(3)).await),
    ];
    let expected: Vec<_> = turns
        .iter()
        .zip(1..)
        .map(|((command, turn), sequence)| {
            let event = events::lock_changed(&turned(turn).unwrap(), command);
            event.recorded(user(1).as_str(), user(1), sequence)
        })
        .collect();
    assert_eq!(pending(&stores, &user(1)).await, expected);
    assert_eq!(
        expected.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [
            EventKind::CredentialLocked,
            EventKind::CredentialUnlocked,
            EventKind::CredentialLocked
        ]
    );
}

async fn a_sequence_goes_on_after_its_events_are_gone(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock(&stores, &lock_command(&user(1), 1)).await;
    unlock(&stores, &lock_command(&user(1), 2)).await;
    outboxes::acknowledge_all(&stores).await;
    lock(&stores, &lock_command(&user(1), 3)).await;
    assert_eq!(only(pending(&stores, &user(1)).await).sequence, 3);
}

async fn a_full_outbox_refuses_to_turn(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..usize::try_from(MAX_PENDING_EVENTS / 2).unwrap() {
        assert_ne!(
            lock(&stores, &lock_command(&user(1), 2 * n)).await,
            LockOutcome::OutboxFull
        );
        assert_ne!(
            unlock(&stores, &lock_command(&user(1), 2 * n + 1)).await,
            LockOutcome::OutboxFull
        );
    }
    let full = find(&stores, &user(1)).await;
    let late = lock_command(&user(1), 900);
    assert_eq!(lock(&stores, &late).await, LockOutcome::OutboxFull);
    assert_eq!(find(&stores, &user(1)).await, full);
    assert!(
        !stores
            .lock_statuses
            .read_linearizable(&user(1))
            .await
            .unwrap()
            .is_locked
    );

    outboxes::acknowledge_in(&stores, Aggregate::Credential, user(1).as_str(), 1).await;
    assert_eq!(
        turned(&lock(&stores, &late).await),
        full.map(|credential| stored(credential.lock(&late).unwrap()))
    );
    let drained = outboxes::drain(&stores, Aggregate::Credential, user(1).as_str()).await;
    let sequences: Vec<_> = drained.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (2..=MAX_PENDING_EVENTS + 1).collect::<Vec<_>>());
}

async fn locking_at_once_turns_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let turns = at_once(|caller| {
        let credential_locks = Arc::clone(&stores.credential_locks);
        async move { lock_changes::lock(&*credential_locks, &lock_command(&user(1), caller)).await }
    })
    .await;
    let winner = only(turns.iter().filter_map(turned));
    assert_eq!(count(&turns, &LockOutcome::Unchanged), CALLERS - 1);
    assert_eq!(winner.epoch, 1);
    let found = find(&stores, &user(1)).await.unwrap();
    assert_eq!(found.version, CALLERS as u64);
    let version = found.version;
    assert_eq!(found, CredentialLock { version, ..winner });
    assert_eq!(only(pending(&stores, &user(1)).await).sequence, 1);
}

async fn unlocking_at_once_turns_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock(&stores, &lock_command(&user(1), 900)).await;
    let turns = at_once(|caller| {
        let credential_locks = Arc::clone(&stores.credential_locks);
        async move { lock_changes::unlock(&*credential_locks, &lock_command(&user(1), caller)).await }
    })
    .await;
    let winner = only(turns.iter().filter_map(turned));
    assert_eq!(count(&turns, &LockOutcome::Unchanged), CALLERS - 1);
    let found = find(&stores, &user(1)).await.unwrap();
    let version = found.version;
    assert_eq!(found, CredentialLock { version, ..winner });
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn locks_and_unlocks_at_once_alternate(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let turns = at_once(|caller| {
        let credential_locks = Arc::clone(&stores.credential_locks);
        let command = lock_command(&user(1), caller);
        async move {
            if caller % 2 == 0 {
                lock_changes::lock(&*credential_locks, &command).await
            } else {
                lock_changes::unlock(&*credential_locks, &command).await
            }
        }
    })
    .await;
    let events = pending(&stores, &user(1)).await;
    assert_eq!(turns.iter().filter_map(turned).count(), events.len());
    for (event, sequence) in events.iter().zip(1..) {
        assert_eq!(event.sequence, sequence);
        let locks = event.kind == EventKind::CredentialLocked;
        assert_eq!(locks, sequence % 2 == 1, "two turns of one kind follow each other");
    }
    let credential = find(&stores, &user(1)).await.unwrap();
    let locks = events.len().div_ceil(2);
    assert_eq!(credential.epoch, u64::try_from(locks).unwrap());
    assert_eq!(credential.is_locked, events.len() % 2 == 1);
}

async fn a_credential_saved_as_it_was_has_another_version(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let mut expected = CredentialLock::unlocked(user(1));
    for _ in 0..3 {
        assert_eq!(save(&stores, &expected, Vec::new()).await, SaveOutcome::Saved);
        expected = stored(expected);
        assert_eq!(find(&stores, &user(1)).await, Some(expected.clone()));
    }
    assert_eq!(pending(&stores, &user(1)).await, []);
    let command = lock_command(&user(1), 1);
    let locked = expected.lock(&command).unwrap();
    assert_eq!(
        save(&stores, &locked, told(&locked, &command)).await,
        SaveOutcome::Saved
    );
    assert_eq!(only(pending(&stores, &user(1)).await).sequence, 1);
}

async fn a_conflict_writes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let command = lock_command(&user(1), 1);
    lock(&stores, &command).await;
    unlock(&stores, &lock_command(&user(1), 2)).await;
    let before = find(&stores, &user(1)).await;
    for version in [0, 1, 3] {
        let stale = CredentialLock {
            version,
            ..locked_by(&command)
        };
        assert_eq!(
            save(&stores, &stale, told(&stale, &command)).await,
            SaveOutcome::Conflict
        );
        assert_eq!(save(&stores, &stale, Vec::new()).await, SaveOutcome::Conflict);
        assert_eq!(find(&stores, &user(1)).await, before);
    }
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn saving_under_a_version_never_stored_is_a_conflict(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let ahead = locked_by(&lock_command(&user(1), 1));
    assert_eq!(save(&stores, &ahead, Vec::new()).await, SaveOutcome::Conflict);
    assert_eq!(find(&stores, &user(1)).await, None);
}

async fn saving_at_once_has_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for version in 0..2 {
        let savings = at_once(|_| {
            let credential_locks = Arc::clone(&stores.credential_locks);
            let credential = CredentialLock {
                version,
                ..CredentialLock::unlocked(user(1))
            };
            async move { credential_locks.save_if_version(&credential, Vec::new()).await.unwrap() }
        })
        .await;
        assert_eq!(count(&savings, &SaveOutcome::Saved), 1);
        assert_eq!(count(&savings, &SaveOutcome::Conflict), CALLERS - 1);
    }
}

/// The write of a turn stays on its way until another turn was answered, one that had nothing to change.
async fn a_turn_given_up_before_an_answer_does_not_land_after_it(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (late_lock, late_unlock) = (lock_command(&user(1), 1), lock_command(&user(1), 2));
    let late = CredentialLock::unlocked(user(1)).lock(&late_lock).unwrap();
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 3)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(
        save(&stores, &late, told(&late, &late_lock)).await,
        SaveOutcome::Conflict
    );
    assert!(
        !stores
            .lock_statuses
            .read_linearizable(&user(1))
            .await
            .unwrap()
            .is_locked
    );

    lock(&stores, &lock_command(&user(1), 4)).await;
    let found = find(&stores, &user(1)).await.unwrap();
    let late = found.unlock(&late_unlock).unwrap();
    assert_eq!(lock(&stores, &lock_command(&user(1), 5)).await, LockOutcome::Unchanged);
    assert_eq!(
        save(&stores, &late, told(&late, &late_unlock)).await,
        SaveOutcome::Conflict
    );
    assert!(
        stores
            .lock_statuses
            .read_linearizable(&user(1))
            .await
            .unwrap()
            .is_locked
    );
    assert_eq!(pending(&stores, &user(1)).await.len(), 1);
}

async fn a_credential_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let command = lock_command(&user(1), 1);
    lock(&stores, &command).await;
    let events = pending(&stores, &user(1)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(find(&stores, &user(1)).await, Some(locked_by(&command)));
    assert_eq!(pending(&stores, &user(1)).await, events);
    assert_eq!(lock(&stores, &command).await, LockOutcome::Unchanged);
}
