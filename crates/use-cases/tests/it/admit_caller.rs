//! Who is let through: every reason for which a token that verifies is refused all the same.

use domain::caller::{Call, Caller};
use domain::ids::{EventId, FamilyId, UserId};
use domain::permission::{Alternative, Requirement, TokenCheck};
use domain::tokens::events;
use use_cases::tokens::{InspectedToken, TokenError};
use use_cases::{Admission, AdmissionError, AdmitCaller, InactiveReason};

use crate::change_app::changed;
use crate::world::{PORTAL, World, by_identity_provider, by_token, caller, renew};

const ANYBODY: Requirement = &[Alternative::client(&[]), Alternative::user(&[])];
const BASIC: Requirement = &[Alternative::client(&["CLI-AUTH-BASIC"])];

async fn admit(world: &World, caller: &Caller, check: TokenCheck) -> Result<(), AdmissionError> {
    let admission = Admission {
        requirement: ANYBODY,
        check,
    };
    let admit_caller = AdmitCaller::new((&world.ports).into(), world.ports.groups.clone());
    admit_caller.run(caller, admission, None).await
}

/// Refused by a route that asks whether the token is alive, by one that mints only for what its client did, and by one that
/// asks for the signature alone never.
async fn assert_dead(world: &World, caller: &Caller, expected: InactiveReason) {
    let refused = admit(world, caller, TokenCheck::Checked).await;
    assert!(
        matches!(refused, Err(AdmissionError::Inactive(reason)) if reason == expected),
        "{expected:?}: {refused:?}"
    );
    let is_of_the_client = matches!(expected, InactiveReason::ClientDisabled | InactiveReason::ClientEpoch);
    let by_gate = admit(world, caller, TokenCheck::ByGate).await;
    assert_eq!(by_gate.is_err(), is_of_the_client, "{expected:?}: {by_gate:?}");
    admit(world, caller, TokenCheck::TokenOnly).await.unwrap();
}

async fn assert_alive(world: &World, caller: &Caller) {
    admit(world, caller, TokenCheck::Checked).await.unwrap();
}

struct Session {
    holder: Call,
    refresh: String,
}

async fn session(world: &World, user: &UserId) -> Session {
    let tokens = renew(&world.tokens, by_identity_provider(user)).await.unwrap();
    Session {
        holder: world.caller_of(&tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

async fn log_out(world: &World, session: &Session) {
    let token = InspectedToken::Other(session.refresh.clone());
    world.tokens.revoke_token.run(&session.holder, &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_the_tokens_before_it_and_an_unlock_revives_none() {
    let world = World::new().await;
    let user = world.user().await;
    let before = session(&world, &user).await;
    assert_alive(&world, &before.holder).await;
    world.lock(&user).await;
    assert_dead(&world, &before.holder, InactiveReason::CredentialLocked).await;
    world.unlock(&user).await;
    assert_dead(&world, &before.holder, InactiveReason::CredentialEpoch).await;
    assert_alive(&world, &session(&world, &user).await.holder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_ends_its_access_tokens() {
    let world = World::new().await;
    let user = world.user().await;
    let (closed, revoked) = (session(&world, &user).await, session(&world, &user).await);
    world.forget(&closed.refresh).await.unwrap();
    assert_dead(&world, &closed.holder, InactiveReason::SessionEnded).await;
    log_out(&world, &revoked).await;
    assert_dead(&world, &revoked.holder, InactiveReason::SessionEnded).await;
    let replayed = session(&world, &user).await;
    let second = world.successor(&replayed.refresh).await;
    world.successor(&second).await;
    world.renew(&replayed.refresh).await.unwrap_err();
    assert_dead(&world, &replayed.holder, InactiveReason::SessionEnded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_ancestor_ends_the_tokens_of_every_branch_below_it() {
    let world = World::new().await;
    let user = world.user().await;
    let trunk = session(&world, &user).await;
    let mut chain = Vec::new();
    let mut holder = trunk.holder.clone();
    for _ in 0..3 {
        let token = changed(&world.tokens, &holder, PORTAL).await;
        let tokens = renew(&world.tokens, by_token(&token, true)).await.unwrap();
        holder = world.caller_of(&tokens);
        chain.push(Session {
            holder: holder.clone(),
            refresh: tokens.refresh_token.unwrap(),
        });
    }
    let [first, second, third] = &chain[..] else {
        unreachable!("three were made");
    };
    log_out(&world, second).await;
    assert_alive(&world, &first.holder).await;
    assert_dead(&world, &third.holder, InactiveReason::AncestorRevoked).await;
    log_out(&world, &trunk).await;
    assert_dead(&world, &first.holder, InactiveReason::AncestorRevoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ancestor_that_was_purged_counts_as_revoked() {
    let world = World::new().await;
    let user = world.user().await;
    let trunk = session(&world, &user).await;
    let mut orphan = world.family_of(&trunk.refresh).await;
    orphan.id = FamilyId::parse("orphan").unwrap();
    orphan.origin.ancestors = vec![FamilyId::parse("purged").unwrap()];
    let event = trunk.holder.event(EventId("orphan".to_owned()), orphan.rotated_at);
    let started = events::started(event, &orphan);
    assert!(world.stores.refresh_families.start(&orphan, started).await.unwrap());
    let mut holder = Caller::clone(&trunk.holder);
    holder.user.as_mut().unwrap().session = Some(orphan.id.clone());
    assert_dead(&world, &holder, InactiveReason::AncestorRevoked).await;
    let refused = world
        .renew(&world.refresh_token_codec.encode(&orphan.current_token()))
        .await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_ends_the_tokens() {
    let world = World::new().await;
    let user = world.user().await;
    let held = session(&world, &user).await;
    world.stores.identities.remove(&user).await.unwrap();
    assert_dead(&world, &held.holder, InactiveReason::UserRemoved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_disabled_or_changes_its_epoch_ends_its_tokens() {
    let world = World::new().await;
    let user = world.user().await;
    let held = session(&world, &user).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_alive(&world, caller).await;
    }
    world.change_client(PORTAL, domain::client::Client::disable).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_dead(&world, caller, InactiveReason::ClientDisabled).await;
    }
    world.change_client(PORTAL, |portal| portal.enabled = true).await;
    for caller in [&held.holder, &caller(PORTAL)] {
        assert_dead(&world, caller, InactiveReason::ClientEpoch).await;
    }
    // Its sessions live on: it has to log in again, its users need not.
    let renewed = world.renew(&held.refresh).await.unwrap();
    assert_alive(&world, &world.caller_of(&renewed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_do_not_suffice_are_told_before_anything_is_read() {
    let world = World::new().await;
    let admission = Admission {
        requirement: BASIC,
        check: TokenCheck::Checked,
    };
    let admit_caller = AdmitCaller::new((&world.ports).into(), world.ports.groups.clone());
    let refused = admit_caller.run(&caller("nobody"), admission, None).await;
    assert!(matches!(refused, Err(AdmissionError::NotPermitted(_))), "{refused:?}");
}
