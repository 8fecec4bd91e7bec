//! Sessions made from sessions, by the word of an identity provider.

use std::time::Duration;

use domain::caller::Caller;
use domain::tokens::{FamilyStatus, RevocationReason};
use ports::Clock as _;
use use_cases::tokens::{Refused, TokensSettings};

use crate::world::meddling::Meanwhile;
use crate::world::{World, by_identity_provider, by_token, caller, renew, renew_as};

/// A session, spent once: whoever presents its first token again ends it once two more were made.
struct Root {
    first: String,
    holder: Caller,
    current: String,
}

async fn root(world: &World, user: &domain::ids::UserId) -> Root {
    let first = world.session(user).await;
    let second = world.successor(&first).await;
    let tokens = world.renew(&second).await.unwrap();
    Root {
        first,
        holder: world.caller_of(&tokens),
        current: tokens.refresh_token.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_keeps_the_root_and_the_absolute_expiry_of_its_session() {
    let world = World::new().await;
    let user = world.user().await;
    let root = root(&world, &user).await;
    world.clock.advance(Duration::from_hours(1));
    let tokens = renew_as(&world.tokens, &root.holder, by_identity_provider(&user))
        .await
        .unwrap();
    let (trunk, branch) = (
        world.family_of(&root.current).await,
        world.family_of(tokens.refresh_token.as_ref().unwrap()).await,
    );
    assert_ne!(branch.id, trunk.id);
    assert_eq!(branch.origin.root, trunk.id);
    assert_eq!(branch.absolute_expires_at, trunk.absolute_expires_at);
    // A branch of the branch hangs on the same root.
    let holder = world.caller_of(&tokens);
    let twig = renew_as(&world.tokens, &holder, by_identity_provider(&user))
        .await
        .unwrap();
    let twig = world.family_of(&twig.refresh_token.unwrap()).await;
    assert_eq!(twig.origin.root, trunk.id);
    assert_eq!(twig.absolute_expires_at, trunk.absolute_expires_at);
    let fresh = renew(&world.tokens, by_identity_provider(&user)).await.unwrap();
    let fresh = world.family_of(&fresh.refresh_token.unwrap()).await;
    assert_eq!(fresh.origin.root, fresh.id);
    let lifetime = TokensSettings::default().refresh_absolute_lifetime;
    assert_eq!(
        fresh.absolute_expires_at,
        domain::time::after(world.clock.now(), lifetime)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_of_a_revoked_root_is_ended_when_it_is_met() {
    let world = World::new().await;
    let user = world.user().await;
    let root = root(&world, &user).await;
    let tokens = renew_as(&world.tokens, &root.holder, by_identity_provider(&user))
        .await
        .unwrap();
    let branch = tokens.refresh_token.clone().unwrap();
    let renewed = world.successor(&branch).await;
    assert!(matches!(world.renew(&root.first).await, Err(Refused::TokenNotValid)));
    for token in [&renewed, &branch] {
        assert!(matches!(world.renew(token).await, Err(Refused::TokenNotValid)));
    }
    let status = world.family_of(&branch).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Replay));
    // Nor does anything new grow from it.
    let holder = world.caller_of(&tokens);
    let refused = renew_as(&world.tokens, &holder, by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(Refused::TokenNotValid)));
    assert!(world.alive(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_revoked_between_the_write_and_the_look_leaves_no_branch() {
    let world = World::new().await;
    let user = world.user().await;
    let root = root(&world, &user).await;
    let (tokens, spent) = (world.tokens.clone(), root.first.clone());
    let overtaken = world.meddled(&Meanwhile::after("families.start", move || async move {
        let replayed = renew(&tokens, by_token(&spent, true)).await;
        assert!(matches!(replayed, Err(Refused::TokenNotValid)));
    }));
    let before = world.signer.signatures();
    let refused = renew_as(&overtaken, &root.holder, by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(Refused::TokenNotValid)));
    assert_eq!(world.signer.signatures(), before);
    assert!(world.alive(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_branches_from_a_session_that_ended() {
    let world = World::new().await;
    let user = world.user().await;
    let root = root(&world, &user).await;
    world.forget(&root.current).await.unwrap();
    let refused = renew_as(&world.tokens, &root.holder, by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(Refused::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_speaks_for_its_own_user_and_client_only() {
    let world = World::new().await;
    let (user, other) = (world.user().await, world.user().await);
    let root = root(&world, &user).await;
    let refused = renew_as(&world.tokens, &root.holder, by_identity_provider(&other)).await;
    assert!(matches!(refused, Err(Refused::NotPermitted)));
    let refused = renew_as(&world.tokens, &caller("saml"), by_identity_provider(&user)).await;
    assert!(matches!(refused, Err(Refused::NotPermitted)));
}
