//! Renewal by validation token: once, for the client it was made for.

use std::time::Duration;

use use_cases::tokens::{TokenError, TokensSettings};

use crate::world::{World, by_token, caller, client, renew, renew_as};

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_works_once() {
    let world = World::new().await;
    let user = world.user().await;
    let token = world.validation_token(&user).await;
    let tokens = renew(&world.tokens, by_token(&token, true)).await.unwrap();
    let again = renew(&world.tokens, by_token(&token, true)).await;
    assert!(matches!(again, Err(TokenError::TokenNotValid)));
    assert_eq!(world.renewable_tokens(&user).await, [tokens.refresh_token.unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_remembering_a_validation_token_starts_no_session() {
    let world = World::new().await;
    let user = world.user().await;
    let token = world.validation_token(&user).await;
    let tokens = renew(&world.tokens, by_token(&token, false)).await.unwrap();
    assert_eq!(tokens.refresh_token, None);
    assert_eq!(world.caller_of(&tokens).user.as_ref().unwrap().session, None);
    assert!(world.families(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_is_dead_at_the_exact_instant_of_its_expiry() {
    let world = World::new().await;
    let user = world.user().await;
    let (good, late) = (world.validation_token(&user).await, world.validation_token(&user).await);
    let lifetime = TokensSettings::default().validation_token_lifetime;
    world.clock.advance(lifetime - Duration::from_millis(1));
    renew(&world.tokens, by_token(&good, true)).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let refused = renew(&world.tokens, by_token(&late, true)).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_in_other_hands_is_not_spent() {
    let world = World::new().await;
    let (user, other) = (world.user().await, world.user().await);
    world.stores.clients.create(&client("other")).await.unwrap();
    let others = world.session(&other).await;
    let others = world.caller_of(&world.renew(&others).await.unwrap());
    let token = world.validation_token(&user).await;
    for stranger in [caller("other"), others] {
        let refused = renew_as(&world.tokens, &stranger, by_token(&token, true)).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)));
    }
    renew(&world.tokens, by_token(&token, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_spends_no_validation_token() {
    let world = World::new().await;
    let user = world.user().await;
    let token = world.validation_token(&user).await;
    let identity = world.stores.identities.find(&user).await.unwrap().unwrap();
    world.stores.identities.remove(&user).await.unwrap();
    let refused = renew(&world.tokens, by_token(&token, true)).await;
    assert!(matches!(refused, Err(TokenError::UserNotFound)));
    world.stores.identities.create(&identity).await.unwrap();
    renew(&world.tokens, by_token(&token, true)).await.unwrap();
}
