use std::sync::Arc;

use domain::ids::ClientId;
use domain::time::Timestamp;
use domain::tokens::{Consumption, ValidationToken};

use crate::Fixture;
use crate::contract::contracts;
use crate::fixtures::{at, before, client_id, full_validation_token, validation_token};
use crate::race::{CALLERS, count, run_concurrently};
use ports::Stores;

contracts! { dyn Fixture:
    an_unknown_token_is_not_found,
    every_field_of_a_token_survives,
    find_does_not_consume_the_token,
    read_linearizable_returns_what_find_returns,
    issuing_a_token_again_changes_nothing,
    a_token_is_consumed_once,
    a_consumed_token_keeps_its_consumption,
    a_consumption_leaves_the_rest_of_the_token,
    issuing_a_consumed_token_again_changes_nothing,
    a_token_of_another_client_is_not_consumed,
    an_expired_token_is_found,
    an_expired_token_is_not_consumed,
    tokens_are_independent,
    parallel_consumptions_have_one_winner,
    parallel_consumptions_by_other_clients_have_no_effect,
    tokens_survive_reopening,
}

async fn issue(stores: &Stores, token: &ValidationToken) {
    stores.validation_tokens.issue(token).await.unwrap();
}

async fn find(stores: &Stores, token: &ValidationToken) -> Option<ValidationToken> {
    stores.validation_tokens.find(&token.hash).await.unwrap()
}

/// Consumes the token to start a session.
async fn consume(stores: &Stores, token: &ValidationToken, client: &ClientId, now: Timestamp) -> bool {
    let consumed = stores
        .validation_tokens
        .consume(&token.hash, client, starting_a_session(now));
    consumed.await.unwrap()
}

fn starting_a_session(at: Timestamp) -> Consumption {
    Consumption {
        at,
        starts_session: true,
    }
}

/// Returns the token as the consumption leaves it.
fn consumed(token: &ValidationToken, consumption: Consumption) -> ValidationToken {
    ValidationToken {
        expires_at: consumption.at,
        consumption: Some(consumption),
        ..token.clone()
    }
}

async fn an_unknown_token_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    assert_eq!(find(&stores, &token).await, None);
    assert!(!consume(&stores, &token, &token.target_client, at(0)).await);
}

async fn every_field_of_a_token_survives(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for token in [
        validation_token(1),
        full_validation_token(2, [192, 0, 2, 7].into()),
        full_validation_token(3, [0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into()),
    ] {
        issue(&stores, &token).await;
        assert_eq!(find(&stores, &token).await, Some(token));
    }
}

async fn find_does_not_consume_the_token(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    for _ in 0..2 {
        assert_eq!(find(&stores, &token).await.as_ref(), Some(&token));
    }
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
}

async fn read_linearizable_returns_what_find_returns(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = full_validation_token(1, [192, 0, 2, 7].into());
    let read = async || stores.validation_tokens.read_linearizable(&token.hash).await.unwrap();
    assert_eq!(read().await, None);
    issue(&stores, &token).await;
    assert_eq!(read().await.as_ref(), Some(&token));
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
    assert_eq!(read().await, find(&stores, &token).await);
}

async fn issuing_a_token_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    assert!(stores.validation_tokens.issue(&token).await.unwrap());
    assert!(!stores.validation_tokens.issue(&token).await.unwrap());
    assert_eq!(find(&stores, &token).await, Some(token));
}

async fn a_token_is_consumed_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = full_validation_token(1, [192, 0, 2, 7].into());
    issue(&stores, &token).await;
    assert!(consume(&stores, &token, &token.target_client, at(5)).await);
    // At 4 ms: a process whose clock is behind finds it consumed as well.
    for now in [at(4), at(5), at(6), at(9_000)] {
        assert!(!consume(&stores, &token, &token.target_client, now).await);
    }
}

async fn a_consumed_token_keeps_its_consumption(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    for (n, starts_session) in [(1, true), (2, false)] {
        let token = validation_token(n);
        let first = Consumption {
            at: at(5),
            starts_session,
        };
        let second = Consumption {
            at: at(4),
            starts_session: !starts_session,
        };
        issue(&stores, &token).await;
        for (consumption, is_first) in [(first, true), (second, false)] {
            let answer = stores
                .validation_tokens
                .consume(&token.hash, &token.target_client, consumption);
            assert_eq!(answer.await.unwrap(), is_first);
            assert_eq!(find(&stores, &token).await, Some(consumed(&token, first)));
        }
    }
}

async fn a_consumption_leaves_the_rest_of_the_token(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = full_validation_token(1, [192, 0, 2, 7].into());
    issue(&stores, &token).await;
    assert!(consume(&stores, &token, &token.target_client, at(5)).await);
    let expected = consumed(&token, starting_a_session(at(5)));
    assert_eq!(find(&stores, &token).await, Some(expected));
}

async fn issuing_a_consumed_token_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    assert!(consume(&stores, &token, &token.target_client, at(5)).await);
    assert!(!stores.validation_tokens.issue(&token).await.unwrap());
    assert!(!consume(&stores, &token, &token.target_client, at(6)).await);
}

async fn a_token_of_another_client_is_not_consumed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    for other in [token.origin_client.clone(), client_id("client-c")] {
        assert!(!consume(&stores, &token, &other, at(0)).await);
        assert_eq!(find(&stores, &token).await.as_ref(), Some(&token));
    }
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
}

async fn an_expired_token_is_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = ValidationToken {
        expires_at: at(-9_000),
        ..validation_token(1)
    };
    issue(&stores, &token).await;
    assert_eq!(find(&stores, &token).await, Some(token));
}

async fn an_expired_token_is_not_consumed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    for now in [token.expires_at, at(9_000)] {
        assert!(!consume(&stores, &token, &token.target_client, now).await);
    }
    let last = before(token.expires_at);
    assert!(consume(&stores, &token, &token.target_client, last).await);
}

async fn tokens_are_independent(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (one, other) = (validation_token(1), validation_token(2));
    issue(&stores, &one).await;
    issue(&stores, &other).await;
    assert!(consume(&stores, &one, &one.target_client, at(0)).await);
    assert_eq!(find(&stores, &other).await, Some(other));
}

async fn parallel_consumptions_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    let answers = run_concurrently(|caller| {
        let tokens = Arc::clone(&stores.validation_tokens);
        let token = token.clone();
        let consumption = Consumption {
            at: at(0),
            starts_session: caller % 2 == 0,
        };
        async move {
            let consumed = tokens.consume(&token.hash, &token.target_client, consumption);
            consumed.await.unwrap().then_some(consumption)
        }
    })
    .await;
    let mut won: Vec<_> = answers.into_iter().flatten().collect();
    let winner = won.pop().unwrap();
    assert_eq!(won, []);
    assert_eq!(find(&stores, &token).await, Some(consumed(&token, winner)));
}

async fn parallel_consumptions_by_other_clients_have_no_effect(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    let answers = run_concurrently(|caller| {
        let tokens = Arc::clone(&stores.validation_tokens);
        let token = token.clone();
        let is_target = caller == CALLERS / 2;
        async move {
            let client = if is_target {
                token.target_client
            } else {
                token.origin_client
            };
            let consumed = tokens.consume(&token.hash, &client, starting_a_session(at(0)));
            consumed.await.unwrap() == is_target
        }
    })
    .await;
    assert_eq!(count(&answers, &true), CALLERS);
}

async fn tokens_survive_reopening(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let (used, kept) = (validation_token(1), full_validation_token(2, [192, 0, 2, 7].into()));
    issue(&stores, &used).await;
    issue(&stores, &kept).await;
    assert!(consume(&stores, &used, &used.target_client, at(5)).await);
    drop(stores);
    let stores = fixture.reopen().await;
    assert!(!consume(&stores, &used, &used.target_client, at(4)).await);
    let expected = consumed(&used, starting_a_session(at(5)));
    assert_eq!(find(&stores, &used).await, Some(expected));
    assert_eq!(find(&stores, &kept).await, Some(kept));
}
