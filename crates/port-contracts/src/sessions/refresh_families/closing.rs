use std::sync::Arc;
use std::time::Duration;

use domain::sessions::{Closure, FamilyStatus, PresentedToken, RefreshFamily, RevocationReason};
use domain::time::{self, Timestamp};
use ports::sessions::CloseOutcome;

use super::{GRACE, close, find, foreign_tokens, pending, race_to_rotate, revoke, rotate_current, start, start_event};
use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, before, family, full_family, presented_token};
use crate::race::{CALLERS, count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    the_current_token_closes_its_family,
    previous_token_closes_its_family_within_the_grace_time,
    the_grace_time_ends_at_the_exact_instant,
    without_grace_only_the_current_token_closes,
    an_older_token_closes_nothing,
    a_token_that_is_not_current_closes_nothing,
    closing_again_does_not_match,
    a_family_past_its_idle_expiry_is_not_closed,
    a_family_past_its_absolute_expiry_is_not_closed,
    a_revoked_family_is_not_closed,
    an_unknown_family_is_not_closed,
    closing_pushes_no_event,
    parallel_closings_have_one_winner,
    parallel_closing_and_rotation_end_closed,
    a_closed_family_survives_reopening,
}

/// Returns `family` as it is stored after the token of `generation` closed it at `at`.
fn closed_family(family: &RefreshFamily, generation: u64, at: Timestamp) -> RefreshFamily {
    RefreshFamily {
        status: FamilyStatus::Closed(Closure { generation, at }),
        ..family.clone()
    }
}

/// Asserts that the token does not close the family, and that the family is unchanged.
async fn assert_not_closed(stores: &Stores, family: &RefreshFamily, presented: &PresentedToken, now: Timestamp) {
    let closing = close(stores, presented, now).await;
    assert_eq!(closing, CloseOutcome::NotMatched(family.clone()), "{presented:?}");
    assert_eq!(find(stores, family).await.as_ref(), Some(family));
}

async fn the_current_token_closes_its_family(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        let closing = close(&stores, &presented_token(&family), at(50_001)).await;
        assert_eq!(closing, CloseOutcome::Closed);
        let expected = closed_family(&family, family.generation, at(50_001));
        assert_eq!(find(&stores, &family).await, Some(expected));
    }
}

async fn previous_token_closes_its_family_within_the_grace_time(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, now) in [(1, at(1)), (2, before(time::after(at(1), GRACE)))] {
        let first = family(n);
        start(&stores, &first).await;
        let second = rotate_current(&stores, &first, 10, at(1)).await;
        assert_eq!(
            close(&stores, &presented_token(&first), now).await,
            CloseOutcome::Closed
        );
        let expected = closed_family(&second, first.generation, now);
        assert_eq!(find(&stores, &first).await, Some(expected));
    }
}

async fn the_grace_time_ends_at_the_exact_instant(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    let end = time::after(second.rotated_at, GRACE);
    assert_not_closed(&stores, &second, &presented_token(&first), end).await;
    assert_not_closed(&stores, &second, &presented_token(&first), at(50_000)).await;
    assert_eq!(
        close(&stores, &presented_token(&second), end).await,
        CloseOutcome::Closed
    );
}

async fn without_grace_only_the_current_token_closes(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    let close_without_grace = |presented, now| {
        let families = Arc::clone(&stores.refresh_families);
        async move { families.close(&presented, now, Duration::ZERO).await.unwrap() }
    };
    let outcome = close_without_grace(presented_token(&first), second.rotated_at).await;
    assert_eq!(outcome, CloseOutcome::NotMatched(second.clone()));
    assert_eq!(
        close_without_grace(presented_token(&second), at(2)).await,
        CloseOutcome::Closed
    );
}

async fn an_older_token_closes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    let third = rotate_current(&stores, &second, 11, at(1)).await;
    assert_not_closed(&stores, &third, &presented_token(&first), at(1)).await;
    assert_eq!(
        close(&stores, &presented_token(&second), at(1)).await,
        CloseOutcome::Closed
    );
}

async fn a_token_that_is_not_current_closes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for family in [family(1), full_family(2)] {
        start(&stores, &family).await;
        for foreign in foreign_tokens(&family) {
            assert_not_closed(&stores, &family, &foreign, at(100)).await;
        }
        let closing = close(&stores, &presented_token(&family), at(100)).await;
        assert_eq!(closing, CloseOutcome::Closed);
    }
}

async fn closing_again_does_not_match(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let first = family(1);
    start(&stores, &first).await;
    let second = rotate_current(&stores, &first, 10, at(1)).await;
    assert_eq!(
        close(&stores, &presented_token(&first), at(2)).await,
        CloseOutcome::Closed
    );
    let closed = closed_family(&second, first.generation, at(2));
    for (again, now) in [(&first, at(2)), (&first, at(3)), (&second, at(3))] {
        assert_not_closed(&stores, &closed, &presented_token(again), now).await;
    }
}

async fn a_family_past_its_idle_expiry_is_not_closed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let end = family.idle_expires_at;
    assert_not_closed(&stores, &family, &presented_token(&family), end).await;
    let last = close(&stores, &presented_token(&family), before(end)).await;
    assert_eq!(last, CloseOutcome::Closed);
}

async fn a_family_past_its_absolute_expiry_is_not_closed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = RefreshFamily {
        absolute_expires_at: at(30_000),
        ..family(1)
    };
    start(&stores, &family).await;
    let end = family.absolute_expires_at;
    assert_not_closed(&stores, &family, &presented_token(&family), end).await;
    let last = close(&stores, &presented_token(&family), before(end)).await;
    assert_eq!(last, CloseOutcome::Closed);
}

async fn a_revoked_family_is_not_closed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert!(revoke(&stores, &family, RevocationReason::Lock).await);
    let revoked = RefreshFamily {
        status: FamilyStatus::Revoked(RevocationReason::Lock),
        ..family
    };
    assert_not_closed(&stores, &revoked, &presented_token(&revoked), at(3)).await;
}

async fn an_unknown_family_is_not_closed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let closing = close(&stores, &presented_token(&family(1)), at(1)).await;
    assert_eq!(closing, CloseOutcome::Unknown);
    assert_eq!(find(&stores, &family(1)).await, None);
}

async fn closing_pushes_no_event(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert_eq!(
        close(&stores, &presented_token(&family), at(1)).await,
        CloseOutcome::Closed
    );
    assert_eq!(pending(&stores, &family).await, [start_event(&family)]);
}

async fn parallel_closings_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let closings = run_concurrently(|_| {
        let (stores, family) = (stores.clone(), family.clone());
        async move { close(&stores, &presented_token(&family), at(1)).await }
    })
    .await;
    let closed = closed_family(&family, family.generation, at(1));
    assert_eq!(count(&closings, &CloseOutcome::Closed), 1);
    assert_eq!(count(&closings, &CloseOutcome::NotMatched(closed.clone())), CALLERS - 1);
    assert_eq!(find(&stores, &family).await, Some(closed));
}

async fn parallel_closing_and_rotation_end_closed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    let answers = run_concurrently(|caller| {
        let (stores, family) = (stores.clone(), family.clone());
        async move {
            if caller % 2 == 0 {
                let closing = close(&stores, &presented_token(&family), at(1)).await;
                (closing == CloseOutcome::Closed, None)
            } else {
                (false, race_to_rotate(&stores, &family, caller).await)
            }
        }
    })
    .await;
    let mut rotated = answers.iter().filter_map(|(_, rotated)| rotated.clone());
    let last = rotated.next().unwrap_or_else(|| family.clone());
    assert!(rotated.next().is_none(), "two rotations of one token");
    assert_eq!(answers.iter().filter(|(closed, _)| *closed).count(), 1);
    let expected = closed_family(&last, family.generation, at(1));
    assert_eq!(find(&stores, &family).await, Some(expected));
}

async fn a_closed_family_survives_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    close(&stores, &presented_token(&family), at(1)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    let expected = closed_family(&family, family.generation, at(1));
    assert_eq!(find(&stores, &family).await, Some(expected));
}
