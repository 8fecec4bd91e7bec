//! C2: every spent token is a replay, all in the same instant too.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{EventKind, EventValue};
use domain::tokens::{FamilyStatus, RevocationReason};
use use_cases::tokens::TokenError;

use crate::race::races;
use crate::store::Store;
use crate::tally::{Tally, hold, rounds};
use crate::world::meddling::{Calls, Meddler};
use crate::world::{GRACE, World, by_token, renew};

races!(
    a_replay_of_any_generation_ends_the_family,
    a_forged_generation_changes_nothing,
);

/// Generations that are replayed, each in a session of its own.
const REPLAYED: usize = 10;

/// A session of `generations` tokens, all made in the same instant.
async fn chain(world: &World, generations: usize) -> Vec<String> {
    let mut tokens = vec![world.session(&world.user().await).await];
    while tokens.len() < generations {
        tokens.push(world.successor(&tokens[tokens.len() - 1]).await);
    }
    tokens
}

async fn a_replay_of_any_generation_ends_the_family(store: Store) {
    let mut tally = Tally::of("c2 replay", store);
    // With grace the token right before the current one is none.
    let worlds = [
        (store.world(Duration::ZERO).await, REPLAYED + 1),
        (store.world(GRACE).await, REPLAYED + 2),
    ];
    for _ in 0..rounds(store, 1) {
        for (world, generations) in &worlds {
            for spent in 0..REPLAYED {
                let tokens = chain(world, *generations).await;
                tally.add(replayed(world, &tokens, spent).await);
            }
        }
    }
    tally.end();
}

async fn replayed(world: &World, tokens: &[String], spent: usize) -> Result<(), String> {
    let answer = renew(&world.tokens, by_token(&tokens[spent], spent.is_multiple_of(2))).await;
    hold(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    let family = world.family_of(&tokens[0]).await;
    let revoked = family.status == FamilyStatus::Revoked(RevocationReason::Replay);
    hold(revoked, || format!("{:?}", family.status))?;
    let newest = world.renew(&tokens[tokens.len() - 1]).await;
    hold(matches!(newest, Err(TokenError::TokenNotValid)), || {
        format!("{newest:?}")
    })?;
    let events = world.events_of(&family.origin.user).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.subject == family.id.as_str() && event.kind == EventKind::SessionRevoked)
        .collect();
    hold(told.len() == 1, || format!("{} events", told.len()))?;
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    hold(told[0].data.contains(&reason), || format!("{:?}", told[0]))
}

async fn a_forged_generation_changes_nothing(store: Store) {
    let mut tally = Tally::of("c2 forged", store);
    let world = store.world(GRACE).await;
    for _ in 0..rounds(store, 1) {
        let tokens = chain(&world, REPLAYED + 2).await;
        for generation in 1..=REPLAYED {
            tally.add(forged(&world, &tokens, generation).await);
        }
    }
    tally.end();
}

/// The newest token with another generation written into it.
async fn forged(world: &World, tokens: &[String], generation: usize) -> Result<(), String> {
    let newest = &tokens[tokens.len() - 1];
    let forged = newest.replacen(&format!(".{}.", tokens.len()), &format!(".{generation}."), 1);
    let family = world.family_of(newest).await;
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn Meddler> = calls.clone();
    let answer = renew(&world.meddled(&watched), by_token(&forged, true)).await;
    hold(matches!(answer, Err(TokenError::TokenNotValid)), || {
        format!("{answer:?}")
    })?;
    hold(calls.seen().is_empty(), || format!("asked {:?}", calls.seen()))?;
    hold(world.family_of(newest).await == family, || "the family changed")
}
