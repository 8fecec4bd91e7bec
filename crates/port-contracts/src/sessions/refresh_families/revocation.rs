use domain::event::Event;
use domain::sessions::{FamilyStatus, RefreshFamily, RevocationReason, events};
use ports::sessions::CloseOutcome;

use super::{close, find, pending, race_to_rotate, revoke, rotate_current, start, start_event};
use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, event_context, family, full_family, presented_token, session_event_id};
use crate::race::{CALLERS, count, only, run_concurrently};

contracts! { dyn Fixture:
    a_family_is_revoked_for_each_reason,
    revoking_again_changes_nothing,
    revocation_pushes_its_event,
    closed_family_is_revoked_by_logout_only,
    a_logout_revokes_a_closed_family_with_its_event,
    a_closed_family_is_revoked_once,
    an_unknown_family_is_not_revoked,
    acknowledged_revocation_is_visible_to_every_reader,
    read_after_write_sees_earlier_revocations,
    revocation_keeps_the_tokens_of_a_family,
    parallel_revocations_have_one_winner_and_one_event,
    parallel_revocation_and_rotation_end_revoked,
    parallel_logout_and_closing_end_revoked,
    a_revoked_family_survives_reopening,
}

fn revoked_family(family: &RefreshFamily, reason: RevocationReason) -> RefreshFamily {
    RefreshFamily {
        status: FamilyStatus::Revoked(reason),
        ..family.clone()
    }
}

/// Returns the event that [`revoke`] pushes.
fn revocation_event(family: &RefreshFamily, reason: RevocationReason) -> Event {
    let event = events::revocation_event(event_context(session_event_id(family, 2), at(2)), family, reason);
    event.into_event(family.id.as_str(), family.origin.user.clone(), 2)
}

async fn acknowledged_revocation_is_visible_to_every_reader(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let reads = run_concurrently(|caller| {
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
    for (n, reads) in reads.into_iter().enumerate() {
        let family = family(n);
        let ended = revoked_family(&family, RevocationReason::Logout);
        assert_eq!(reads, [None, Some(family), Some(ended)]);
    }
}

async fn read_after_write_sees_earlier_revocations(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let reads = run_concurrently(|caller| {
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
    let expected = (0..CALLERS).map(|n| Some(revoked_family(&family(n), RevocationReason::Logout)));
    assert_eq!(reads, expected.collect::<Vec<_>>());
    let unknown = family(2 * CALLERS).id;
    assert_eq!(stores.refresh_families.read_after_write(&unknown).await.unwrap(), None);
}

async fn a_family_is_revoked_for_each_reason(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (reason, n) in RevocationReason::ALL.into_iter().zip(1..) {
        let family = full_family(n);
        start(&stores, &family).await;
        assert!(revoke(&stores, &family, reason).await);
        assert_eq!(find(&stores, &family).await, Some(revoked_family(&family, reason)));
    }
}

async fn revoking_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert!(revoke(&stores, &family, RevocationReason::Logout).await);
    for reason in RevocationReason::ALL {
        assert!(!revoke(&stores, &family, reason).await);
        let expected = revoked_family(&family, RevocationReason::Logout);
        assert_eq!(find(&stores, &family).await, Some(expected));
    }
    assert_eq!(pending(&stores, &family).await.len(), 2);
}

async fn revocation_pushes_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let reason = RevocationReason::Replay;
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        revoke(&stores, &family, reason).await;
        let expected = [start_event(&family), revocation_event(&family, reason)];
        assert_eq!(pending(&stores, &family).await, expected);
    }
}

async fn closed_family_is_revoked_by_logout_only(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        assert_eq!(
            close(&stores, &presented_token(&family), at(8)).await,
            CloseOutcome::Closed
        );
        let closed = find(&stores, &family).await;
        for reason in RevocationReason::ALL {
            if !reason.ends_closed_families() {
                assert!(!revoke(&stores, &family, reason).await);
                assert_eq!(find(&stores, &family).await, closed);
            }
        }
        assert_eq!(pending(&stores, &family).await, [start_event(&family)]);
    }
}

async fn a_logout_revokes_a_closed_family_with_its_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    assert_eq!(
        close(&stores, &presented_token(&second), at(1)).await,
        CloseOutcome::Closed
    );
    let reason = RevocationReason::Logout;
    assert!(revoke(&stores, &second, reason).await);
    assert_eq!(find(&stores, &first).await, Some(revoked_family(&second, reason)));
    let expected = [start_event(&first), revocation_event(&second, reason)];
    assert_eq!(pending(&stores, &first).await, expected);
}

async fn a_closed_family_is_revoked_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert_eq!(
        close(&stores, &presented_token(&family), at(1)).await,
        CloseOutcome::Closed
    );
    let reason = RevocationReason::Logout;
    let answers = run_concurrently(|_| {
        let stores = stores.clone();
        let family = family.clone();
        async move { revoke(&stores, &family, reason).await }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    for reason in RevocationReason::ALL {
        assert!(!revoke(&stores, &family, reason).await);
    }
    assert_eq!(find(&stores, &family).await, Some(revoked_family(&family, reason)));
    assert_eq!(pending(&stores, &family).await.len(), 2);
}

async fn an_unknown_family_is_not_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert!(!revoke(&stores, &family(1), RevocationReason::Replay).await);
    assert_eq!(find(&stores, &family(1)).await, None);
    assert_eq!(pending(&stores, &family(1)).await, []);
}

async fn revocation_keeps_the_tokens_of_a_family(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    let reason = RevocationReason::Replay;
    assert!(revoke(&stores, &second, reason).await);
    assert_eq!(find(&stores, &first).await, Some(revoked_family(&second, reason)));
}

async fn parallel_revocations_have_one_winner_and_one_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Replay;
    let answers = run_concurrently(|_| {
        let stores = stores.clone();
        let family = family.clone();
        async move { revoke(&stores, &family, reason).await }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    let expected = [start_event(&family), revocation_event(&family, reason)];
    assert_eq!(pending(&stores, &family).await, expected);
}

async fn parallel_revocation_and_rotation_end_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Replay;
    let answers = run_concurrently(|caller| {
        let (stores, family) = (stores.clone(), family.clone());
        async move {
            if caller % 2 == 0 {
                (revoke(&stores, &family, reason).await, None)
            } else {
                (false, race_to_rotate(&stores, &family, caller).await)
            }
        }
    })
    .await;
    let mut rotated = answers.iter().filter_map(|(_, rotated)| rotated.clone());
    let last = rotated.next().unwrap_or_else(|| family.clone());
    assert!(rotated.next().is_none(), "two rotations of one token");
    only(answers.iter().filter(|(revoked, _)| *revoked));
    assert_eq!(find(&stores, &family).await, Some(revoked_family(&last, reason)));
}

async fn parallel_logout_and_closing_end_revoked(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let reason = RevocationReason::Logout;
    let answers = run_concurrently(|caller| {
        let stores = stores.clone();
        let family = family.clone();
        async move {
            if caller % 2 == 0 {
                revoke(&stores, &family, reason).await
            } else {
                close(&stores, &presented_token(&family), at(1)).await;
                false
            }
        }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(find(&stores, &family).await, Some(revoked_family(&family, reason)));
    let expected = [start_event(&family), revocation_event(&family, reason)];
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
    assert_eq!(find(&stores, &family).await, Some(revoked_family(&family, reason)));
    let expected = [start_event(&family), revocation_event(&family, reason)];
    assert_eq!(pending(&stores, &family).await, expected);
}
