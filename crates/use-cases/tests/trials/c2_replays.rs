//! C2: every spent token is a replay, even if all tokens were issued at the same instant.

use std::sync::Arc;
use std::time::Duration;

use domain::event::EventValue;
use domain::sessions::events::SESSION_REVOKED;
use domain::sessions::{FamilyStatus, RevocationReason};
use use_cases::sessions::TokenError;

use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{by_token, renew};
use test_support::fault_injection::{FaultInjector, RecordedCalls};

races!(
    a_replay_of_any_generation_revokes_the_family,
    a_forged_generation_changes_nothing,
);

/// The generations that are replayed, each in a session of its own.
const REPLAYED_GENERATIONS: usize = 10;

/// Starts a session with `generations` tokens, all issued at the same instant.
async fn chain(app: &TestApp, generations: usize) -> Vec<String> {
    let mut tokens = vec![app.session(&app.user().await).await];
    while tokens.len() < generations {
        tokens.push(app.successor(&tokens[tokens.len() - 1]).await);
    }
    tokens
}

async fn a_replay_of_any_generation_revokes_the_family(store: Store) {
    let mut summary = Summary::of("c2 replay", store);
    // With a grace time the previous token is not a replay.
    let setups = [
        (store.app(Duration::ZERO).await, REPLAYED_GENERATIONS + 1),
        (store.app(GRACE).await, REPLAYED_GENERATIONS + 2),
    ];
    for _ in 0..rounds(store, 1) {
        for (app, generations) in &setups {
            for spent in 0..REPLAYED_GENERATIONS {
                let tokens = chain(app, *generations).await;
                summary.add(replay(app, &tokens, spent).await);
            }
        }
    }
    summary.end();
}

async fn replay(app: &TestApp, tokens: &[String], spent: usize) -> Result<(), String> {
    let answer = renew(&app.tokens, by_token(&tokens[spent], spent.is_multiple_of(2))).await;
    ensure(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    let family = app.family_of(&tokens[0]).await;
    let is_revoked = family.status == FamilyStatus::Revoked(RevocationReason::Replay);
    ensure(is_revoked, || format!("{:?}", family.status))?;
    let newest = app.renew(&tokens[tokens.len() - 1]).await;
    ensure(matches!(newest, Err(TokenError::TokenNotValid)), || {
        format!("{newest:?}")
    })?;
    let events = app.events_of(&family.origin.user).await;
    let revocations: Vec<_> = events
        .iter()
        .filter(|event| event.subject == family.id.as_str() && event.kind == SESSION_REVOKED)
        .collect();
    ensure(revocations.len() == 1, || format!("{} events", revocations.len()))?;
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    ensure(revocations[0].data.contains(&reason), || {
        format!("{:?}", revocations[0])
    })
}

async fn a_forged_generation_changes_nothing(store: Store) {
    let mut summary = Summary::of("c2 forged", store);
    let app = store.app(GRACE).await;
    for _ in 0..rounds(store, 1) {
        let tokens = chain(&app, REPLAYED_GENERATIONS + 2).await;
        for generation in 1..=REPLAYED_GENERATIONS {
            summary.add(present_forged(&app, &tokens, generation).await);
        }
    }
    summary.end();
}

/// Presents the newest token with another generation written into it.
async fn present_forged(app: &TestApp, tokens: &[String], generation: usize) -> Result<(), String> {
    let newest = &tokens[tokens.len() - 1];
    let forged = newest.replacen(&format!(".{}.", tokens.len()), &format!(".{generation}."), 1);
    let family = app.family_of(newest).await;
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let answer = renew(&app.with_faults(&injector), by_token(&forged, true)).await;
    ensure(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    ensure(calls.names().is_empty(), || format!("called {:?}", calls.names()))?;
    ensure(app.family_of(newest).await == family, || "the family changed")
}
