//! Logout: a token names its session, and the session ends with its branches.

use std::sync::Arc;

use domain::caller::{Call, Caller};
use domain::event::{Event, EventKind, EventValue};
use domain::ids::UserId;
use domain::tokens::{FamilyStatus, RefreshFamily, RevocationReason};
use use_cases::tokens::{InspectedToken, RevokeTokenError, TokenError};

use crate::change_app::{change_app, changed};
use crate::introspect_token::access;
use crate::world::meddling::{FailsOnce, Meanwhile, Meddler, Outage};
use crate::world::{GRACE, PORTAL, World, by_identity_provider, by_token, call, caller, client, renew, renew_as};

const LOGGED_OUT: FamilyStatus = FamilyStatus::Revoked(RevocationReason::Logout);

fn text(token: &str) -> InspectedToken {
    InspectedToken::Other(token.to_owned())
}

async fn revoke(world: &World, caller: &Call, token: &InspectedToken) -> Result<(), RevokeTokenError> {
    world.tokens.revoke_token.run(caller, token).await
}

/// A session: who holds it, its access token and its current refresh token.
struct Session {
    holder: Call,
    access: InspectedToken,
    refresh: String,
}

async fn session(world: &World, user: &UserId) -> Session {
    let tokens = renew(&world.tokens, by_identity_provider(user)).await.unwrap();
    Session {
        holder: world.caller_of(&tokens),
        access: access(world, &tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

/// A session made from another.
async fn branch(world: &World, trunk: &Session) -> Session {
    let token = changed(&world.tokens, &trunk.holder, PORTAL).await;
    let tokens = world.renew(&token).await.unwrap();
    Session {
        holder: world.caller_of(&tokens),
        access: access(world, &tokens),
        refresh: tokens.refresh_token.unwrap(),
    }
}

async fn revocations(world: &World, family: &RefreshFamily) -> Vec<Event> {
    let mut events = world.events_of(&family.origin.user).await;
    events.retain(|event| event.kind == EventKind::SessionRevoked && event.subject == family.id.as_str());
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_any_generation_ends_its_session_and_that_is_told_once() {
    for generation in 0..3 {
        let world = World::new().await;
        let user = world.user().await;
        let Session { holder, refresh, .. } = session(&world, &user).await;
        let second = world.successor(&refresh).await;
        let third = world.successor(&second).await;
        let tokens = [refresh, second, third];
        for _ in 0..2 {
            revoke(&world, &holder, &text(&tokens[generation])).await.unwrap();
        }
        let family = world.family_of(&tokens[2]).await;
        assert_eq!((family.status, family.generation), (LOGGED_OUT, 3));
        for token in &tokens {
            assert!(matches!(world.renew(token).await, Err(TokenError::TokenNotValid)));
        }
        assert_eq!(world.figures.replays(), 0);
        let [revoked] = &revocations(&world, &family).await[..] else {
            panic!("not told once");
        };
        let reason = ("reason".to_owned(), EventValue::Text("logout".to_owned()));
        assert!(revoked.data.contains(&reason), "{revoked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_ends_the_session_it_belongs_to() {
    let world = World::new().await;
    let user = world.user().await;
    let session = session(&world, &user).await;
    revoke(&world, &session.holder, &session.access).await.unwrap();
    assert_eq!(world.family_of(&session.refresh).await.status, LOGGED_OUT);
    revoke(&world, &session.holder, &session.access).await.unwrap();
    let branched = renew_as(&world.tokens, &session.holder, by_identity_provider(&user)).await;
    assert!(matches!(branched, Err(TokenError::TokenNotValid)), "{branched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_without_a_session_cannot_be_revoked() {
    let world = World::new().await;
    let user = world.user().await;
    let session = session(&world, &user).await;
    let token = world.validation_token(&user).await;
    let forgotten = access(&world, &world.forget(&token).await.unwrap());
    let refused = revoke(&world, &session.holder, &forgotten).await;
    assert!(matches!(refused, Err(RevokeTokenError::NotRevocable)), "{refused:?}");
    assert_eq!(world.family_of(&session.refresh).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_ours_is_as_the_caller_wants_it() {
    let world = World::new().await;
    let user = world.user().await;
    let session = session(&world, &user).await;
    let family = world.family_of(&session.refresh).await;
    let another_mac = session.refresh.replacen(".1.", ".2.", 1);
    let validation = changed(&world.tokens, &session.holder, PORTAL).await;
    for token in ["x", "rt_", "rt_a.1.b.c.d", &another_mac, &validation] {
        revoke(&world, &session.holder, &text(token)).await.unwrap();
    }
    let mut unknown = family.current_token();
    unknown.family = domain::ids::FamilyId::parse("unknown").unwrap();
    let unknown = world.refresh_token_codec.encode(&unknown);
    revoke(&world, &session.holder, &text(&unknown)).await.unwrap();
    assert_eq!(world.family_of(&session.refresh).await, family);
    // Nor was the validation token used up.
    world.renew(&validation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_the_session_of_another_user_or_client() {
    let world = World::new().await;
    let (ana, bia) = (world.user().await, world.user().await);
    let (anas, bias) = (session(&world, &ana).await, session(&world, &bia).await);
    let family = world.family_of(&bias.refresh).await;
    world.stores.clients.create(&client("other")).await.unwrap();
    let elsewhere = call(Caller {
        client: crate::world::client_id("other"),
        ..Caller::clone(&bias.holder)
    });
    for stranger in [&anas.holder, &elsewhere, &caller("other")] {
        for token in [text(&bias.refresh), bias.access.clone()] {
            revoke(&world, stranger, &token).await.unwrap();
        }
    }
    let bias_forgotten = world.validation_token(&bia).await;
    let bias_forgotten = access(&world, &world.forget(&bias_forgotten).await.unwrap());
    revoke(&world, &anas.holder, &bias_forgotten).await.unwrap();
    assert_eq!(world.family_of(&bias.refresh).await, family);
    assert!(revocations(&world, &family).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branches_of_a_session_end_with_it_and_a_branch_ends_with_its_own_alone() {
    let world = World::new().await;
    let user = world.user().await;
    let trunk = session(&world, &user).await;
    let (one, other) = (branch(&world, &trunk).await, branch(&world, &trunk).await);
    let twig = branch(&world, &one).await;
    revoke(&world, &one.holder, &text(&one.refresh)).await.unwrap();
    world.renew(&other.refresh).await.unwrap();
    world.renew(&trunk.refresh).await.unwrap();
    let refused = world.renew(&twig.refresh).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    revoke(&world, &trunk.holder, &trunk.access).await.unwrap();
    let with_an_ancestor = FamilyStatus::Revoked(RevocationReason::Ancestor);
    for (branch, status) in [
        (&one, LOGGED_OUT),
        (&other, with_an_ancestor),
        (&twig, with_an_ancestor),
    ] {
        let refused = world.renew(&branch.refresh).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
        assert_eq!(world.family_of(&branch.refresh).await.status, status);
        let refused = change_app(&world.tokens, &branch.holder, PORTAL).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    }
    assert!(world.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_of_a_closed_session_ends_the_branches_that_lived_on() {
    let world = World::new().await;
    let user = world.user().await;
    let trunk = session(&world, &user).await;
    let branched = branch(&world, &trunk).await;
    world.forget(&trunk.refresh).await.unwrap();
    let renewed = world.successor(&branched.refresh).await;
    for _ in 0..2 {
        revoke(&world, &branched.holder, &text(&trunk.refresh)).await.unwrap();
    }
    let family = world.family_of(&trunk.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&world, &family).await.len(), 1);
    assert!(matches!(world.renew(&renewed).await, Err(TokenError::TokenNotValid)));
    // Nor does the token that closed it get another access token.
    assert!(matches!(
        world.forget(&trunk.refresh).await,
        Err(TokenError::TokenNotValid)
    ));
    assert!(world.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_of_a_closed_branch_ends_its_own_branches_and_leaves_its_parent() {
    let world = World::new().await;
    let user = world.user().await;
    let trunk = session(&world, &user).await;
    let branched = branch(&world, &trunk).await;
    let twig = branch(&world, &branched).await;
    world.forget(&branched.refresh).await.unwrap();
    let twigs = world.successor(&twig.refresh).await;
    revoke(&world, &branched.holder, &text(&branched.refresh))
        .await
        .unwrap();
    let family = world.family_of(&branched.refresh).await;
    assert_eq!(family.status, LOGGED_OUT);
    assert_eq!(revocations(&world, &family).await.len(), 1);
    assert!(matches!(world.renew(&twigs).await, Err(TokenError::TokenNotValid)));
    world.renew(&trunk.refresh).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_revoked_for_another_reason_keeps_it() {
    let world = World::strict().await;
    let user = world.user().await;
    let session = session(&world, &user).await;
    world.successor(&session.refresh).await;
    assert!(world.renew(&session.refresh).await.is_err());
    revoke(&world, &session.holder, &text(&session.refresh)).await.unwrap();
    let family = world.family_of(&session.refresh).await;
    assert_eq!(family.status, FamilyStatus::Revoked(RevocationReason::Replay));
    assert_eq!(revocations(&world, &family).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_in_the_middle_of_a_renewal_leaves_nothing_alive() {
    for (write, remember) in [("families.rotate", true), ("families.close", false)] {
        let world = Arc::new(World::new().await);
        let user = world.user().await;
        let Session { holder, refresh, .. } = session(&world, &user).await;
        let (elsewhere, token) = (world.clone(), text(&refresh));
        let overtaken = world.meddled(&Meanwhile::before(write, move || async move {
            revoke(&elsewhere, &holder, &token).await.unwrap();
        }));
        let refused = renew(&overtaken, by_token(&refresh, remember)).await;
        assert!(
            matches!(refused, Err(TokenError::TokenNotValid)),
            "{write}: {refused:?}"
        );
        assert_eq!(world.family_of(&refresh).await.status, LOGGED_OUT);
        assert!(world.renewable_tokens(&user).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_closed_in_the_middle_of_its_logout_ends() {
    for is_branch in [false, true] {
        let world = Arc::new(World::on_sqlite(GRACE).await);
        let user = world.user().await;
        let trunk = session(&world, &user).await;
        let session = if is_branch { branch(&world, &trunk).await } else { trunk };
        let (elsewhere, token) = (world.clone(), session.refresh.clone());
        let overtaken = world.meddled(&Meanwhile::before("families.revoke", move || async move {
            elsewhere.forget(&token).await.unwrap();
        }));
        let token = text(&session.refresh);
        overtaken.revoke_token.run(&session.holder, &token).await.unwrap();
        assert_eq!(world.family_of(&session.refresh).await.status, LOGGED_OUT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_it_says_so_and_a_retry_ends_the_session() {
    for outage in [Outage::Away, Outage::AnswerLost] {
        let world = World::new().await;
        let mut number = 0;
        loop {
            let session = session(&world, &world.user().await).await;
            let fault = Arc::new(FailsOnce::at(number, outage));
            let meddler: Arc<dyn Meddler> = fault.clone();
            let tokens = world.meddled(&meddler);
            let answer = tokens.revoke_token.run(&session.holder, &text(&session.refresh)).await;
            if !fault.has_failed() {
                break;
            }
            assert!(
                matches!(answer, Err(RevokeTokenError::Failed(_))),
                "call {number} {outage:?}: {answer:?}"
            );
            revoke(&world, &session.holder, &text(&session.refresh)).await.unwrap();
            assert_eq!(world.family_of(&session.refresh).await.status, LOGGED_OUT);
            number += 1;
        }
        assert_eq!(number, 2, "the calls of a logout");
    }
}
