use std::sync::Arc;

use domain::ids::ClientId;
use domain::time::Timestamp;
use domain::tokens::ValidationToken;

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
    a_token_of_another_client_is_not_consumed,
    token_is_not_found_at_its_expiry,
    an_expired_token_is_not_consumed,
    tokens_are_independent,
    parallel_consumptions_have_one_winner,
    parallel_consumptions_by_other_clients_have_no_effect,
    tokens_survive_reopening,
}

async fn issue(stores: &Stores, token: &ValidationToken) {
    stores.validation_tokens.issue(token).await.unwrap();
}

async fn find(stores: &Stores, token: &ValidationToken, now: Timestamp) -> Option<ValidationToken> {
    stores.validation_tokens.find(&token.hash, now).await.unwrap()
}

async fn consume(stores: &Stores, token: &ValidationToken, client: &ClientId, now: Timestamp) -> bool {
    let consumed = stores.validation_tokens.consume(&token.hash, client, now);
    consumed.await.unwrap()
}

async fn an_unknown_token_is_not_found(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    assert_eq!(find(&stores, &token, at(0)).await, None);
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
        assert_eq!(find(&stores, &token, at(0)).await, Some(token));
    }
}

async fn find_does_not_consume_the_token(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    for _ in 0..2 {
        assert_eq!(find(&stores, &token, at(0)).await.as_ref(), Some(&token));
    }
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
}

async fn read_linearizable_returns_what_find_returns(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    let read = async |now| {
        stores
            .validation_tokens
            .read_linearizable(&token.hash, now)
            .await
            .unwrap()
    };
    assert_eq!(read(at(0)).await, None);
    issue(&stores, &token).await;
    assert_eq!(read(at(0)).await.as_ref(), Some(&token));
    assert_eq!(read(token.expires_at).await, None);
}

async fn issuing_a_token_again_changes_nothing(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    assert!(stores.validation_tokens.issue(&token).await.unwrap());
    assert!(!stores.validation_tokens.issue(&token).await.unwrap());
    assert_eq!(find(&stores, &token, at(0)).await, Some(token));
}

async fn a_token_is_consumed_once(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = full_validation_token(1, [192, 0, 2, 7].into());
    issue(&stores, &token).await;
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
    assert!(!consume(&stores, &token, &token.target_client, at(0)).await);
    assert_eq!(find(&stores, &token, at(0)).await, None);
}

async fn a_token_of_another_client_is_not_consumed(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    for other in [token.origin_client.clone(), client_id("client-c")] {
        assert!(!consume(&stores, &token, &other, at(0)).await);
        assert_eq!(find(&stores, &token, at(0)).await.as_ref(), Some(&token));
    }
    assert!(consume(&stores, &token, &token.target_client, at(0)).await);
}

async fn token_is_not_found_at_its_expiry(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    assert_eq!(find(&stores, &token, token.expires_at).await, None);
    assert_eq!(find(&stores, &token, at(9_000)).await, None);
    let last = before(token.expires_at);
    assert_eq!(find(&stores, &token, last).await, Some(token));
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
    assert_eq!(find(&stores, &other, at(0)).await, Some(other));
}

async fn parallel_consumptions_have_one_winner(fixture: &dyn Fixture) {
    let stores = fixture.stores();
    let token = validation_token(1);
    issue(&stores, &token).await;
    let answers = run_concurrently(|_| {
        let tokens = Arc::clone(&stores.validation_tokens);
        let token = token.clone();
        async move { tokens.consume(&token.hash, &token.target_client, at(0)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&answers, &true), 1);
    assert_eq!(find(&stores, &token, at(0)).await, None);
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
            tokens.consume(&token.hash, &client, at(0)).await.unwrap() == is_target
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
    assert!(consume(&stores, &used, &used.target_client, at(0)).await);
    drop(stores);
    let stores = fixture.reopen().await;
    assert!(!consume(&stores, &used, &used.target_client, at(0)).await);
    assert_eq!(find(&stores, &kept, at(0)).await, Some(kept));
}
