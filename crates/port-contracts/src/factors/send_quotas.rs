use std::sync::Arc;
use std::time::Duration;

use domain::factors::{SendQuota, SendQuotaKey};
use domain::time::Timestamp;
use ports::factors::QuotaDecision;

use crate::contract::contracts;
use crate::fixtures::{at, before, user};
use crate::race::{CALLERS, at_once, count};
use crate::{Fixture, Stores};

contracts! { dyn Fixture:
    a_key_is_charged_up_to_its_limit,
    an_exhausted_key_has_room_again_at_the_end_of_its_window,
    an_exhausted_charge_counts_nothing,
    a_window_begins_with_its_first_charge,
    a_window_that_ended_with_room_counts_no_longer,
    a_window_begins_at_the_charge_that_rolls_it_over,
    a_lower_limit_counts_what_was_charged_before,
    a_higher_limit_makes_room,
    a_limit_of_none_charges_nothing,
    two_keys_do_not_share_a_limit,
    charging_one_key_at_once_never_passes_its_limit,
    charging_an_ended_window_at_once_never_passes_the_limit,
    charging_keys_at_once_charges_each,
    charges_survive_reopening,
    a_look_says_what_a_charge_would,
    a_look_counts_nothing_and_begins_no_window,
    a_look_at_one_key_does_not_see_another,
}

/// Length of the windows here, in milliseconds.
const WINDOW: i64 = 600_000;

fn of(most: u32) -> SendQuota {
    SendQuota {
        most,
        window: Duration::from_millis(WINDOW.unsigned_abs()),
    }
}

fn key(n: usize) -> SendQuotaKey {
    SendQuotaKey::user(&user(n))
}

fn until(until: Timestamp) -> QuotaDecision {
    QuotaDecision::Exceeded { retry_at: until }
}

async fn charge(stores: &Stores, limit: SendQuota, now: Timestamp) -> QuotaDecision {
    stores.send_quotas.take(&key(1), limit, now).await.unwrap()
}

async fn look(stores: &Stores, limit: SendQuota, now: Timestamp) -> QuotaDecision {
    stores.send_quotas.peek(&key(1), limit, now).await.unwrap()
}

/// Charges key 1 so often that nothing more fits.
async fn exhaust(stores: &Stores, limit: SendQuota, now: Timestamp) {
    for _ in 0..limit.most {
        assert_eq!(charge(stores, limit, now).await, QuotaDecision::Allowed);
    }
}

async fn race_to_charge(stores: &Stores, most: u32, now: Timestamp, window_ends: Timestamp) {
    let charges = at_once(|_| {
        let send_limits = Arc::clone(&stores.send_quotas);
        async move { send_limits.take(&key(1), of(most), now).await.unwrap() }
    })
    .await;
    let most = usize::try_from(most).unwrap();
    assert_eq!(count(&charges, &QuotaDecision::Allowed), most);
    assert_eq!(count(&charges, &until(window_ends)), CALLERS - most);
}

async fn a_key_is_charged_up_to_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(3), at(0)).await;
    assert_eq!(charge(&stores, of(3), at(0)).await, until(at(WINDOW)));
}

async fn an_exhausted_key_has_room_again_at_the_end_of_its_window(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(3), at(0)).await;
    assert_eq!(charge(&stores, of(3), before(at(WINDOW))).await, until(at(WINDOW)));
    exhaust(&stores, of(3), at(WINDOW)).await;
    assert_eq!(charge(&stores, of(3), at(WINDOW)).await, until(at(2 * WINDOW)));
}

async fn an_exhausted_charge_counts_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(3), at(0)).await;
    for _ in 0..5 {
        assert_eq!(charge(&stores, of(3), at(1)).await, until(at(WINDOW)));
    }
    assert_eq!(charge(&stores, of(4), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(charge(&stores, of(4), at(1)).await, until(at(WINDOW)));
}

async fn a_window_begins_with_its_first_charge(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for now in [at(5), at(7), before(at(WINDOW))] {
        assert_eq!(charge(&stores, of(3), now).await, QuotaDecision::Allowed);
    }
    assert_eq!(charge(&stores, of(3), at(WINDOW)).await, until(at(WINDOW + 5)));
}

async fn a_window_that_ended_with_room_counts_no_longer(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(2), at(0)).await;
    exhaust(&stores, of(3), at(WINDOW)).await;
    assert_eq!(charge(&stores, of(3), at(WINDOW)).await, until(at(2 * WINDOW)));
}

async fn a_window_begins_at_the_charge_that_rolls_it_over(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    charge(&stores, of(1), at(0)).await;
    let late = at(5 * WINDOW + 3);
    assert_eq!(charge(&stores, of(1), late).await, QuotaDecision::Allowed);
    assert_eq!(charge(&stores, of(1), late).await, until(at(6 * WINDOW + 3)));
}

async fn a_lower_limit_counts_what_was_charged_before(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(3), at(0)).await;
    assert_eq!(charge(&stores, of(1), at(1)).await, until(at(WINDOW)));
}

async fn a_higher_limit_makes_room(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(1), at(0)).await;
    assert_eq!(charge(&stores, of(u32::MAX), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(charge(&stores, of(2), at(1)).await, until(at(WINDOW)));
}

async fn a_limit_of_none_charges_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    assert_eq!(charge(&stores, of(0), at(0)).await, until(at(WINDOW)));
    exhaust(&stores, of(1), at(1)).await;
    assert_eq!(charge(&stores, of(1), at(1)).await, until(at(WINDOW + 1)));
}

async fn two_keys_do_not_share_a_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(3), at(0)).await;
    let destination = |n| SendQuotaKey::destination(&[n; 32]);
    for key in [key(2), destination(0), destination(1)] {
        for _ in 0..3 {
            let charged = stores.send_quotas.take(&key, of(3), at(1)).await.unwrap();
            assert_eq!(charged, QuotaDecision::Allowed);
        }
        let exhausted = stores.send_quotas.take(&key, of(3), at(1)).await.unwrap();
        assert_eq!(exhausted, until(at(WINDOW + 1)));
    }
    assert_eq!(charge(&stores, of(3), at(1)).await, until(at(WINDOW)));
}

async fn charging_one_key_at_once_never_passes_its_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    race_to_charge(&stores, 3, at(0), at(WINDOW)).await;
    assert_eq!(charge(&stores, of(3), at(1)).await, until(at(WINDOW)));
    assert_eq!(charge(&stores, of(4), at(1)).await, QuotaDecision::Allowed);
}

async fn charging_an_ended_window_at_once_never_passes_the_limit(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for round in 0..5 {
        let now = at(round * WINDOW);
        race_to_charge(&stores, 3, now, at((round + 1) * WINDOW)).await;
    }
    assert_eq!(charge(&stores, of(4), at(4 * WINDOW)).await, QuotaDecision::Allowed);
}

async fn charging_keys_at_once_charges_each(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let charges = at_once(|caller| {
        let send_limits = Arc::clone(&stores.send_quotas);
        async move { send_limits.take(&key(caller), of(1), at(0)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&charges, &QuotaDecision::Allowed), CALLERS);
}

async fn charges_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(2), at(0)).await;
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(charge(&stores, of(3), at(1)).await, QuotaDecision::Allowed);
    assert_eq!(charge(&stores, of(3), at(1)).await, until(at(WINDOW)));
}

async fn a_look_says_what_a_charge_would(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..3 {
        assert_eq!(look(&stores, of(3), at(0)).await, QuotaDecision::Allowed);
        charge(&stores, of(3), at(0)).await;
    }
    for (limit, now, says) in [
        (of(3), at(0), until(at(WINDOW))),
        (of(3), before(at(WINDOW)), until(at(WINDOW))),
        (of(3), at(WINDOW), QuotaDecision::Allowed),
        (of(1), at(1), until(at(WINDOW))),
        (of(4), at(1), QuotaDecision::Allowed),
        (of(0), at(1), until(at(WINDOW + 1))),
    ] {
        assert_eq!(look(&stores, limit, now).await, says, "{limit:?} {now}");
    }
}

async fn a_look_counts_nothing_and_begins_no_window(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for _ in 0..5 {
        assert_eq!(look(&stores, of(1), at(0)).await, QuotaDecision::Allowed);
    }
    exhaust(&stores, of(1), at(5)).await;
    for _ in 0..5 {
        assert_eq!(look(&stores, of(1), at(6)).await, until(at(WINDOW + 5)));
        assert_eq!(look(&stores, of(2), at(6)).await, QuotaDecision::Allowed);
    }
    assert_eq!(charge(&stores, of(2), at(6)).await, QuotaDecision::Allowed);
    assert_eq!(charge(&stores, of(2), at(6)).await, until(at(WINDOW + 5)));
}

async fn a_look_at_one_key_does_not_see_another(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    exhaust(&stores, of(1), at(0)).await;
    for key in [key(2), SendQuotaKey::destination(&[0; 32])] {
        let looked = stores.send_quotas.peek(&key, of(1), at(1)).await.unwrap();
        assert_eq!(looked, QuotaDecision::Allowed);
    }
}
