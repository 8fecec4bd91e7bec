use std::sync::Arc;

use domain::sessions::{SignIn, SignInStatus};
use ports::{SaveOutcome, Stores};

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{family_id, user};
use crate::race::{CALLERS, run_concurrently};

contracts! { dyn Fixture:
    user_whose_sessions_were_never_ended_has_version_zero,
    status_has_the_version_and_the_kept_session,
    acknowledged_end_is_visible_to_every_reader,
    caller_sees_its_own_end,
    read_after_write_sees_earlier_ends,
    a_status_survives_reopening,
}

const ENDED_ONCE: SignInStatus = SignInStatus {
    sessions_version: 1,
    kept_session: None,
};

async fn read(stores: &Stores, n: usize) -> SignInStatus {
    stores.sign_in_statuses.read_linearizable(&user(n)).await.unwrap()
}

/// Saves the status of a user in whom nothing is stored yet.
async fn save_first(stores: &Stores, n: usize, status: SignInStatus) {
    let sign_in = SignIn {
        status,
        ..SignIn::empty(user(n))
    };
    let saved = stores.sign_ins.save_if_version(&sign_in, Vec::new()).await;
    assert_eq!(saved.unwrap(), SaveOutcome::Saved);
}

async fn user_whose_sessions_were_never_ended_has_version_zero(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(read(&stores, 1).await, SignInStatus::default());
    save_first(&stores, 2, ENDED_ONCE).await;
    assert_eq!(read(&stores, 1).await, SignInStatus::default());
}

async fn status_has_the_version_and_the_kept_session(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let status = SignInStatus {
        sessions_version: 5_000_000_000,
        kept_session: Some(family_id(1)),
    };
    save_first(&stores, 1, status.clone()).await;
    assert_eq!(read(&stores, 1).await, status);
}

async fn acknowledged_end_is_visible_to_every_reader(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 0..CALLERS {
        assert_eq!(read(&stores, n).await, SignInStatus::default());
        save_first(&stores, n, ENDED_ONCE).await;
        let statuses = run_concurrently(|_| {
            let statuses = Arc::clone(&stores.sign_in_statuses);
            async move { statuses.read_linearizable(&user(n)).await.unwrap() }
        })
        .await;
        assert!(statuses.iter().all(|status| *status == ENDED_ONCE), "{statuses:?}");
    }
}

async fn caller_sees_its_own_end(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let statuses = run_concurrently(|caller| {
        let stores = stores.clone();
        async move {
            save_first(&stores, caller, ENDED_ONCE).await;
            read(&stores, caller).await
        }
    })
    .await;
    assert!(statuses.iter().all(|status| *status == ENDED_ONCE), "{statuses:?}");
}

async fn read_after_write_sees_earlier_ends(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let statuses = run_concurrently(|caller| {
        let stores = stores.clone();
        async move {
            save_first(&stores, caller, ENDED_ONCE).await;
            save_first(&stores, CALLERS + caller, SignInStatus::default()).await;
            stores.sign_in_statuses.read_after_write(&user(caller)).await.unwrap()
        }
    })
    .await;
    assert!(statuses.iter().all(|status| *status == ENDED_ONCE), "{statuses:?}");
    let unknown = stores.sign_in_statuses.read_after_write(&user(3 * CALLERS)).await;
    assert_eq!(unknown.unwrap(), SignInStatus::default());
}

async fn a_status_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save_first(&stores, 1, ENDED_ONCE).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(read(&stores, 1).await, ENDED_ONCE);
}
