//! Renewal by refresh token: one compare-and-swap, and what is said to a token that is no longer current.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{Event, EventKind, EventValue};
use domain::tokens::{AccessTokenSubject, FamilyStatus, RevocationReason};
use ports::Clock as _;
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant, TokenError, TokensSettings};

use crate::test_app::fault_injection::{Calls, FaultInjector, Meanwhile};
use crate::test_app::{GRACE, PORTAL, TestApp, by_token, caller, client, client_id, renew, renew_as};

const MILLISECOND: Duration = Duration::from_millis(1);

fn revocations(events: &[Event]) -> Vec<&Event> {
    let revoked = |event: &&Event| event.kind == EventKind::SessionRevoked;
    events.iter().filter(revoked).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_moves_its_family_on_by_one_generation() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.clock.advance(Duration::from_mins(1));
    let tokens = app.renew(&first).await.unwrap();
    let second = tokens.refresh_token.clone().unwrap();
    let family = app.family_of(&first).await;
    assert_eq!(family.generation, 2);
    assert_eq!(app.opened(&second), family.current_token());
    assert_eq!(family.rotated_at, app.clock.now());
    let AccessTokenSubject::User { session, epoch, .. } = app.signer.content(&tokens.access_token).subject else {
        panic!("not a user's token");
    };
    assert_eq!((session, epoch), (Some(family.id), 0));
    assert_eq!(app.opened(&app.successor(&second).await).generation, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_gets_the_same_successor_inside_the_grace_time_and_extends_nothing() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    let family = app.family_of(&first).await;
    app.clock.advance(GRACE - MILLISECOND);
    assert_eq!(app.successor(&first).await, second);
    assert_eq!(app.family_of(&first).await, family);
    assert_eq!(app.metrics.repeated(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_time_ends_at_its_exact_instant() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.successor(&first).await;
    app.clock.advance(GRACE);
    assert!(matches!(app.renew(&first).await, Err(TokenError::TokenNotValid)));
    let status = app.family_of(&first).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_spent_token_is_a_replay_at_once() {
    let app = TestApp::strict().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    assert!(matches!(app.renew(&first).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(app.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.metrics.replays(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_renewal_that_began_earlier_but_wrote_later_is_a_replay_too() {
    let app = TestApp::strict().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let (tokens, clock, token) = (app.tokens.clone(), app.clock.clone(), first.clone());
    let overtaken = app.with_faults(&Meanwhile::before("families.rotate", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&overtaken, by_token(&first, true)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_spent_token_that_overtook_the_clock_closes_nothing() {
    let app = TestApp::strict().await;
    let first = app.session(&app.user().await).await;
    let (tokens, clock, token) = (app.tokens.clone(), app.clock.clone(), first.clone());
    let overtaken = app.with_faults(&Meanwhile::before("families.close", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&overtaken, by_token(&first, false)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_revokes_its_family_and_tells_so_once() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let second = app.successor(&first).await;
    let third = app.successor(&second).await;
    for _ in 0..2 {
        assert!(matches!(app.renew(&first).await, Err(TokenError::TokenNotValid)));
    }
    assert!(matches!(app.renew(&third).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.metrics.replays(), 1);
    let events = app.events().await;
    let [revoked] = revocations(&events)[..] else {
        panic!("{events:?}");
    };
    assert_eq!(revoked.subject, app.opened(&first).family.as_str());
    assert_eq!(revoked.sequence, 2);
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    assert!(revoked.data.contains(&reason), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_refused_without_asking_any_store() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let family = app.family_of(&first).await;
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn FaultInjector> = calls.clone();
    let tokens = app.with_faults(&watched);
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
    assert_eq!(app.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_hands_of_another_client_or_user_changes_nothing() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    app.stores.clients.create(&client("other")).await.unwrap();
    let first = app.session(&user).await;
    app.successor(&first).await;
    let family = app.family_of(&first).await;
    app.clock.advance(GRACE);
    let others = app.session(&other).await;
    let others = app.caller_of(&app.renew(&others).await.unwrap());
    for stranger in [caller("other"), others] {
        let refused = renew_as(&app.tokens, &stranger, by_token(&first, true)).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(app.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_beside_a_token_must_agree_with_it() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.change_client(PORTAL, |portal| portal.aliases = vec![client_id("alias")])
        .await;
    let first = app.session(&user).await;
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
    let refused = renew(&app.tokens, claiming("other")).await;
    assert!(matches!(refused, Err(TokenError::Contradiction)));
    assert_eq!(app.family_of(&first).await.generation, 1);
    renew(&app.tokens, claiming("alias")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_dead_at_the_exact_instant_of_its_idle_expiry() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let expires_at = app.family_of(&first).await.idle_expires_at;
    app.clock.set(expires_at.checked_sub(MILLISECOND).unwrap());
    let second = app.successor(&first).await;
    app.clock.set(app.family_of(&second).await.idle_expires_at);
    assert!(matches!(app.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(app.forget(&second).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.family_of(&second).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_renewals_outlives_the_absolute_expiry() {
    let app = TestApp::new().await;
    let mut token = app.session(&app.user().await).await;
    let expires_at = app.family_of(&token).await.absolute_expires_at;
    let step = TokensSettings::default().refresh_idle_lifetime - MILLISECOND;
    while app.clock.now().checked_add(step).unwrap() < expires_at {
        app.clock.advance(step);
        token = app.successor(&token).await;
    }
    assert_eq!(app.family_of(&token).await.idle_expires_at, expires_at);
    app.clock.set(expires_at.checked_sub(MILLISECOND).unwrap());
    token = app.successor(&token).await;
    app.clock.set(expires_at);
    assert!(matches!(app.renew(&token).await, Err(TokenError::TokenNotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_was_removed_gets_nothing_and_the_token_is_not_spent() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    app.stores.identities.remove(&user).await.unwrap();
    assert!(matches!(app.renew(&first).await, Err(TokenError::UserNotFound)));
    assert!(matches!(app.forget(&first).await, Err(TokenError::UserNotFound)));
    app.stores.identities.create(&identity).await.unwrap();
    app.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_disabled_gets_nothing_and_the_token_is_not_spent() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.change_client(PORTAL, |portal| portal.is_enabled = false).await;
    assert!(matches!(app.renew(&first).await, Err(TokenError::ClientNotUsable)));
    assert!(matches!(app.forget(&first).await, Err(TokenError::ClientNotUsable)));
    app.change_client(PORTAL, |portal| portal.is_enabled = true).await;
    app.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_is_gone_at_the_next_renewal() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let mut identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    identity.roles.clear();
    app.stores.identities.replace(&identity).await.unwrap();
    app.change_client(PORTAL, |portal| portal.scopes = vec!["READ".to_owned()])
        .await;
    let tokens = app.renew(&first).await.unwrap();
    let content = app.signer.content(&tokens.access_token);
    assert_eq!(content.roles, ["CLI-1STPARTY"]);
    assert_eq!(tokens.scopes, ["READ"]);
}
