use ports::sessions::REFRESH_FAMILIES;
use std::time::Duration;

use domain::event::Event;
use domain::sessions::{PresentedToken, RefreshFamily, RefreshToken, RevocationReason, events};
use domain::time::Timestamp;
use ports::sessions::{CloseOutcome, RotationOutcome};

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{
    IDLE, at, before, client_id, event_context, family, family_id, full_family, nonce, presented_token,
    session_event_id, user,
};
use crate::outboxes;
use crate::race::{CALLERS, only, run_concurrently};
use ports::Stores;

pub(crate) mod active_families;
pub(crate) mod closing;
pub(crate) mod erasure;
pub(crate) mod revocation;

contracts! { dyn Fixture:
    an_unknown_family_is_not_found,
    every_field_of_a_family_survives,
    starting_a_family_again_changes_nothing,
    start_pushes_its_event,
    parallel_starts_all_succeed,
    rotation_raises_the_generation_by_one,
    idle_expiry_never_exceeds_the_absolute_expiry,
    a_spent_token_is_superseded,
    a_token_that_is_not_current_rotates_nothing,
    family_does_not_rotate_at_its_idle_expiry,
    family_does_not_rotate_at_its_absolute_expiry,
    a_closed_family_does_not_rotate,
    a_revoked_family_does_not_rotate,
    an_unknown_family_does_not_rotate,
    families_are_independent,
    parallel_rotations_have_one_winner,
    parallel_rotations_have_separate_outcomes,
    rotation_pushes_no_event,
    families_survive_reopening,
}

const GRACE: Duration = Duration::from_secs(30);

/// Returns presented tokens that each differ in one part from the family's current token, and match neither it nor the
/// previous one.
fn foreign_tokens(family: &RefreshFamily) -> Vec<PresentedToken> {
    let good = presented_token(family);
    let token = |generation, nonce| PresentedToken {
        token: RefreshToken {
            generation,
            nonce,
            ..good.token.clone()
        },
        ..good.clone()
    };
    vec![
        token(family.generation, nonce(99)),
        token(family.generation, family.previous_nonce.unwrap_or(nonce(98))),
        token(family.generation - 1, family.nonce),
        token(family.generation + 1, family.nonce),
        PresentedToken {
            client: client_id("client-b"),
            ..good.clone()
        },
        PresentedToken {
            user: user(999),
            ..good.clone()
        },
    ]
}

async fn start(stores: &Stores, family: &RefreshFamily) {
    let event = events::start_event(event_context(session_event_id(family, 1), family.rotated_at), family);
    stores.refresh_families.start(family, event).await.unwrap();
}

async fn find(stores: &Stores, family: &RefreshFamily) -> Option<RefreshFamily> {
    stores.refresh_families.find(&family.id).await.unwrap()
}

/// Rotates to `nonce(n)`.
async fn rotate(stores: &Stores, presented: &PresentedToken, n: usize, now: Timestamp) -> RotationOutcome {
    let rotated = stores.refresh_families.rotate(presented, nonce(n), now, IDLE);
    rotated.await.unwrap()
}

/// Rotates the current token of `family` and returns the family that is stored afterwards.
async fn rotate_current(stores: &Stores, family: &RefreshFamily, n: usize, now: Timestamp) -> RefreshFamily {
    let rotation = rotate(stores, &presented_token(family), n, now).await;
    assert_eq!(rotation, RotationOutcome::Rotated);
    let expected = family.rotate(nonce(n), now, IDLE);
    assert_eq!(find(stores, family).await.as_ref(), Some(&expected));
    expected
}

async fn close(stores: &Stores, presented: &PresentedToken, now: Timestamp) -> CloseOutcome {
    let closing = stores.refresh_families.close(presented, now, GRACE);
    closing.await.unwrap()
}

async fn revoke(stores: &Stores, family: &RefreshFamily, reason: RevocationReason) -> bool {
    let event = events::revocation_event(event_context(session_event_id(family, 2), at(2)), family, reason);
    let revoked = stores.refresh_families.revoke(&family.id, reason, event);
    revoked.await.unwrap()
}

async fn pending(stores: &Stores, family: &RefreshFamily) -> Vec<Event> {
    outboxes::pending(stores, &REFRESH_FAMILIES, family.id.as_str()).await
}

/// Returns the event that [`start`] pushes.
fn start_event(family: &RefreshFamily) -> Event {
    let event = events::start_event(event_context(session_event_id(family, 1), family.rotated_at), family);
    event.into_event(family.id.as_str(), family.origin.user.clone(), 1)
}

/// Rotates the current token of `family` as one of many callers. Returns the rotated family if this caller won.
async fn race_to_rotate(stores: &Stores, family: &RefreshFamily, caller: usize) -> Option<RefreshFamily> {
    let rotation = rotate(stores, &presented_token(family), 10 + caller, at(1)).await;
    (rotation == RotationOutcome::Rotated).then(|| family.rotate(nonce(10 + caller), at(1), IDLE))
}

async fn an_unknown_family_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    start(&stores, &family(2)).await;
    assert_eq!(find(&stores, &family(1)).await, None);
}

async fn every_field_of_a_family_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        assert_eq!(find(&stores, &family).await, Some(family));
    }
}

async fn starting_a_family_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    let start_again = async || {
        let event = events::start_event(event_context(session_event_id(&first, 1), first.rotated_at), &first);
        stores.refresh_families.start(&first, event).await.unwrap()
    };
    assert!(start_again().await);
    let second = rotate_current(&stores, &first, 2, at(1)).await;
    assert!(!start_again().await);
    assert_eq!(find(&stores, &first).await, Some(second));
    assert_eq!(pending(&stores, &first).await, [start_event(&first)]);
}

async fn start_pushes_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        assert_eq!(pending(&stores, &family).await, [start_event(&family)]);
    }
}

async fn parallel_starts_all_succeed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let families = run_concurrently(|caller| {
        let stores = stores.clone();
        async move {
            let family = family(caller);
            start(&stores, &family).await;
            family
        }
    })
    .await;
    for family in families {
        assert_eq!(pending(&stores, &family).await, [start_event(&family)]);
        assert_eq!(find(&stores, &family).await, Some(family));
    }
}

async fn rotation_raises_the_generation_by_one(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for first in [family(1), full_family(2)] {
        start(&stores, &first).await;
        let second = rotate_current(&stores, &first, 10, at(100)).await;
        assert_eq!(find(&stores, &first).await, Some(second.clone()));
        let third = rotate_current(&stores, &second, 11, at(200)).await;
        assert_eq!(find(&stores, &first).await, Some(third.clone()));
        assert_eq!(third.generation, first.generation + 2);
        assert_eq!(third.previous_nonce, Some(nonce(10)));
    }
}

async fn idle_expiry_never_exceeds_the_absolute_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = RefreshFamily {
        absolute_expires_at: at(60_001),
        ..family(1)
    };
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    assert_eq!(second.idle_expires_at, first.absolute_expires_at);
    let third = rotate_current(&stores, &second, 11, at(60_000)).await;
    assert_eq!(third.idle_expires_at, first.absolute_expires_at);
    assert_eq!(find(&stores, &first).await, Some(third));
}

async fn a_spent_token_is_superseded(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    for n in [11, 12] {
        let again = rotate(&stores, &presented_token(&first), n, at(1)).await;
        assert_eq!(again, RotationOutcome::Superseded(second.clone()));
    }
    let third = rotate_current(&stores, &second, 13, at(2)).await;
    for spent in [&first, &second] {
        let again = rotate(&stores, &presented_token(spent), 14, at(2)).await;
        assert_eq!(again, RotationOutcome::Superseded(third.clone()));
    }
    assert_eq!(find(&stores, &first).await, Some(third));
}

async fn a_token_that_is_not_current_rotates_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        for foreign in foreign_tokens(&family) {
            let rotation = rotate(&stores, &foreign, 10, at(100)).await;
            assert_eq!(rotation, RotationOutcome::Superseded(family.clone()), "{foreign:?}");
            assert_eq!(find(&stores, &family).await.as_ref(), Some(&family));
        }
        rotate_current(&stores, &family, 10, at(100)).await;
    }
}

async fn family_does_not_rotate_at_its_idle_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let end = family.idle_expires_at;
    for now in [end, at(100_000)] {
        let rotation = rotate(&stores, &presented_token(&family), 10, now).await;
        assert_eq!(rotation, RotationOutcome::Superseded(family.clone()));
    }
    assert_eq!(find(&stores, &family).await.as_ref(), Some(&family));
    rotate_current(&stores, &family, 10, before(end)).await;
}

async fn family_does_not_rotate_at_its_absolute_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = RefreshFamily {
        absolute_expires_at: at(30_000),
        ..family(1)
    };
    start(&stores, &family).await;
    let end = family.absolute_expires_at;
    let rotation = rotate(&stores, &presented_token(&family), 10, end).await;
    assert_eq!(rotation, RotationOutcome::Superseded(family.clone()));
    assert_eq!(find(&stores, &family).await.as_ref(), Some(&family));
    rotate_current(&stores, &family, 10, before(end)).await;
}

async fn a_closed_family_does_not_rotate(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert_eq!(
        close(&stores, &presented_token(&family), at(1)).await,
        CloseOutcome::Closed
    );
    let closed = find(&stores, &family).await.unwrap();
    let rotation = rotate(&stores, &presented_token(&family), 10, at(2)).await;
    assert_eq!(rotation, RotationOutcome::Superseded(closed.clone()));
    assert_eq!(find(&stores, &family).await, Some(closed));
}

async fn a_revoked_family_does_not_rotate(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert!(revoke(&stores, &family, RevocationReason::Logout).await);
    let revoked = find(&stores, &family).await.unwrap();
    let rotation = rotate(&stores, &presented_token(&family), 10, at(3)).await;
    assert_eq!(rotation, RotationOutcome::Superseded(revoked.clone()));
    assert_eq!(find(&stores, &family).await, Some(revoked));
}

async fn an_unknown_family_does_not_rotate(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let rotation = rotate(&stores, &presented_token(&family(1)), 10, at(1)).await;
    assert_eq!(rotation, RotationOutcome::Unknown);
    assert_eq!(find(&stores, &family(1)).await, None);
}

async fn families_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let one = family(1);
    let other = RefreshFamily {
        id: family_id(2),
        ..family(1)
    };
    start(&stores, &one).await;
    start(&stores, &other).await;
    rotate_current(&stores, &one, 10, at(1)).await;
    assert!(revoke(&stores, &one, RevocationReason::Replay).await);
    assert_eq!(find(&stores, &other).await.as_ref(), Some(&other));
    rotate_current(&stores, &other, 10, at(1)).await;
}

async fn parallel_rotations_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let rotations = run_concurrently(|caller| {
        let (stores, family) = (stores.clone(), family.clone());
        async move { rotate(&stores, &presented_token(&family), 10 + caller, at(1)).await }
    })
    .await;
    let won = rotations
        .iter()
        .enumerate()
        .filter(|(_, rotation)| **rotation == RotationOutcome::Rotated);
    let (winner, _) = only(won);
    let winning = family.rotate(nonce(10 + winner), at(1), IDLE);
    for (caller, rotation) in rotations.into_iter().enumerate() {
        let expected = if caller == winner {
            RotationOutcome::Rotated
        } else {
            RotationOutcome::Superseded(winning.clone())
        };
        assert_eq!(rotation, expected);
    }
    assert_eq!(find(&stores, &family).await, Some(winning));
}

async fn parallel_rotations_have_separate_outcomes(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let mut expected = Vec::new();
    for n in 0..CALLERS {
        let first = family(n);
        expected.push(match n % 3 {
            0 => RotationOutcome::Unknown,
            1 => {
                start(&stores, &first).await;
                RotationOutcome::Superseded(rotate_current(&stores, &first, 50 + n, at(1)).await)
            }
            _ => {
                start(&stores, &first).await;
                RotationOutcome::Rotated
            }
        });
    }
    let rotations = run_concurrently(|caller| {
        let stores = stores.clone();
        async move { rotate(&stores, &presented_token(&family(caller)), 10 + caller, at(1)).await }
    });
    assert_eq!(rotations.await, expected);
    for (n, rotation) in expected.into_iter().enumerate() {
        let left = match rotation {
            RotationOutcome::Rotated => Some(family(n).rotate(nonce(10 + n), at(1), IDLE)),
            RotationOutcome::Superseded(family) => Some(family),
            RotationOutcome::Unknown => None,
        };
        assert_eq!(find(&stores, &family(n)).await, left);
    }
}

async fn rotation_pushes_no_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    rotate_current(&stores, &family, 10, at(1)).await;
    assert_eq!(pending(&stores, &family).await, [start_event(&family)]);
}

async fn families_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (kept, first) = (full_family(1), family(2));
    start(&stores, &kept).await;
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(find(&stores, &kept).await, Some(kept));
    assert_eq!(find(&stores, &first).await.as_ref(), Some(&second));
    assert_eq!(pending(&stores, &first).await, [start_event(&first)]);
    let again = rotate(&stores, &presented_token(&first), 11, at(2)).await;
    assert_eq!(again, RotationOutcome::Superseded(second));
}
