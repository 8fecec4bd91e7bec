//! C2: every spent token is a replay, all in the same instant too.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{EventKind, EventValue};
use domain::tokens::{FamilyStatus, RevocationReason};
use use_cases::tokens::TokenError;

use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::fault_injection::{Calls, FaultInjector};
use crate::test_app::{GRACE, TestApp, by_token, renew};

races!(
    a_replay_of_any_generation_ends_the_family,
    a_forged_generation_changes_nothing,
);

/// Generations that are replayed, each in a session of its own.
const REPLAYED: usize = 10;

/// A session of `generations` tokens, all made in the same instant.
async fn chain(app: &TestApp, generations: usize) -> Vec<String> {
    let mut tokens = vec![app.session(&app.user().await).await];
    while tokens.len() < generations {
        tokens.push(app.successor(&tokens[tokens.len() - 1]).await);
    }
    tokens
}

async fn a_replay_of_any_generation_ends_the_family(store: Store) {
    let mut summary = Summary::of("c2 replay", store);
    // With grace the token right before the current one is none.
    let worlds = [
        (store.app(Duration::ZERO).await, REPLAYED + 1),
        (store.app(GRACE).await, REPLAYED + 2),
    ];
    for _ in 0..rounds(store, 1) {
        for (app, generations) in &worlds {
            for spent in 0..REPLAYED {
                let tokens = chain(app, *generations).await;
                summary.add(replayed(app, &tokens, spent).await);
            }
        }
    }
    summary.end();
}

async fn replayed(app: &TestApp, tokens: &[String], spent: usize) -> Result<(), String> {
    let answer = renew(&app.tokens, by_token(&tokens[spent], spent.is_multiple_of(2))).await;
    hold(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    let family = app.family_of(&tokens[0]).await;
    let revoked = family.status == FamilyStatus::Revoked(RevocationReason::Replay);
    hold(revoked, || format!("{:?}", family.status))?;
    let newest = app.renew(&tokens[tokens.len() - 1]).await;
    hold(matches!(newest, Err(TokenError::TokenNotValid)), || {
        format!("{newest:?}")
    })?;
    let events = app.events_of(&family.origin.user).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.subject == family.id.as_str() && event.kind == EventKind::SessionRevoked)
        .collect();
    hold(told.len() == 1, || format!("{} events", told.len()))?;
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    hold(told[0].data.contains(&reason), || format!("{:?}", told[0]))
}

async fn a_forged_generation_changes_nothing(store: Store) {
    let mut summary = Summary::of("c2 forged", store);
    let app = store.app(GRACE).await;
    for _ in 0..rounds(store, 1) {
        let tokens = chain(&app, REPLAYED + 2).await;
        for generation in 1..=REPLAYED {
            summary.add(forged(&app, &tokens, generation).await);
        }
    }
    summary.end();
}

/// The newest token with another generation written into it.
async fn forged(app: &TestApp, tokens: &[String], generation: usize) -> Result<(), String> {
    let newest = &tokens[tokens.len() - 1];
    let forged = newest.replacen(&format!(".{}.", tokens.len()), &format!(".{generation}."), 1);
    let family = app.family_of(newest).await;
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn FaultInjector> = calls.clone();
    let answer = renew(&app.with_faults(&watched), by_token(&forged, true)).await;
    hold(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    hold(calls.seen().is_empty(), || format!("asked {:?}", calls.seen()))?;
    hold(app.family_of(newest).await == family, || "the family changed")
}
