//! Renewal by refresh token: rotation, grace time and replay.

use std::sync::Arc;
use std::time::Duration;
use use_cases::sessions::SessionSettings;

use domain::event::{Event, EventValue};
use domain::sessions::events::SESSION_REVOKED;
use domain::sessions::{AccessTokenSubject, FamilyStatus, RevocationReason};
use ports::Clock as _;
use use_cases::sessions::TokenError;
use use_cases::tokens::{ExpectedSubject, RenewTokenRequest, RenewalGrant};

use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{PORTAL, by_token, caller, client, renew, renew_as};
use test_support::fault_injection::{FaultInjector, Interleave, RecordedCalls};
use test_support::fixtures::{client_id, remove_user, restore_user};

const MILLISECOND: Duration = Duration::from_millis(1);

fn revocations(events: &[Event]) -> Vec<&Event> {
    let revoked = |event: &&Event| event.kind == SESSION_REVOKED;
    events.iter().filter(revoked).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_raises_the_generation_by_one() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.clock.advance(Duration::from_mins(1));
    let tokens = app.renew(&first).await.unwrap();
    let second = tokens.refresh_token.clone().unwrap();
    let family = app.family_of(&first).await;
    assert_eq!(family.generation, 2);
    assert_eq!(app.decode(&second), family.current_token());
    assert_eq!(family.rotated_at, app.clock.now());
    let AccessTokenSubject::User { session, epoch, .. } = app.signer.content(&tokens.access_token).subject else {
        panic!("not a user's token");
    };
    assert_eq!((session, epoch), (Some(family.id), 0));
    assert_eq!(app.decode(&app.successor(&second).await).generation, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_token_gets_the_same_successor_within_grace() {
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
async fn the_grace_time_ends_exactly() {
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
async fn without_grace_a_later_write_is_a_replay() {
    let app = TestApp::strict().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let (tokens, clock, token) = (app.tokens.clone(), app.clock.clone(), first.clone());
    let interleaved = app.with_faults(&Interleave::before("families.rotate", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&interleaved, by_token(&first, true)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
    assert!(app.renewable_tokens(&user).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_a_spent_token_closes_nothing() {
    let app = TestApp::strict().await;
    let first = app.session(&app.user().await).await;
    let (tokens, clock, token) = (app.tokens.clone(), app.clock.clone(), first.clone());
    let interleaved = app.with_faults(&Interleave::before("families.close", move || async move {
        clock.advance(MILLISECOND);
        renew(&tokens, by_token(&token, true)).await.unwrap();
    }));
    let late = renew(&interleaved, by_token(&first, false)).await;
    assert!(matches!(late, Err(TokenError::TokenNotValid)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_revokes_its_family_with_one_event() {
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
    assert_eq!(revoked.subject, app.decode(&first).family.as_str());
    assert_eq!(revoked.sequence, 2);
    let reason = ("reason".to_owned(), EventValue::Text("replay".to_owned()));
    assert!(revoked.data.contains(&reason), "{revoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_rejected_without_a_read() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    let family = app.family_of(&first).await;
    let calls = Arc::new(RecordedCalls::default());
    let injector: Arc<dyn FaultInjector> = calls.clone();
    let tokens = app.with_faults(&injector);
    let another_mac = first.replacen(".1.", ".2.", 1);
    let another_nonce = domain::hex::encode(&[7; 16]);
    let another_nonce = first.replace(&domain::hex::encode(&family.nonce.0), &another_nonce);
    for forged in [another_mac, another_nonce, format!("{first}0"), "rt_".to_owned()] {
        for remember in [true, false] {
            let rejected = renew(&tokens, by_token(&forged, remember)).await;
            assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{forged}");
        }
    }
    assert_eq!(calls.names(), Vec::<&str>::new());
    assert_eq!(app.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_client_or_user_is_rejected() {
    let app = TestApp::new().await;
    let (user, other) = (app.user().await, app.user().await);
    app.stores.clients.create(&client("other")).await.unwrap();
    let first = app.session(&user).await;
    app.successor(&first).await;
    let family = app.family_of(&first).await;
    app.clock.advance(GRACE);
    let others = app.session(&other).await;
    let others = app.caller_of(&app.renew(&others).await.unwrap());
    for other_caller in [caller("other"), others] {
        let rejected = renew_as(&app.tokens, &other_caller, by_token(&first, true)).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)));
    }
    assert_eq!(app.family_of(&first).await, family);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_or_user_beside_the_token_is_rejected() {
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
        is_remembered: true,
    };
    let rejected = renew(&app.tokens, claiming("other")).await;
    assert!(matches!(rejected, Err(TokenError::Contradiction)));
    assert_eq!(app.family_of(&first).await.generation, 1);
    renew(&app.tokens, claiming("alias")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_expires_exactly_at_its_idle_expiry() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let expires_at = app.family_of(&first).await.idle_expires_at;
    app.clock.set(expires_at.checked_sub(MILLISECOND).unwrap());
    let second = app.successor(&first).await;
    app.clock.set(app.family_of(&second).await.idle_expires_at);
    assert!(matches!(app.renew(&second).await, Err(TokenError::TokenNotValid)));
    assert!(matches!(app.close(&second).await, Err(TokenError::TokenNotValid)));
    assert_eq!(app.family_of(&second).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn renewals_never_extend_the_absolute_expiry() {
    let app = TestApp::new().await;
    let mut token = app.session(&app.user().await).await;
    let expires_at = app.family_of(&token).await.absolute_expires_at;
    let step = SessionSettings::default().refresh_idle_lifetime - MILLISECOND;
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
async fn a_removed_user_is_rejected_and_spends_no_token() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let first = app.session(&user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    remove_user(&app.stores, &user).await;
    assert!(matches!(app.renew(&first).await, Err(TokenError::UserNotFound)));
    assert!(matches!(app.close(&first).await, Err(TokenError::UserNotFound)));
    restore_user(&app.stores, &identity).await;
    app.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_client_is_rejected_and_spends_no_token() {
    let app = TestApp::new().await;
    let first = app.session(&app.user().await).await;
    app.change_client(PORTAL, |portal| portal.is_enabled = false).await;
    assert!(matches!(app.renew(&first).await, Err(TokenError::ClientNotUsable)));
    assert!(matches!(app.close(&first).await, Err(TokenError::ClientNotUsable)));
    app.change_client(PORTAL, |portal| portal.is_enabled = true).await;
    app.renew(&first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_roles_are_gone_at_the_next_renewal() {
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
