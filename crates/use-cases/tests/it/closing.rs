//! Renewal without remembering: it closes its family.

use domain::event::EventKind;
use domain::tokens::{AccessTokenSubject, FamilyStatus};
use use_cases::tokens::{IssuedTokens, TokenError};

use crate::change_app::changed;
use crate::world::{GRACE, PORTAL, World};

/// The tokens of somebody who is not to be remembered: no refresh token, and no session in the access token.
#[track_caller]
fn assert_forgotten(world: &World, tokens: &IssuedTokens) {
    assert_eq!(tokens.refresh_token, None);
    let subject = world.signer.content(&tokens.access_token).subject;
    assert!(
        matches!(subject, AccessTokenSubject::User { session: None, .. }),
        "{subject:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_closes_the_family_without_an_event() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let tokens = world.forget(&first).await.unwrap();
    assert_forgotten(&world, &tokens);
    let status = world.family_of(&first).await.status;
    assert!(matches!(status, FamilyStatus::Closed(_)), "{status:?}");
    let kinds: Vec<_> = world.events().await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::SessionStarted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_that_closed_its_family_gets_an_access_token_again_inside_the_grace_time() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    world.forget(&first).await.unwrap();
    let closed = world.family_of(&first).await;
    world.clock.advance(GRACE / 2);
    assert_forgotten(&world, &world.forget(&first).await.unwrap());
    assert!(matches!(world.renew(&first).await, Err(TokenError::TokenNotValid)));
    assert_eq!(world.family_of(&first).await, closed);
    world.clock.advance(GRACE / 2);
    assert!(matches!(world.forget(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_the_current_one_closes_the_family_too_inside_the_grace_time() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let second = world.successor(&first).await;
    assert_forgotten(&world, &world.forget(&first).await.unwrap());
    assert_forgotten(&world, &world.forget(&first).await.unwrap());
    assert!(matches!(world.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(world.forget(&second).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_the_current_one_is_a_replay_once_its_grace_is_over() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    world.successor(&first).await;
    world.clock.advance(GRACE);
    assert!(matches!(world.forget(&first).await, Err(TokenError::TokenNotValid)));
    assert!(world.renewable_tokens(&user).await.is_empty());
    assert_eq!(world.figures.replays(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_the_token_that_closed_its_family_is_refused_at_once() {
    let world = World::strict().await;
    let first = world.session(&world.user().await).await;
    world.forget(&first).await.unwrap();
    assert!(matches!(world.forget(&first).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_token_of_a_closed_family_is_refused_and_revokes_nothing() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let second = world.successor(&first).await;
    let third = world.successor(&second).await;
    world.forget(&third).await.unwrap();
    let closed = world.family_of(&third).await;
    for token in [&first, &second] {
        assert!(matches!(world.renew(token).await, Err(TokenError::TokenNotValid)));
        assert!(matches!(world.forget(token).await, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(world.family_of(&third).await, closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branches_of_a_closed_family_stay() {
    let world = World::new().await;
    let user = world.user().await;
    let root = world.session(&user).await;
    let tokens = world.renew(&root).await.unwrap();
    let holder = world.caller_of(&tokens);
    let token = changed(&world.tokens, &holder, PORTAL).await;
    let branch = world.successor(&token).await;
    world.forget(&tokens.refresh_token.unwrap()).await.unwrap();
    world.renew(&branch).await.unwrap();
}
