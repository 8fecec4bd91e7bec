use std::sync::Arc;
use std::time::Duration;

use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::Timestamp;
use ports::factors::QuotaDecision;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, before, contact_id, user};
use crate::race::{CALLERS, count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    takes_are_allowed_up_to_the_quota,
    quota_is_available_again_at_its_window_end,
    exceeded_take_counts_nothing,
    window_begins_with_its_first_take,
    ended_window_does_not_count,
    rolled_over_window_begins_with_its_take,
    lower_quota_counts_earlier_takes,
    higher_quota_allows_more_takes,
    zero_quota_allows_nothing,
    keys_do_not_share_a_quota,
    parallel_takes_never_exceed_the_quota,
    parallel_takes_after_a_window_never_exceed_the_quota,
    parallel_takes_of_keys_are_independent,
    takes_survive_reopening,
    peek_returns_what_take_would,
    peek_counts_nothing_and_begins_no_window,
    peek_reads_only_its_own_key,
}

/// The length of every window here, in milliseconds.
const WINDOW_MS: i64 = 600_000;

fn quota(most: u32) -> SendQuota {
    SendQuota {
        limit: most,
        window: Duration::from_millis(WINDOW_MS.unsigned_abs()),
    }
}

fn key(n: usize) -> SendQuotaKey {
    SendQuotaKey::user(&user(n))
}

fn exceeded_until(retry_at: Timestamp) -> QuotaDecision {
    QuotaDecision::Exceeded { retry_at }
}

async fn take(stores: &Stores, quota: SendQuota, now: Timestamp) -> QuotaDecision {
    stores.send_quotas.take(&key(1), quota, now).await.unwrap()
}

async fn peek(stores: &Stores, quota: SendQuota, now: Timestamp) -> QuotaDecision {
    stores.send_quotas.peek(&key(1), quota, now).await.unwrap()
}

/// Takes from key 1 until its quota is exceeded.
async fn exhaust(stores: &Stores, quota: SendQuota, now: Timestamp) {
    for _ in 0..quota.limit {
        assert_eq!(take(stores, quota, now).await, QuotaDecision::Allowed);
    }
}

async fn race_to_take(stores: &Stores, most: u32, now: Timestamp, window_ends: Timestamp) {
    let decisions = run_concurrently(|_| {
        let send_quotas = Arc::clone(&stores.send_quotas);
        async move { send_quotas.take(&key(1), quota(most), now).await.unwrap() }
    })
    .await;
    let most = usize::try_from(most).unwrap();
    assert_eq!(count(&decisions, &QuotaDecision::Allowed), most);
    assert_eq!(count(&decisions, &exceeded_until(window_ends)), CALLERS - most);
}

async fn takes_are_allowed_up_to_the_quota(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(3), at(0)).await;
    assert_eq!(take(&stores, quota(3), at(0)).await, exceeded_until(at(WINDOW_MS)));
}

async fn quota_is_available_again_at_its_window_end(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(3), at(0)).await;
    assert_eq!(
        take(&stores, quota(3), before(at(WINDOW_MS))).await,
        exceeded_until(at(WINDOW_MS))
    );
    exhaust(&stores, quota(3), at(WINDOW_MS)).await;
    assert_eq!(
        take(&stores, quota(3), at(WINDOW_MS)).await,
        exceeded_until(at(2 * WINDOW_MS))
    );
}

async fn exceeded_take_counts_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(3), at(0)).await;
    for _ in 0..5 {
        assert_eq!(take(&stores, quota(3), at(1)).await, exceeded_until(at(WINDOW_MS)));
    }
    assert_eq!(take(&stores, quota(4), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(take(&stores, quota(4), at(1)).await, exceeded_until(at(WINDOW_MS)));
}

async fn window_begins_with_its_first_take(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for now in [at(5), at(7), before(at(WINDOW_MS))] {
        assert_eq!(take(&stores, quota(3), now).await, QuotaDecision::Allowed);
    }
    assert_eq!(
        take(&stores, quota(3), at(WINDOW_MS)).await,
        exceeded_until(at(WINDOW_MS + 5))
    );
}

async fn ended_window_does_not_count(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(2), at(0)).await;
    exhaust(&stores, quota(3), at(WINDOW_MS)).await;
    assert_eq!(
        take(&stores, quota(3), at(WINDOW_MS)).await,
        exceeded_until(at(2 * WINDOW_MS))
    );
}

async fn rolled_over_window_begins_with_its_take(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    take(&stores, quota(1), at(0)).await;
    let late = at(5 * WINDOW_MS + 3);
    assert_eq!(take(&stores, quota(1), late).await, QuotaDecision::Allowed);
    assert_eq!(
        take(&stores, quota(1), late).await,
        exceeded_until(at(6 * WINDOW_MS + 3))
    );
}

async fn lower_quota_counts_earlier_takes(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(3), at(0)).await;
    assert_eq!(take(&stores, quota(1), at(1)).await, exceeded_until(at(WINDOW_MS)));
}

async fn higher_quota_allows_more_takes(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(1), at(0)).await;
    assert_eq!(take(&stores, quota(u32::MAX), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(take(&stores, quota(2), at(1)).await, exceeded_until(at(WINDOW_MS)));
}

async fn zero_quota_allows_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(take(&stores, quota(0), at(0)).await, exceeded_until(at(WINDOW_MS)));
    exhaust(&stores, quota(1), at(1)).await;
    assert_eq!(take(&stores, quota(1), at(1)).await, exceeded_until(at(WINDOW_MS + 1)));
}

async fn keys_do_not_share_a_quota(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(3), at(0)).await;
    let destination = |n| SendQuotaKey::destination(&[n; 32]);
    let others = [
        key(2),
        SendQuotaKey::contact(&user(1), &contact_id("main")),
        destination(0),
        destination(1),
        SendQuotaKey::destination_day(&[0; 32]),
    ];
    for key in others {
        for _ in 0..3 {
            let taken = stores.send_quotas.take(&key, quota(3), at(1)).await.unwrap();
            assert_eq!(taken, QuotaDecision::Allowed);
        }
        let exhausted = stores.send_quotas.take(&key, quota(3), at(1)).await.unwrap();
        assert_eq!(exhausted, exceeded_until(at(WINDOW_MS + 1)));
    }
    assert_eq!(take(&stores, quota(3), at(1)).await, exceeded_until(at(WINDOW_MS)));
}

async fn parallel_takes_never_exceed_the_quota(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    race_to_take(&stores, 3, at(0), at(WINDOW_MS)).await;
    assert_eq!(take(&stores, quota(3), at(1)).await, exceeded_until(at(WINDOW_MS)));
    assert_eq!(take(&stores, quota(4), at(1)).await, QuotaDecision::Allowed);
}

async fn parallel_takes_after_a_window_never_exceed_the_quota(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for round in 0..5 {
        let now = at(round * WINDOW_MS);
        race_to_take(&stores, 3, now, at((round + 1) * WINDOW_MS)).await;
    }
    assert_eq!(take(&stores, quota(4), at(4 * WINDOW_MS)).await, QuotaDecision::Allowed);
}

async fn parallel_takes_of_keys_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let decisions = run_concurrently(|caller| {
        let send_quotas = Arc::clone(&stores.send_quotas);
        async move { send_quotas.take(&key(caller), quota(1), at(0)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&decisions, &QuotaDecision::Allowed), CALLERS);
}

async fn takes_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(2), at(0)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(take(&stores, quota(3), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(take(&stores, quota(3), at(1)).await, exceeded_until(at(WINDOW_MS)));
}

async fn peek_returns_what_take_would(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..3 {
        assert_eq!(peek(&stores, quota(3), at(0)).await, QuotaDecision::Allowed);
        take(&stores, quota(3), at(0)).await;
    }
    for (limit, now, expected) in [
        (quota(3), at(0), exceeded_until(at(WINDOW_MS))),
        (quota(3), before(at(WINDOW_MS)), exceeded_until(at(WINDOW_MS))),
        (quota(3), at(WINDOW_MS), QuotaDecision::Allowed),
        (quota(1), at(1), exceeded_until(at(WINDOW_MS))),
        (quota(4), at(1), QuotaDecision::Allowed),
        (quota(0), at(1), exceeded_until(at(WINDOW_MS + 1))),
    ] {
        assert_eq!(peek(&stores, limit, now).await, expected, "{limit:?} {now}");
    }
}

async fn peek_counts_nothing_and_begins_no_window(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..5 {
        assert_eq!(peek(&stores, quota(1), at(0)).await, QuotaDecision::Allowed);
    }
    exhaust(&stores, quota(1), at(5)).await;
    for _ in 0..5 {
        assert_eq!(peek(&stores, quota(1), at(6)).await, exceeded_until(at(WINDOW_MS + 5)));
        assert_eq!(peek(&stores, quota(2), at(6)).await, QuotaDecision::Allowed);
    }
    assert_eq!(take(&stores, quota(2), at(6)).await, QuotaDecision::Allowed);
    assert_eq!(take(&stores, quota(2), at(6)).await, exceeded_until(at(WINDOW_MS + 5)));
}

async fn peek_reads_only_its_own_key(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, quota(1), at(0)).await;
    for key in [key(2), SendQuotaKey::destination(&[0; 32])] {
        let peeked = stores.send_quotas.peek(&key, quota(1), at(1)).await.unwrap();
        assert_eq!(peeked, QuotaDecision::Allowed);
    }
}
