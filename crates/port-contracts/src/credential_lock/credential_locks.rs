use ports::Versioned as _;
use std::sync::Arc;

use domain::credential_lock::events::{CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED};
use domain::credential_lock::{CredentialLock, LockCommand, events};
use domain::event::{Event, NewEvent};
use domain::ids::UserId;
use ports::SaveOutcome;

use super::lock_changes::{self, LockOutcome, with_next_version};
use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{lock_command, user};
use crate::outboxes;
use crate::race::{CALLERS, count, only, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    lock_stores_time_actor_and_reason,
    a_second_lock_changes_nothing,
    an_unlock_keeps_the_epoch,
    unlocking_an_unlocked_credential_changes_nothing,
    every_lock_raises_the_epoch,
    every_change_pushes_its_event,
    sequence_continues_after_published_events,
    parallel_locks_change_a_credential_once,
    parallel_unlocks_change_a_credential_once,
    parallel_locks_and_unlocks_alternate,
    late_write_of_an_abandoned_change_conflicts,
}

async fn lock(stores: &Stores, command: &LockCommand) -> LockOutcome {
    lock_changes::lock(&*stores.credential_locks, command).await
}

async fn unlock(stores: &Stores, command: &LockCommand) -> LockOutcome {
    lock_changes::unlock(&*stores.credential_locks, command).await
}

async fn find(stores: &Stores, user: &UserId) -> Option<CredentialLock> {
    stores.credential_locks.read_linearizable(user).await.unwrap()
}

async fn is_locked(stores: &Stores, user: &UserId) -> bool {
    stores.lock_statuses.read_linearizable(user).await.unwrap().is_locked
}

async fn pending(stores: &Stores, user: &UserId) -> Vec<Event> {
    outboxes::pending(stores, CredentialLock::AGGREGATE, user.as_str()).await
}

fn changed_lock(outcome: &LockOutcome) -> Option<CredentialLock> {
    match outcome {
        LockOutcome::Changed(credential) => Some(credential.clone()),
        LockOutcome::Unchanged | LockOutcome::OutboxFull => None,
    }
}

/// Returns the lock of a user who was never locked before `command`, as it is stored after `command`.
fn after_first_lock(command: &LockCommand) -> CredentialLock {
    with_next_version(
        CredentialLock::never_locked(command.user.clone())
            .lock(command)
            .unwrap(),
    )
}

async fn save(stores: &Stores, credential: &CredentialLock, events: Vec<NewEvent>) -> SaveOutcome {
    stores
        .credential_locks
        .save_if_version(credential, events)
        .await
        .unwrap()
}

/// Returns the event of a lock or unlock by `command`.
fn change_events(changed: &CredentialLock, command: &LockCommand) -> Vec<NewEvent> {
    vec![events::lock_event(changed, command)]
}

async fn lock_stores_time_actor_and_reason(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for command in [lock_command(&user(1), 1), lock_command(&user(2), 2)] {
        let locked = after_first_lock(&command);
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
            ..after_first_lock(&first)
        };
        assert_eq!(find(&stores, &user(1)).await, Some(locked));
    }
    assert_eq!(pending(&stores, &user(1)).await.len(), 1);
}

async fn an_unlock_keeps_the_epoch(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (first, second) = (lock_command(&user(1), 1), lock_command(&user(1), 2));
    lock(&stores, &first).await;
    let unlocked = with_next_version(after_first_lock(&first).unlock(&second).unwrap());
    assert_eq!(unlock(&stores, &second).await, LockOutcome::Changed(unlocked.clone()));
    assert_eq!(find(&stores, &user(1)).await, Some(unlocked));
}

async fn unlocking_an_unlocked_credential_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 1)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(
        find(&stores, &user(1)).await,
        Some(with_next_version(CredentialLock::never_locked(user(1))))
    );
    assert_eq!(pending(&stores, &user(1)).await, []);

    lock(&stores, &lock_command(&user(1), 2)).await;
    let unlocked = changed_lock(&unlock(&stores, &lock_command(&user(1), 3)).await);
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 4)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(find(&stores, &user(1)).await, unlocked.map(with_next_version));
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn every_lock_raises_the_epoch(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let mut expected = CredentialLock::never_locked(user(1));
    for round in 0..3 {
        let (locking, unlocking) = (lock_command(&user(1), 2 * round), lock_command(&user(1), 2 * round + 1));
        expected = with_next_version(expected.lock(&locking).unwrap());
        assert_eq!(lock(&stores, &locking).await, LockOutcome::Changed(expected.clone()));
        expected = with_next_version(expected.unlock(&unlocking).unwrap());
        assert_eq!(
            unlock(&stores, &unlocking).await,
            LockOutcome::Changed(expected.clone())
        );
    }
    assert_eq!(find(&stores, &user(1)).await, Some(expected.clone()));
    assert_eq!(expected.epoch, 3);
}

async fn every_change_pushes_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let command = |n| lock_command(&user(1), n);
    let outcomes = [
        (command(1), lock(&stores, &command(1)).await),
        (command(2), unlock(&stores, &command(2)).await),
        (command(3), lock(&stores, &command(3)).await),
    ];
    let expected: Vec<_> = outcomes
        .iter()
        .zip(1..)
        .map(|((command, outcome), sequence)| {
            let event = events::lock_event(&changed_lock(outcome).unwrap(), command);
            event.into_event(user(1).as_str(), user(1), sequence)
        })
        .collect();
    assert_eq!(pending(&stores, &user(1)).await, expected);
    assert_eq!(
        expected.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [CREDENTIAL_LOCKED, CREDENTIAL_UNLOCKED, CREDENTIAL_LOCKED]
    );
}

async fn sequence_continues_after_published_events(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock(&stores, &lock_command(&user(1), 1)).await;
    unlock(&stores, &lock_command(&user(1), 2)).await;
    outboxes::acknowledge_all(&stores).await;
    lock(&stores, &lock_command(&user(1), 3)).await;
    assert_eq!(only(pending(&stores, &user(1)).await).sequence, 3);
}

async fn parallel_locks_change_a_credential_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let outcomes = run_concurrently(|caller| {
        let credential_locks = Arc::clone(&stores.credential_locks);
        async move { lock_changes::lock(&*credential_locks, &lock_command(&user(1), caller)).await }
    })
    .await;
    let winner = only(outcomes.iter().filter_map(changed_lock));
    assert_eq!(count(&outcomes, &LockOutcome::Unchanged), CALLERS - 1);
    assert_eq!(winner.epoch, 1);
    let found = find(&stores, &user(1)).await.unwrap();
    let version = CALLERS as u64;
    assert_eq!(found, CredentialLock { version, ..winner });
    assert_eq!(only(pending(&stores, &user(1)).await).sequence, 1);
}

async fn parallel_unlocks_change_a_credential_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock(&stores, &lock_command(&user(1), 900)).await;
    let outcomes = run_concurrently(|caller| {
        let credential_locks = Arc::clone(&stores.credential_locks);
        async move { lock_changes::unlock(&*credential_locks, &lock_command(&user(1), caller)).await }
    })
    .await;
    let winner = only(outcomes.iter().filter_map(changed_lock));
    assert_eq!(count(&outcomes, &LockOutcome::Unchanged), CALLERS - 1);
    let found = find(&stores, &user(1)).await.unwrap();
    let version = found.version;
    assert_eq!(found, CredentialLock { version, ..winner });
    assert_eq!(pending(&stores, &user(1)).await.len(), 2);
}

async fn parallel_locks_and_unlocks_alternate(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let outcomes = run_concurrently(|caller| {
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
    assert_eq!(outcomes.iter().filter_map(changed_lock).count(), events.len());
    for (event, sequence) in events.iter().zip(1..) {
        assert_eq!(event.sequence, sequence);
        let is_lock = event.kind == CREDENTIAL_LOCKED;
        assert_eq!(is_lock, sequence % 2 == 1, "two changes of one kind follow each other");
    }
    let credential = find(&stores, &user(1)).await.unwrap();
    let lock_count = events.len().div_ceil(2);
    assert_eq!(credential.epoch, u64::try_from(lock_count).unwrap());
    assert_eq!(credential.is_locked, events.len() % 2 == 1);
}

/// Scenario: A decides to lock, and its write is delayed. B unlocks: the credential is unlocked already, so B saves it
/// unchanged under the next version. A's write arrives and must conflict, or it would undo B's unlock. Then vice versa.
async fn late_write_of_an_abandoned_change_conflicts(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (late_lock, late_unlock) = (lock_command(&user(1), 1), lock_command(&user(1), 2));
    let late = CredentialLock::never_locked(user(1)).lock(&late_lock).unwrap();
    assert_eq!(
        unlock(&stores, &lock_command(&user(1), 3)).await,
        LockOutcome::Unchanged
    );
    assert_eq!(
        save(&stores, &late, change_events(&late, &late_lock)).await,
        SaveOutcome::Conflict
    );
    assert!(!is_locked(&stores, &user(1)).await);

    lock(&stores, &lock_command(&user(1), 4)).await;
    let found = find(&stores, &user(1)).await.unwrap();
    let late = found.unlock(&late_unlock).unwrap();
    assert_eq!(lock(&stores, &lock_command(&user(1), 5)).await, LockOutcome::Unchanged);
    assert_eq!(
        save(&stores, &late, change_events(&late, &late_unlock)).await,
        SaveOutcome::Conflict
    );
    assert!(is_locked(&stores, &user(1)).await);
    assert_eq!(pending(&stores, &user(1)).await.len(), 1);
}
