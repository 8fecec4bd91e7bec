//! The contracts of the erasure of a user's sessions.

use domain::sessions::{Origin, RefreshFamily, RevocationReason};
use ports::Stores;

use super::{close, find, revoke, start};
use crate::contract::contracts;
use crate::fixtures::{at, family, presented_token, user};
use crate::{Fixture, outboxes};

contracts! { dyn Fixture:
    families_of_a_user_are_erased_in_steps,
    a_family_with_pending_events_is_kept,
    families_of_every_status_are_erased,
    erasing_the_sessions_of_an_unknown_user_changes_nothing,
}

/// Returns the `n`th family, of the user `owner`.
fn family_of(owner: usize, n: usize) -> RefreshFamily {
    let plain = family(n);
    RefreshFamily {
        origin: Origin {
            user: user(owner),
            ..plain.origin
        },
        ..plain
    }
}

async fn start_published(stores: &Stores, family: &RefreshFamily) {
    start(stores, family).await;
    outboxes::acknowledge_all(stores).await;
}

async fn families_of_a_user_are_erased_in_steps(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=5 {
        start_published(&stores, &family_of(1, n)).await;
    }
    start_published(&stores, &family_of(2, 6)).await;
    for is_left in [true, true, false, false] {
        let left = stores.refresh_families.erase_user(&user(1), 2).await.unwrap();
        assert_eq!(left, is_left);
    }
    for n in 1..=5 {
        assert_eq!(find(&stores, &family(n)).await, None);
    }
    assert_eq!(find(&stores, &family(6)).await, Some(family_of(2, 6)));
}

async fn a_family_with_pending_events_is_kept(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    start_published(&stores, &family_of(1, 1)).await;
    start(&stores, &family_of(1, 2)).await;
    for _ in 0..2 {
        assert!(stores.refresh_families.erase_user(&user(1), 10).await.unwrap());
        assert_eq!(find(&stores, &family(1)).await, None);
        assert_eq!(find(&stores, &family(2)).await, Some(family_of(1, 2)));
    }
    outboxes::acknowledge_all(&stores).await;
    assert!(!stores.refresh_families.erase_user(&user(1), 10).await.unwrap());
    assert_eq!(find(&stores, &family(2)).await, None);
}

async fn families_of_every_status_are_erased(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for n in 1..=3 {
        start(&stores, &family_of(1, n)).await;
    }
    close(&stores, &presented_token(&family_of(1, 2)), at(1)).await;
    assert!(revoke(&stores, &family_of(1, 3), RevocationReason::Replay).await);
    outboxes::acknowledge_all(&stores).await;
    assert!(!stores.refresh_families.erase_user(&user(1), 10).await.unwrap());
    for n in 1..=3 {
        assert_eq!(find(&stores, &family(n)).await, None);
    }
}

async fn erasing_the_sessions_of_an_unknown_user_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    start_published(&stores, &family_of(2, 1)).await;
    assert!(!stores.refresh_families.erase_user(&user(1), 10).await.unwrap());
    assert_eq!(find(&stores, &family(1)).await, Some(family_of(2, 1)));
}
