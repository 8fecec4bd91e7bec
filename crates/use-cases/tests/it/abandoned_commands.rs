//! Commands whose caller has hung up, and answered commands whose raised version makes late writes conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::caller::Cause;
use domain::credential_lock::CredentialLock;
use domain::event::NewEvent;
use domain::ids::{ContactId, UserId};
use ports::{SaveOutcome, StoreError, VersionedStore};
use tokio::sync::Semaphore;
use use_cases::factors::{ContactChange, ContactError};

use test_support::TestApp;
use test_support::calls::{caller, mobile};

/// A store in which each save waits for a permit, and then conflicts.
struct AlwaysConflicts {
    credential_locks: Arc<dyn VersionedStore<CredentialLock>>,
    finds: AtomicUsize,
    saves: AtomicUsize,
    conflicts: Semaphore,
}

#[async_trait]
impl VersionedStore<CredentialLock> for AlwaysConflicts {
    async fn find(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        self.credential_locks.find(user).await
    }

    async fn read_linearizable(&self, user: &UserId) -> Result<Option<CredentialLock>, StoreError> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        self.credential_locks.read_linearizable(user).await
    }

    async fn save_if_version(&self, _: &CredentialLock, _: Vec<NewEvent>) -> Result<SaveOutcome, StoreError> {
        self.saves.fetch_add(1, Ordering::SeqCst);
        self.conflicts.acquire().await.unwrap().forget();
        Ok(SaveOutcome::Conflict)
    }
}

#[tokio::test]
async fn a_dropped_lock_command_stops_retrying() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let conflicting = Arc::new(AlwaysConflicts {
        credential_locks: app.stores.credential_locks.clone(),
        finds: AtomicUsize::new(0),
        saves: AtomicUsize::new(0),
        conflicts: Semaphore::new(2),
    });
    let credential_lock = app.with_credential_locks(conflicting.clone());
    let caller = caller("desk");
    let mut command = Box::pin(credential_lock.lock_credential.run(Cause::Call(&caller), user, None));
    while conflicting.saves.load(Ordering::SeqCst) < 3 {
        tokio::select! {
            biased;
            outcome = &mut command => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(command);
    conflicting.conflicts.add_permits(100);
    tokio::task::yield_now().await;
    assert_eq!(conflicting.finds.load(Ordering::SeqCst), 3);
    assert_eq!(conflicting.saves.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_lock_command_raises_the_version() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let version = async || {
        let found = app.stores.credential_locks.find(&user).await.unwrap();
        found.map_or(0, |credential| credential.version)
    };
    app.unlock(&user).await;
    assert_eq!(version().await, 1);
    app.lock(&user).await;
    app.lock(&user).await;
    assert_eq!(version().await, 3);
    assert_eq!(app.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_contact_answer_raises_the_version() {
    let app = TestApp::new().await;
    let (user, desk) = (app.user().await, caller("desk"));
    let factors = &app.factors;
    let version = async || app.factor_set(&user).await.version;
    let draft = mobile("mobile-1", "911112222");

    let unknown = ContactId::parse("unknown").unwrap();
    let removed = factors.remove_contact.run(&desk, &user, &unknown).await;
    assert!(matches!(removed, Err(ContactError::ContactNotFound)));
    assert_eq!(version().await, 1);
    for expected in [2, 3] {
        factors
            .add_contacts
            .run(&desk, &user, std::slice::from_ref(&draft))
            .await
            .unwrap();
        assert_eq!(version().await, expected);
    }
    let same = ContactChange::Whole(draft.clone());
    factors.change_contact.run(&desk, &user, &same).await.unwrap();
    assert_eq!(version().await, 4);
    let change_unknown = ContactChange::Whole(mobile("unknown", "911113333"));
    let changed = factors.change_contact.run(&desk, &user, &change_unknown).await;
    assert!(matches!(changed, Err(ContactError::ContactNotFound)));
    assert_eq!(version().await, 5);
    assert_eq!(app.events().await.len(), 1);
    assert_eq!(app.factor_set(&user).await.contacts.len(), 1);
}
