use domain::event::Event;
use domain::tokens::{FamilyStatus, RefreshFamily, RevocationReason, events};
use ports::tokens::CloseOutcome;

use super::{close, find, pending, race, revoke, rotated, start, started};
use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, event_context, family, full_family, presented, session_event_id};
use crate::race::{CALLERS, at_once, count, only};

contracts! { dyn Fixture:
    a_family_is_revoked_for_each_reason,
    revoking_again_changes_nothing,
    a_revocation_leaves_its_event,
    a_closed_family_is_not_revoked_unless_by_logout,
    a_logout_revokes_a_closed_family_with_its_event,
    a_closed_family_is_revoked_once,
    an_unknown_family_is_not_revoked,
    a_revocation_is_seen_as_soon_as_it_is_acknowledged,
    a_look_after_a_write_sees_every_revocation_from_before_it,
    a_rotated_family_keeps_its_tokens_when_it_is_revoked,
    revoking_at_once_has_one_winner_and_one_event,
    revoking_and_rotating_at_once_ends_revoked,
    a_logout_and_a_closing_at_once_end_revoked,
    a_revoked_family_survives_reopening,
}

fn ended(family: &RefreshFamily, reason: RevocationReason) -> RefreshFamily {
    RefreshFamily {
        status: FamilyStatus::Revoked(reason),
        ..family.clone()
    }
}

/// The event that [`revoke`] leaves.
fn revoked(family: &RefreshFamily, reason: RevocationReason) -> Event {
    let event = events::revoked(event_context(session_event_id(family, 2), at(2)), family, reason);
    event.recorded(family.id.as_str(), family.origin.user.clone(), 2)
}

async fn a_revocation_is_seen_as_soon_as_it_is_acknowledged(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let looks = at_once(|caller| {
        let stores = stores.clone();
        async move {
            let family = family(caller);
            let unknown = stores.refresh_families.read_linearizable(&family.id).await.unwrap();
            start(&stores, &family).await;
            let started = stores.refresh_families.read_linearizable(&family.id).await.unwrap();
            revoke(&stores, &family, RevocationReason::Logout).await;
            let revoked = stores.refresh_families.read_linearizable(&family.id).await.unwrap();
            [unknown, started, revoked]
        }
    })
    .await;
    for (n, looks) in looks.into_iter().enumerate() {
        let family = family(n);
        let ended = ended(&family, RevocationReason::Logout);
        assert_eq!(looks, [None, Some(family), Some(ended)]);
    }
}

async fn a_look_after_a_write_sees_every_revocation_from_before_it(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let looks = at_once(|caller| {
        let stores = stores.clone();
        async move {
            let (root, branch) = (family(caller), family(CALLERS + caller));
            start(&stores, &root).await;
            revoke(&stores, &root, RevocationReason::Logout).await;
            start(&stores, &branch).await;
            stores.refresh_families.read_after_write(&root.id).await.unwrap()
        }
    })
    .await;
    let expected = (0..CALLERS).map(|n| Some(ended(&family(n), RevocationReason::Logout)));
    assert_eq!(looks, expected.collect::<Vec<_>>());
    let unknown = family(2 * CALLERS).id;
    assert_eq!(stores.refresh_families.read_after_write(&unknown).await.unwrap(), None);
}

async fn a_family_is_revoked_for_each_reason(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (reason, n) in RevocationReason::ALL.into_iter().zip(1..) {
        let family = full_family(n);
        start(&stores, &family).await;
        assert!(revoke(&stores, &family, reason).await);
        assert_eq!(find(&stores, &family).await, Some(ended(&family, reason)));
    }
}

async fn revoking_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert!(revoke(&stores, &family, RevocationReason::Logout).await);
    for reason in RevocationReason::ALL {
        assert!(!revoke(&stores, &family, reason).await);
        let expected = ended(&family, RevocationReason::Logout);
        assert_eq!(find(&stores, &family).await, Some(expected));
    }
    assert_eq!(pending(&stores, &family).await.len(), 2);
}

async fn a_revocation_leaves_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let reason = RevocationReason::Replay;
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        revoke(&stores, &family, reason).await;
        let expected = [started(&family), revoked(&family, reason)];
        assert_eq!(pending(&stores, &family).await, expected);
    }
}

async fn a_closed_family_is_not_revoked_unless_by_logout(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        assert_eq!(close(&stores, &presented(&family), at(8)).await, CloseOutcome::Closed);
        let closed = find(&stores, &family).await;
        for reason in RevocationReason::ALL {
            if !reason.ends_closed_families() {
                assert!(!revoke(&stores, &family, reason).await);
                assert_eq!(find(&stores, &family).await, closed);
            }
        }
        assert_eq!(pending(&stores, &family).await, [started(&family)]);
    }
}

async fn a_logout_revokes_a_closed_family_with_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotated(&stores, &first, 10, at(1)).await;
    assert_eq!(close(&stores, &presented(&second), at(1)).await, CloseOutcome::Closed);
    let reason = RevocationReason::Logout;
    assert!(revoke(&stores, &second, reason).await);
    assert_eq!(find(&stores, &first).await, Some(ended(&second, reason)));
    let expected = [started(&first), revoked(&second, reason)];
    assert_eq!(pending(&stores, &first).await, expected);
}

async fn a_closed_family_is_revoked_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert_eq!(close(&stores, &presented(&family), at(1)).await, CloseOutcome::Closed);
    let reason = RevocationReason::Logout;
    let answers = at_once(|_| {
        let stores = stores.clone();
        let family = family.clone();
        async move { revoke(&stores, &family, reason).await }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    for reason in RevocationReason::ALL {
        assert!(!revoke(&stores, &family, reason).await);
    }
    assert_eq!(find(&stores, &family).await, Some(ended(&family, reason)));
    assert_eq!(pending(&stores, &family).await.len(), 2);
}

async fn an_unknown_family_is_not_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(!revoke(&stores, &family(1), RevocationReason::Replay).await);
    assert_eq!(find(&stores, &family(1)).await, None);
    assert_eq!(pending(&stores, &family(1)).await, []);
}

async fn a_rotated_family_keeps_its_tokens_when_it_is_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotated(&stores, &first, 10, at(1)).await;
    let reason = RevocationReason::Replay;
    assert!(revoke(&stores, &second, reason).await);
    assert_eq!(find(&stores, &first).await, Some(ended(&second, reason)));
}

async fn revoking_at_once_has_one_winner_and_one_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Replay;
    let answers = at_once(|_| {
        let stores = stores.clone();
        let family = family.clone();
        async move { revoke(&stores, &family, reason).await }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    let expected = [started(&family), revoked(&family, reason)];
    assert_eq!(pending(&stores, &family).await, expected);
}

async fn revoking_and_rotating_at_once_ends_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Replay;
    let answers = at_once(|caller| {
        let (stores, family) = (stores.clone(), family.clone());
        async move {
            if caller % 2 == 0 {
                (revoke(&stores, &family, reason).await, None)
            } else {
                (false, race(&stores, &family, caller).await)
            }
        }
    })
    .await;
    let mut rotated = answers.iter().filter_map(|(_, rotated)| rotated.clone());
    let last = rotated.next().unwrap_or_else(|| family.clone());
    assert!(rotated.next().is_none(), "two rotations of one token");
    only(answers.iter().filter(|(revoked, _)| *revoked));
    assert_eq!(find(&stores, &family).await, Some(ended(&last, reason)));
}

async fn a_logout_and_a_closing_at_once_end_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Logout;
    let answers = at_once(|caller| {
        let stores = stores.clone();
        let family = family.clone();
        async move {
            if caller % 2 == 0 {
                revoke(&stores, &family, reason).await
            } else {
                close(&stores, &presented(&family), at(1)).await;
                false
            }
        }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(find(&stores, &family).await, Some(ended(&family, reason)));
    let expected = [started(&family), revoked(&family, reason)];
    assert_eq!(pending(&stores, &family).await, expected);
}

async fn a_revoked_family_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Replay;
    revoke(&stores, &family, reason).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(find(&stores, &family).await, Some(ended(&family, reason)));
    let expected = [started(&family), revoked(&family, reason)];
    assert_eq!(pending(&stores, &family).await, expected);
}
