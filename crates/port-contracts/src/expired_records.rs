use ports::sessions::REFRESH_FAMILIES;
use std::time::Duration;

use domain::factors::{SendQuota, SendQuotaKey};
use domain::sessions::{RefreshFamily, RevocationReason, events};
use domain::time::Timestamp;
use domain::tokens::{Consumption, ValidationToken};
use ports::factors::QuotaDecision;
use ports::sessions::CloseOutcome;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{
    IDLE, at, before, event_context, family, presented_token, session_event_id, user, validation_token,
};
use crate::outboxes;
use crate::race::run_concurrently;
use ports::Stores;

contracts! { dyn Fixture:
    purge_of_an_empty_store_removes_nothing,
    token_is_purged_from_its_expiry_on,
    a_consumed_token_is_purged_from_its_use_on,
    family_is_purged_from_its_absolute_expiry_on,
    send_window_is_purged_from_its_end_on,
    a_family_past_its_idle_expiry_is_kept,
    closed_and_revoked_families_are_kept_until_expiry,
    a_family_with_pending_events_is_kept,
    kept_families_do_not_block_the_purge,
    purge_respects_its_limit,
    repeated_purge_continues,
    parallel_purges_count_each_record_once,
    send_windows_count_towards_the_limit,
    purged_records_stay_gone_after_reopening,
}

const ALL: usize = 1_000;

async fn purge(stores: &Stores, before: Timestamp, limit: usize) -> usize {
    crate::all_expired_records(stores).purge(before, limit).await.unwrap()
}

async fn issue(stores: &Stores, token: &ValidationToken) {
    stores.validation_tokens.issue(token).await.unwrap();
}

/// Returns whether the token is stored, expired or not.
async fn is_token_stored(stores: &Stores, token: &ValidationToken) -> bool {
    stores.validation_tokens.find(&token.hash).await.unwrap().is_some()
}

async fn start(stores: &Stores, family: &RefreshFamily) {
    let event = events::start_event(event_context(session_event_id(family, 1), family.rotated_at), family);
    stores.refresh_families.start(family, event).await.unwrap();
}

/// Starts families and publishes their events.
async fn start_published(stores: &Stores, families: &[RefreshFamily]) {
    for family in families {
        start(stores, family).await;
    }
    outboxes::acknowledge_all(stores).await;
}

async fn is_family_stored(stores: &Stores, family: &RefreshFamily) -> bool {
    stores.refresh_families.find(&family.id).await.unwrap().is_some()
}

/// Takes the only message of a user's quota. Its window begins at `now`.
async fn take(stores: &Stores, n: usize, now: Timestamp) -> QuotaDecision {
    let quota = SendQuota {
        limit: 1,
        window: Duration::from_mins(10),
    };
    let key = SendQuotaKey::user(&user(n));
    stores.send_quotas.take(&key, quota, now).await.unwrap()
}

/// Stores `count` tokens and `count` families with published events, all of which expire before `at(700_000)`.
async fn store_expiring(stores: &Stores, count: u8) {
    for n in 0..count {
        issue(stores, &validation_token(n)).await;
    }
    let families: Vec<_> = (0..usize::from(count)).map(family).collect();
    start_published(stores, &families).await;
}

async fn purge_of_an_empty_store_removes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(purge(&stores, at(0), ALL).await, 0);
}

async fn token_is_purged_from_its_expiry_on(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let early = validation_token(1);
    let late = ValidationToken {
        expires_at: at(1_001),
        ..validation_token(2)
    };
    issue(&stores, &early).await;
    issue(&stores, &late).await;
    assert_eq!(purge(&stores, before(early.expires_at), ALL).await, 0);
    assert!(is_token_stored(&stores, &early).await);
    assert_eq!(purge(&stores, early.expires_at, ALL).await, 1);
    assert!(!is_token_stored(&stores, &early).await);
    assert!(is_token_stored(&stores, &late).await);
}

async fn a_consumed_token_is_purged_from_its_use_on(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    let consumption = Consumption {
        at: at(5),
        starts_session: true,
    };
    let consumed = stores
        .validation_tokens
        .consume(&token.hash, &token.target_client, consumption);
    assert!(consumed.await.unwrap());
    assert_eq!(purge(&stores, before(at(5)), ALL).await, 0);
    assert!(is_token_stored(&stores, &token).await);
    assert_eq!(purge(&stores, at(5), ALL).await, 1);
    assert!(!is_token_stored(&stores, &token).await);
}

async fn family_is_purged_from_its_absolute_expiry_on(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let early = family(1);
    let late = RefreshFamily {
        absolute_expires_at: at(600_001),
        ..family(2)
    };
    start_published(&stores, &[early.clone(), late.clone()]).await;
    assert_eq!(purge(&stores, before(early.absolute_expires_at), ALL).await, 0);
    assert!(is_family_stored(&stores, &early).await);
    assert_eq!(purge(&stores, early.absolute_expires_at, ALL).await, 1);
    assert!(!is_family_stored(&stores, &early).await);
    assert!(is_family_stored(&stores, &late).await);
}

async fn send_window_is_purged_from_its_end_on(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, begins_at) in [(1, at(0)), (2, at(1))] {
        assert_eq!(take(&stores, n, begins_at).await, QuotaDecision::Allowed);
    }
    assert_eq!(purge(&stores, before(at(600_000)), ALL).await, 0);
    assert_eq!(purge(&stores, at(600_000), ALL).await, 1);
    // A running window still counts. After the purge of a window, the next take begins a new one.
    let retry_at = at(600_001);
    assert_eq!(take(&stores, 2, at(1)).await, QuotaDecision::Exceeded { retry_at });
    assert_eq!(take(&stores, 1, at(1)).await, QuotaDecision::Allowed);
}

async fn a_family_past_its_idle_expiry_is_kept(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start_published(&stores, std::slice::from_ref(&family)).await;
    assert_eq!(purge(&stores, family.idle_expires_at, ALL).await, 0);
    assert!(is_family_stored(&stores, &family).await);
}

async fn closed_and_revoked_families_are_kept_until_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (closed, revoked) = (family(1), family(2));
    start(&stores, &closed).await;
    start(&stores, &revoked).await;
    let presented = presented_token(&closed);
    let closing = stores.refresh_families.close(&presented, at(1), IDLE).await;
    assert_eq!(closing.unwrap(), CloseOutcome::Closed);
    let reason = RevocationReason::Replay;
    let event = events::revocation_event(event_context(session_event_id(&revoked, 2), at(1)), &revoked, reason);
    let revoking = stores.refresh_families.revoke(&revoked.id, reason, event);
    assert!(revoking.await.unwrap());
    outboxes::acknowledge_all(&stores).await;

    let end = closed.absolute_expires_at;
    assert_eq!(purge(&stores, before(end), ALL).await, 0);
    assert_eq!(purge(&stores, end, ALL).await, 2);
    assert!(!is_family_stored(&stores, &closed).await);
    assert!(!is_family_stored(&stores, &revoked).await);
}

async fn a_family_with_pending_events_is_kept(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let family = family(1);
    start(&stores, &family).await;
    assert_eq!(purge(&stores, family.absolute_expires_at, ALL).await, 0);
    assert!(is_family_stored(&stores, &family).await);
    let pending = outboxes::pending(&stores, &REFRESH_FAMILIES, family.id.as_str()).await;
    assert_eq!(pending.len(), 1);
    outboxes::acknowledge_all(&stores).await;
    assert_eq!(purge(&stores, family.absolute_expires_at, ALL).await, 1);
}

async fn kept_families_do_not_block_the_purge(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let last = RefreshFamily {
        absolute_expires_at: at(600_001),
        ..family(900)
    };
    start_published(&stores, std::slice::from_ref(&last)).await;
    for n in 0..5 {
        start(&stores, &family(n)).await;
    }
    assert_eq!(purge(&stores, at(700_000), 2).await, 1);
    assert!(!is_family_stored(&stores, &last).await);
}

async fn purge_respects_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    store_expiring(&stores, 3).await;
    for _ in 0..2 {
        assert!((1..=2).contains(&purge(&stores, at(700_000), 2).await));
    }
    let mut left = 0;
    for n in 0..3 {
        left += usize::from(is_token_stored(&stores, &validation_token(n)).await);
        left += usize::from(is_family_stored(&stores, &family(usize::from(n))).await);
    }
    assert!((2..=4).contains(&left), "{left} of 6 are left after two purges of 2");
}

async fn repeated_purge_continues(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    store_expiring(&stores, 3).await;
    let mut purged = 0;
    loop {
        let more = purge(&stores, at(700_000), 2).await;
        if more == 0 {
            break;
        }
        purged += more;
    }
    assert_eq!(purged, 6);
}

async fn parallel_purges_count_each_record_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    store_expiring(&stores, 5).await;
    let counts = run_concurrently(|_| {
        let expired_records = crate::all_expired_records(&stores);
        async move { expired_records.purge(at(700_000), 3).await.unwrap() }
    })
    .await;
    // Concurrent callers may find the same records; each record is counted by the caller that removed it.
    let mut counted: usize = counts.iter().sum();
    loop {
        match purge(&stores, at(700_000), ALL).await {
            0 => break,
            more => counted += more,
        }
    }
    assert_eq!(counted, 10);
}

async fn send_windows_count_towards_the_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    store_expiring(&stores, 1).await;
    for n in 0..3 {
        take(&stores, n, at(0)).await;
    }
    let mut purged = 0;
    for _ in 0..5 {
        let more = purge(&stores, at(700_000), 2).await;
        assert!(more <= 2);
        purged += more;
    }
    assert_eq!(purged, 5);
}

async fn purged_records_stay_gone_after_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    store_expiring(&stores, 1).await;
    assert_eq!(purge(&stores, at(700_000), ALL).await, 2);
    drop(stores);
    let stores = fixture.reopen().await;
    assert!(!is_token_stored(&stores, &validation_token(0)).await);
    assert!(!is_family_stored(&stores, &family(0)).await);
    assert_eq!(purge(&stores, at(700_000), ALL).await, 0);
}
