//! Renewal by refresh token: one compare-and-swap, and what is said to a token that is no longer current.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{Event, EventKind, EventValue};
use domain::tokens::{AccessTokenSubject, FamilyStatus, RevocationReason};
use ports::Clock as _;
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant, TokenError, TokensSettings};

use crate::world::meddling::{Calls, Meanwhile, Meddler};
use crate::world::{GRACE, PORTAL, World, by_token, caller, client, client_id, renew, renew_as};

const MILLISECOND: Duration = Duration::from_millis(1);

fn revocations(events: &[Event]) -> Vec<&Event> {
    let revoked = |event: &&Event| event.kind == EventKind::SessionRevoked;
    events.iter().filter(revoked).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_moves_its_family_on_by_one_generation() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    world.clock.advance(Duration::from_mins(1));
    let tokens = world.renew(&first).await.unwrap();
    let second = tokens.refresh_token.clone().unwrap();
    let family = world.family_of(&first).await;
    assert_eq!(family.generation, 2);
    assert_eq!(world.opened(&second), family.current_token());
    assert_eq!(family.rotated_at, world.clock.now());
    let AccessTokenSubject::User { session, epoch, .. } = world.signer.content(&tokens.access_token).subject else {
        panic!("not a user's token");
    };
    assert_eq!((session, epoch), (Some(family.id), 0));
    assert_eq!(world.opened(&world.successor(&second).await).generation, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_gets_the_same_successor_inside_the_grace_time_and_extends_nothing() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let second = world.successor(&first).await;
    let family = world.family_of(&first).await;
    world.clock.advance(GRACE - MILLISECOND);
    assert_eq!(world.successor(&first).await, second);
    assert_eq!(world.family_of(&first).await, family);
    assert_eq!(world.figures.repeated(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_time_ends_at_its_exact_instant() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    world.successor(&first).await;
    world.clock.advance(GRACE);
    assert!(matches!(world.renew(&first).await, Err(TokenError::TokenNotValid)));
    let status = world.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_spent_token_is_a_replay_at_once() {
    let world = World::strict().await;
    let first = world.session(&world.user().await).await;
    let second = world.successor(&first).await;
    assert!(matches!(world.renew(&first).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(world.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert_eq!(world.figures.replays(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_renewal_that_began_earlier_but_wrote_later_is_a_replay_too() {
    let world = World::strict().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    let (tokens, clock, token) = (world.tokens.clone(), world.clock.clone(), first.clone());
    let overtaken = world.meddled(&Meanwhile::before("families.rotate", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&overtaken, by_token(&first, true)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
    assert!(world.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_spent_token_that_overtook_the_clock_closes_nothing() {
    let world = World::strict().await;
    let first = world.session(&world.user().await).await;
    let (tokens, clock, token) = (world.tokens.clone(), world.clock.clone(), first.clone());
    let overtaken = world.meddled(&Meanwhile::before("families.close", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&overtaken, by_token(&first, false)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_revokes_its_family_and_tells_so_once() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let second = world.successor(&first).await;
    let third = world.successor(&second).await;
    for _ in 0..2 {
        assert!(matches!(world.renew(&first).await, Err(TokenError::TokenNotValid)));
    }
    assert!(matches!(world.renew(&third).await, Err(TokenError::TokenNotValid)));
    assert_eq!(world.figures.replays(), 1);
    let events = world.events().await;
    let [revoked] = revocations(&events)[..] else {
        panic!("{events:?}");
    };
    assert_eq!(revoked.subject, world.opened(&first).family.as_str());
    assert_eq!(revoked.sequence, 2);
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    assert!(revoked.data.contains(&reason), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_refused_without_asking_any_store() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    let family = world.family_of(&first).await;
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn Meddler> = calls.clone();
    let tokens = world.meddled(&watched);
    let another_mac = first.replacen(".1.", ".2.", 1);
    let another_nonce = domain::hex::encode(&[7; 16]);
    let another_nonce = first.replace(&domain::hex::encode(&family.nonce.0), &another_nonce);
    for forged in [another_mac, another_nonce, format!("{first}0"), "rt_".to_owned()] {
        for remember in [true, false] {
            let refused = renew(&tokens, by_token(&forged, remember)).await;
            assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{forged}");
        }
    }
    assert_eq!(calls.seen(), Vec::<&str>::new());
    assert_eq!(world.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_hands_of_another_client_or_user_changes_nothing() {
    let world = World::new().await;
    let (user, other) = (world.user().await, world.user().await);
    world.stores.clients.create(&client("other")).await.unwrap();
    let first = world.session(&user).await;
    world.successor(&first).await;
    let family = world.family_of(&first).await;
    world.clock.advance(GRACE);
    let others = world.session(&other).await;
    let others = world.caller_of(&world.renew(&others).await.unwrap());
    for stranger in [caller("other"), others] {
        let refused = renew_as(&world.tokens, &stranger, by_token(&first, true)).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(world.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_beside_a_token_must_agree_with_it() {
    let world = World::new().await;
    let user = world.user().await;
    world
        .change_client(PORTAL, |portal| portal.aliases = vec![client_id("alias")])
        .await;
    let first = world.session(&user).await;
    let claiming = |client: &str| RenewTokenRequest {
        grant: RenewalGrant::Token {
            token: first.clone(),
            expected: ExpectedSubject {
                client: Some(client_id(client)),
                user: Some(user.clone()),
            },
        },
        remember: true,
    };
    let refused = renew(&world.tokens, claiming("other")).await;
    assert!(matches!(refused, Err(TokenError::Contradiction)));
    assert_eq!(world.family_of(&first).await.generation, 1);
    renew(&world.tokens, claiming("alias")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_dead_at_the_exact_instant_of_its_idle_expiry() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    let expires_at = world.family_of(&first).await.idle_expires_at;
    world.clock.set(expires_at.checked_sub(MILLISECOND).unwrap());
    let second = world.successor(&first).await;
    world.clock.set(world.family_of(&second).await.idle_expires_at);
    assert!(matches!(world.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(world.forget(&second).await, Err(TokenError::TokenNotValid)));
    assert_eq!(world.family_of(&second).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_renewals_outlives_the_absolute_expiry() {
    let world = World::new().await;
    let mut token = world.session(&world.user().await).await;
    let expires_at = world.family_of(&token).await.absolute_expires_at;
    let step = TokensSettings::default().refresh_idle_lifetime - MILLISECOND;
    while world.clock.now().checked_add(step).unwrap() < expires_at {
        world.clock.advance(step);
        token = world.successor(&token).await;
    }
    assert_eq!(world.family_of(&token).await.idle_expires_at, expires_at);
    world.clock.set(expires_at.checked_sub(MILLISECOND).unwrap());
    token = world.successor(&token).await;
    world.clock.set(expires_at);
    assert!(matches!(world.renew(&token).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_was_removed_gets_nothing_and_the_token_is_not_spent() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    let identity = world.stores.identities.find(&user).await.unwrap().unwrap();
    world.stores.identities.remove(&user).await.unwrap();
    assert!(matches!(world.renew(&first).await, Err(TokenError::UserNotFound)));
    assert!(matches!(world.forget(&first).await, Err(TokenError::UserNotFound)));
    world.stores.identities.create(&identity).await.unwrap();
    world.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_disabled_gets_nothing_and_the_token_is_not_spent() {
    let world = World::new().await;
    let first = world.session(&world.user().await).await;
    world.change_client(PORTAL, |portal| portal.enabled = false).await;
    assert!(matches!(world.renew(&first).await, Err(TokenError::ClientNotUsable)));
    assert!(matches!(world.forget(&first).await, Err(TokenError::ClientNotUsable)));
    world.change_client(PORTAL, |portal| portal.enabled = true).await;
    world.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_is_gone_at_the_next_renewal() {
    let world = World::new().await;
    let user = world.user().await;
    let first = world.session(&user).await;
    let mut identity = world.stores.identities.find(&user).await.unwrap().unwrap();
    identity.roles.clear();
    world.stores.identities.replace(&identity).await.unwrap();
    world
        .change_client(PORTAL, |portal| portal.scopes = vec!["READ".to_owned()])
        .await;
    let tokens = world.renew(&first).await.unwrap();
    let content = world.signer.content(&tokens.access_token);
    assert_eq!(content.roles, ["CLI-1STPARTY"]);
    assert_eq!(tokens.scopes, ["READ"]);
}
