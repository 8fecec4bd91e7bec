use std::sync::Arc;

use domain::event::NewEvent;
use domain::factors::{Attempts, Challenge, ContactCodes, FactorSet, Purpose};
use domain::ids::UserId;
use ports::SaveOutcome;

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, challenge, codes, contact_id, full_factor_set, user};
use crate::race::{CALLERS, count, only, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    every_field_of_a_code_survives_saving_and_reopening,
    every_bit_of_a_digest_survives,
    attempts_without_window_are_stored_as_zero,
    omitted_codes_and_attempts_are_removed,
    parallel_saves_of_codes_have_one_winner,
    parallel_saves_of_stored_codes_have_one_winner,
}

async fn save(stores: &Stores, set: &FactorSet, events: Vec<NewEvent>) -> SaveOutcome {
    stores.factor_sets.save_if_version(set, events).await.unwrap()
}

async fn find(stores: &Stores, user: &UserId) -> FactorSet {
    let found = stores.factor_sets.find(user).await.unwrap();
    found.unwrap_or_else(|| FactorSet::empty(user.clone()))
}

fn set_with(codes: Vec<ContactCodes>) -> FactorSet {
    FactorSet {
        codes,
        ..FactorSet::empty(user(1))
    }
}

/// Returns a contact with this challenge and no attempts.
fn contact_with_challenge(n: u8, purpose: Purpose) -> ContactCodes {
    let challenge = Challenge {
        purpose,
        ..challenge(n)
    };
    ContactCodes {
        contact: contact_id("contact-1"),
        destination: "ana@example.com".to_owned(),
        attempts: Attempts::ZERO,
        challenge: Some(challenge),
    }
}

/// Returns the set that one of [`CALLERS`] saves over `found`; the challenge and the attempts have the caller's number.
fn rival(found: &FactorSet, caller: usize) -> FactorSet {
    FactorSet {
        codes: vec![contact_with_challenge(u8::try_from(caller).unwrap(), Purpose::Verify)],
        attempts: Attempts {
            used: u32::try_from(caller).unwrap(),
            ends_at: at(86_400_000),
            is_exhaustion_reported: false,
        },
        ..found.clone()
    }
}

async fn race_to_save(stores: &Stores, found: &FactorSet) {
    let outcomes = run_concurrently(|caller| {
        let factor_sets = Arc::clone(&stores.factor_sets);
        let set = rival(found, caller);
        async move { factor_sets.save_if_version(&set, Vec::new()).await.unwrap() }
    })
    .await;
    assert_eq!(count(&outcomes, &SaveOutcome::Saved), 1);
    assert_eq!(count(&outcomes, &SaveOutcome::Conflict), CALLERS - 1);
    let winner = outcomes
        .iter()
        .position(|outcome| *outcome == SaveOutcome::Saved)
        .unwrap();
    let expected = FactorSet {
        version: found.version + 1,
        ..rival(found, winner)
    };
    assert_eq!(find(stores, &found.user).await, expected);
}

async fn every_field_of_a_code_survives_saving_and_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let set = full_factor_set(user(1));
    save(&stores, &set, Vec::new()).await;
    let saved = find(&stores, &user(1)).await;
    assert_eq!((&saved.codes, saved.attempts), (&codes(), set.attempts));
    drop(stores);
    let stores = fixture.reopen().await;
    assert_eq!(find(&stores, &user(1)).await, saved);
}

async fn every_bit_of_a_digest_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, purpose) in [0, 0x5a, 0xff]
        .into_iter()
        .flat_map(|n| Purpose::ALL.map(|purpose| (n, purpose)))
    {
        let before = find(&stores, &user(1)).await;
        let given = contact_with_challenge(n, purpose);
        let set = FactorSet {
            version: before.version,
            ..set_with(vec![given.clone()])
        };
        assert_eq!(save(&stores, &set, Vec::new()).await, SaveOutcome::Saved);
        let found = only(find(&stores, &user(1)).await.codes);
        assert_eq!(found, given);
        let bytes = |codes: ContactCodes| codes.challenge.unwrap().digest.0;
        assert_eq!(bytes(found), bytes(given));
    }
}

async fn attempts_without_window_are_stored_as_zero(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let counted = Attempts {
        used: 1,
        ends_at: at(0),
        is_exhaustion_reported: false,
    };
    for (version, attempts) in [Attempts::ZERO, counted, Attempts::ZERO].into_iter().enumerate() {
        let set = FactorSet {
            version: u64::try_from(version).unwrap(),
            attempts,
            ..FactorSet::empty(user(1))
        };
        assert_eq!(save(&stores, &set, Vec::new()).await, SaveOutcome::Saved);
        assert_eq!(find(&stores, &user(1)).await.attempts, attempts);
    }
}

async fn omitted_codes_and_attempts_are_removed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &full_factor_set(user(1)), Vec::new()).await;
    let found = find(&stores, &user(1)).await;
    let solved = FactorSet {
        codes: found.codes.iter().skip(1).cloned().collect(),
        attempts: Attempts::ZERO,
        ..found
    };
    assert_eq!(save(&stores, &solved, Vec::new()).await, SaveOutcome::Saved);
    assert_eq!(find(&stores, &user(1)).await, FactorSet { version: 2, ..solved });
}

async fn parallel_saves_of_codes_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    race_to_save(&stores, &FactorSet::empty(user(1))).await;
}

async fn parallel_saves_of_stored_codes_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    save(&stores, &full_factor_set(user(1)), Vec::new()).await;
    race_to_save(&stores, &find(&stores, &user(1)).await).await;
}
