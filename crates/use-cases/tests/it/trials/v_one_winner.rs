//! What must happen once, whoever asks at the same time.

use std::collections::BTreeSet;

use use_cases::tokens::Refused;

use super::{Trials, at_once, hold, rounds};
use crate::world::{World, by_token, hand_off, renew};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_parallel_uses_of_a_validation_token_wins() {
    let mut trials = Trials::of("v validation token");
    let world = World::new().await;
    for _ in 0..rounds(20) {
        trials.add(used_by_many(&world).await);
    }
    trials.end();
}

async fn used_by_many(world: &World) -> Result<(), String> {
    let user = world.user().await;
    let token = world.validation_token(&user).await;
    let tokens = world.tokens.clone();
    let answers = at_once(64, move |caller| {
        let (tokens, request) = (tokens.clone(), by_token(&token, caller % 2 == 0));
        async move { renew(&tokens, request).await }
    });
    let answers = answers.await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Refused::TokenNotValid)));
    hold(won == 1 && lost.count() == 63, || format!("{won} won"))?;
    let started = answers
        .iter()
        .flatten()
        .filter(|tokens| tokens.refresh_token.is_some())
        .count();
    let families = world.families(&user).await.len();
    hold(families == started, || format!("{families} families, {started} told"))
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_first_hand_offs_of_one_person_make_one_user() {
    let mut trials = Trials::of("v first hand-off");
    let world = World::new().await;
    for round in 0..rounds(20) {
        trials.add(handed_off_by_many(&world, &format!("new-{round}@example.com")).await);
    }
    trials.end();
}

async fn handed_off_by_many(world: &World, address: &str) -> Result<(), String> {
    let (tokens, request) = (world.tokens.clone(), hand_off(address));
    let answers = at_once(16, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { tokens.handle_auth.run(request).await }
    });
    let mut users = BTreeSet::new();
    for answer in answers.await {
        let hand_off = answer.map_err(|refused| refused.to_string())?.into_inner();
        users.insert(hand_off.user);
    }
    hold(users.len() == 1, || format!("{users:?}"))?;
    let found = world.stores.identities.find_by_login(address).await.unwrap();
    let found = found.map(|identity| identity.id);
    hold(found == users.pop_first(), || format!("the login leads to {found:?}"))
}
