use std::sync::Arc;

use domain::lock_status::LockStatus;

use crate::Fixture;
use crate::contract::contracts;
use crate::credential_lock::lock_changes;
use crate::fixtures::{lock_command, user};
use crate::race::{CALLERS, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    user_never_locked_has_epoch_zero,
    unlocked_user_keeps_the_epoch_of_the_lock,
    acknowledged_lock_is_visible_to_every_reader,
    caller_sees_its_own_lock,
    read_after_write_sees_earlier_locks,
    a_lock_status_survives_reopening,
}

const LOCKED_ONCE: LockStatus = LockStatus {
    is_locked: true,
    epoch: 1,
};

async fn read(stores: &Stores, n: usize) -> LockStatus {
    stores.lock_statuses.read_linearizable(&user(n)).await.unwrap()
}

async fn user_never_locked_has_epoch_zero(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(read(&stores, 1).await, LockStatus::default());
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(2), 1)).await;
    assert_eq!(read(&stores, 1).await, LockStatus::default());
}

async fn unlocked_user_keeps_the_epoch_of_the_lock(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (epoch, n) in (1..4).zip((0..).step_by(2)) {
        lock_changes::lock(&*stores.credential_locks, &lock_command(&user(1), n)).await;
        assert_eq!(read(&stores, 1).await, LockStatus { is_locked: true, epoch });
        lock_changes::unlock(&*stores.credential_locks, &lock_command(&user(1), n + 1)).await;
        assert_eq!(
            read(&stores, 1).await,
            LockStatus {
                is_locked: false,
                epoch
            }
        );
    }
}

async fn acknowledged_lock_is_visible_to_every_reader(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..CALLERS {
        assert_eq!(read(&stores, n).await, LockStatus::default());
        lock_changes::lock(&*stores.credential_locks, &lock_command(&user(n), n)).await;
        let statuses = run_concurrently(|_| {
            let lock_statuses = Arc::clone(&stores.lock_statuses);
            async move { lock_statuses.read_linearizable(&user(n)).await.unwrap() }
        })
        .await;
        assert_eq!(statuses, [LOCKED_ONCE; CALLERS]);
    }
}

async fn caller_sees_its_own_lock(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let statuses = run_concurrently(|caller| {
        let Stores {
            credential_locks,
            lock_statuses,
            ..
        } = stores.clone();
        async move {
            lock_changes::lock(&*credential_locks, &lock_command(&user(caller), caller)).await;
            lock_statuses.read_linearizable(&user(caller)).await.unwrap()
        }
    })
    .await;
    assert_eq!(statuses, [LOCKED_ONCE; CALLERS]);
}

async fn read_after_write_sees_earlier_locks(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let statuses = run_concurrently(|caller| {
        let stores = stores.clone();
        async move {
            let command = lock_command(&user(caller), caller);
            lock_changes::lock(&*stores.credential_locks, &command).await;
            let own = lock_command(&user(CALLERS + caller), CALLERS + caller);
            lock_changes::unlock(&*stores.credential_locks, &own).await;
            stores.lock_statuses.read_after_write(&user(caller)).await.unwrap()
        }
    })
    .await;
    assert_eq!(statuses, [LOCKED_ONCE; CALLERS]);
    assert_eq!(
        stores.lock_statuses.read_after_write(&user(CALLERS)).await.unwrap(),
        LockStatus::default()
    );
}

async fn a_lock_status_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    lock_changes::lock(&*stores.credential_locks, &lock_command(&user(1), 1)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(read(&stores, 1).await, LOCKED_ONCE);
}
