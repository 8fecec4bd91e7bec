//! A full outbox: no event is dropped, so the command is not carried out.

use adapter_crypto::SystemRandomness;
use domain::event::NewEvent;
use domain::factors::events::FACTOR_ADDED;
use domain::ids::UserId;
use ports::{Clock as _, Randomness as _, SaveOutcome};
use use_cases::UseCaseError;
use use_cases::credential_lock::LockError;
use use_cases::factors::ContactError;

use test_support::TestApp;
use test_support::calls::{caller, mobile};

/// The number of events that one outbox holds.
const CAPACITY: usize = ports::MAX_PENDING_EVENTS;

async fn fill_factor_outbox(app: &TestApp, user: &UserId) {
    let set = app.factor_set(user).await;
    let now = app.clock.now();
    let event = || NewEvent {
        context: caller("desk").event(SystemRandomness.event_id(now), now),
        kind: FACTOR_ADDED,
        data: Vec::new(),
    };
    let events = (0..CAPACITY).map(|_| event()).collect();
    let saving = app.stores.factor_sets.save_if_version(&set, events).await.unwrap();
    assert_eq!(saving, SaveOutcome::Saved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_refuses_a_lock() {
    let app = TestApp::new().await;
    let user = app.user().await;
    for _ in 0..CAPACITY / 2 {
        app.lock(&user).await;
        app.unlock(&user).await;
    }
    let full = app.try_lock(&user).await;
    assert!(
        matches!(full, Err(LockError::Failed(UseCaseError::OutboxFull))),
        "{full:?}"
    );
    let lock_status = app.stores.lock_statuses.read_linearizable(&user).await.unwrap();
    assert_eq!((lock_status.is_locked, lock_status.epoch), (false, 100));
    assert_eq!(app.events().await.len(), CAPACITY);
    app.lock(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_outbox_refuses_a_new_contact() {
    let app = TestApp::new().await;
    let user = app.user().await;
    fill_factor_outbox(&app, &user).await;
    let drafts = [mobile("mobile-1", "911112222")];
    let full = app.factors.add_contacts.run(&caller("desk"), &user, &drafts).await;
    assert!(
        matches!(full, Err(ContactError::Failed(UseCaseError::OutboxFull))),
        "{full:?}"
    );
    assert!(app.factor_set(&user).await.contacts.is_empty());
    app.events().await;
    let added = app
        .factors
        .add_contacts
        .run(&caller("desk"), &user, &drafts)
        .await
        .unwrap();
    assert!(added.iter().all(|item| item.result.is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ignores_full_outboxes_of_other_aggregates() {
    let app = TestApp::new().await;
    let user = app.user().await;
    fill_factor_outbox(&app, &user).await;
    app.lock(&user).await;
}
