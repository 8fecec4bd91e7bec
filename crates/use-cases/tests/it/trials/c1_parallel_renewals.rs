//! C1: one refresh token, renewed by many at once.

use domain::tokens::{FamilyStatus, RevocationReason};

use super::{Trials, at_once, hold, rounds};
use crate::world::{World, by_token, renew};

const CALLERS: usize = 64;

/// Renews one token from all sides; the refresh tokens of those who got one.
async fn race(world: &World, token: &str) -> Vec<String> {
    let (tokens, request) = (world.tokens.clone(), by_token(token, true));
    let answers = at_once(CALLERS, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { renew(&tokens, request).await }
    });
    let answers = answers.await.into_iter();
    answers.filter_map(|answer| answer.ok()?.refresh_token).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_renewals_of_one_token_end_with_the_same_successor() {
    let mut trials = Trials::of("c1 grace");
    for _ in 0..rounds(20) {
        trials.add(with_grace().await);
    }
    trials.end();
}

async fn with_grace() -> Result<(), String> {
    let world = World::new().await;
    let user = world.user().await;
    let mut token = world.session(&user).await;
    // A chain that has been renewed before is no other.
    token = world.successor(&token).await;
    let mut won = race(&world, &token).await;
    hold(won.len() == CALLERS, || {
        format!("{} of {CALLERS} got a token", won.len())
    })?;
    won.dedup();
    let alive = world.alive(&user).await;
    hold(won == alive, || {
        format!("{} successors, {} alive", won.len(), alive.len())
    })?;
    let families = world.families(&user).await;
    hold(families.len() == 1, || format!("{} families", families.len()))?;
    hold(families[0].generation == 3, || {
        format!("generation {}", families[0].generation)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_at_most_one_of_parallel_renewals_succeeds_and_the_family_ends() {
    let mut trials = Trials::of("c1 strict");
    for _ in 0..rounds(20) {
        trials.add(without_grace(&World::strict().await).await);
    }
    trials.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_it_does_not_matter_who_looked_at_the_clock_first() {
    let mut trials = Trials::of("c1 strict, clock running");
    for _ in 0..rounds(20) {
        let world = World::strict().await;
        world.clock.run();
        trials.add(without_grace(&world).await);
    }
    trials.end();
}

async fn without_grace(world: &World) -> Result<(), String> {
    let user = world.user().await;
    let token = world.session(&user).await;
    let won = race(world, &token).await;
    let alive = world.alive(&user).await.len();
    hold(alive <= 1, || format!("{alive} alive"))?;
    let families = world.families(&user).await;
    hold(families.len() == 1, || format!("{} families", families.len()))?;
    hold(won.len() <= 1, || format!("{} got a token", won.len()))?;
    let revoked = families[0].status == FamilyStatus::Revoked(RevocationReason::Replay);
    hold(revoked, || format!("{:?}", families[0].status))
}
