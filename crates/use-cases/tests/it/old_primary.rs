//! A store whose reads are behind what was acknowledged: right after a failover, or on an old primary that has been cut off.

use std::sync::Arc;

use domain::tokens::{FamilyStatus, RevocationReason};
use use_cases::tokens::{InspectedToken, TokenError, TokensSettings};

use crate::change_app::{change_app, changed};
use crate::world::behind::{behind, behind_after_writes};
use crate::world::meddling::{Calls, Meanwhile, Meddler, meddled};
use crate::world::{GRACE, PORTAL, World, by_identity_provider, by_token, caller, renew};

#[tokio::test(flavor = "multi_thread")]
async fn closing_once_more_is_no_write_that_a_lock_is_found_by() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    world.forget(&first).await.unwrap();
    world.lock(&user).await;
    let tokens = world.wired(&behind_after_writes(&world.ports));
    let refused = renew(&tokens, by_token(&first, false)).await;
    assert!(matches!(refused, Err(TokenError::CredentialLocked)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_overtaken_is_no_write_that_a_lock_is_found_by() {
    let world = Arc::new(World::new().await);
    let user = world.user().await;
    let first = world.session(&user).await;
    let (elsewhere, token, owner) = (world.clone(), first.clone(), user.clone());
    let meanwhile = Meanwhile::before("families.rotate", move || async move {
        elsewhere.successor(&token).await;
        elsewhere.lock(&owner).await;
    });
    let ports = meddled(&behind_after_writes(&world.ports), &meanwhile);
    let refused = renew(&world.wired(&ports), by_token(&first, true)).await;
    assert!(matches!(refused, Err(TokenError::CredentialLocked)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_matched_is_followed_by_a_look_after_it_and_one_that_did_not_by_a_look_that_stands_alone() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    for look in ["lock_statuses.look_after_write", "lock_statuses.look"] {
        let calls = Arc::new(Calls::default());
        let meddler: Arc<dyn Meddler> = calls.clone();
        renew(&world.meddled(&meddler), by_token(&first, false)).await.unwrap();
        let seen = calls.seen();
        let after_write = seen.iter().skip_while(|call| **call != "families.close").nth(1);
        assert_eq!(after_write, Some(&look), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_a_session_that_is_not_found_yet() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let tokens = world.wired(&behind(&world.ports, None));
    let named = InspectedToken::Other(first.clone());
    tokens.revoke_token.run(&caller(PORTAL), &named).await.unwrap();
    let status = world.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Logout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_found_yet_is_renewed() {
    for remember in [true, false] {
        let world = World::new().await;
        let first = world.session(&world.user().await).await;
        let tokens = world.wired(&behind(&world.ports, None));
        renew(&tokens, by_token(&first, remember)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_generation_that_is_not_found_yet_is_renewed() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let past = world.family_of(&first).await;
    let second = world.successor(&first).await;
    let tokens = world.wired(&behind(&world.ports, Some(&past)));
    renew(&tokens, by_token(&second, true)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expired_as_read_and_was_renewed_since_is_alive() {
    let world = World::new().await;
    let user = world.user().await;
    let tokens = renew(&world.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = world.caller_of(&tokens);
    let first = tokens.refresh_token.unwrap();
    let past = world.family_of(&first).await;
    let idle = TokensSettings::default().refresh_idle_lifetime;
    world.clock.advance(idle - GRACE / 2);
    world.successor(&first).await;
    world.clock.advance(GRACE / 2);
    let tokens = world.wired(&behind(&world.ports, Some(&past)));
    // The successor again: the token is superseded, inside the grace time.
    renew(&tokens, by_token(&first, true)).await.unwrap();
    change_app(&tokens, &holder, PORTAL).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_found_yet_makes_branches() {
    let world = World::new().await;
    let user = world.user().await;
    let tokens = renew(&world.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = world.caller_of(&tokens);
    change_app(&world.wired(&behind(&world.ports, None)), &holder, PORTAL)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_token_that_is_not_found_yet_works() {
    let world = World::new().await;
    let user = world.user().await;
    let tokens = renew(&world.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = world.caller_of(&tokens);
    let by_change_app = changed(&world.tokens, &holder, PORTAL).await;
    let by_hand_off = world.validation_token(&user).await;
    for token in [by_change_app, by_hand_off] {
        let tokens = world.wired(&behind(&world.ports, None));
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }
}

/// The looks at families that an attempt makes, however it ends.
async fn looks_at_families(world: &World, token: &str) -> usize {
    let calls = Arc::new(Calls::default());
    let meddler: Arc<dyn Meddler> = calls.clone();
    let tokens = world.meddled(&meddler);
    let _ = renew(&tokens, by_token(token, true)).await;
    let named = InspectedToken::Other(token.to_owned());
    let _ = tokens.revoke_token.run(&caller(PORTAL), &named).await;
    calls.seen().iter().filter(|call| **call == "families.look").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_and_closed_sessions_are_not_looked_at_again_and_forged_tokens_never() {
    let world = World::new().await;
    let user = world.user().await;
    let (revoked, closed) = (world.session(&user).await, world.session(&user).await);
    let named = InspectedToken::Other(revoked.clone());
    world.tokens.revoke_token.run(&caller(PORTAL), &named).await.unwrap();
    world.forget(&closed).await.unwrap();
    let (forged, _) = revoked.split_at(revoked.len() - 4);
    for token in [&revoked, &closed, &format!("{forged}AAAA"), "rt_", ""] {
        assert_eq!(looks_at_families(&world, token).await, 0, "{token}");
    }
}
