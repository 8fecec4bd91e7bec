//! From one application to another: a validation token that branches from the caller's session.

use std::sync::Arc;
use std::time::Duration;

use domain::caller::Call;
use domain::group::Group;
use domain::identity::BusinessLink;
use domain::ids::{BusinessId, UserId};
use domain::time;
use domain::tokens::{FamilyStatus, MAX_ANCESTORS, RefreshFamily, RevocationReason};
use use_cases::tokens::{
    ChangeAppRequest, HandleAuthRequest, InspectedToken, IssuedTokens, IssuedValidationToken, TokenError,
    TokensSettings, TokensUseCases,
};

use crate::test_app::fault_injection::{FailsOnce, FaultInjector, Meanwhile, Outage};
use crate::test_app::{
    PORTAL, TestApp, address_of, by_identity_provider, by_token, caller, client, client_id, hand_off, renew, renew_as,
};

/// Another application: no hand-off of SAML reaches it.
const SHOP: &str = "shop";

const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) async fn change_app(
    tokens: &TokensUseCases,
    caller: &Call,
    target: &str,
) -> Result<IssuedValidationToken, TokenError> {
    let request = ChangeAppRequest {
        target_client: client_id(target),
        ip: None,
    };
    Ok(tokens.change_app.run(caller, request).await?.into_inner())
}

/// The validation token itself.
pub(crate) async fn changed(tokens: &TokensUseCases, caller: &Call, target: &str) -> String {
    let handed_off = change_app(tokens, caller, target).await.unwrap();
    handed_off.validation_token.reveal().to_owned()
}

async fn app() -> TestApp {
    let app = TestApp::new().await;
    let shop = domain::client::Client {
        accepts_saml: false,
        is_identity_provider: false,
        creates_users: false,
        ..client(SHOP)
    };
    app.stores.clients.create(&shop).await.unwrap();
    app
}

/// A session at the portal: its holder and its current refresh token.
async fn session(app: &TestApp, user: &UserId) -> (Call, String) {
    let tokens = renew(&app.tokens, by_identity_provider(user)).await.unwrap();
    (app.caller_of(&tokens), tokens.refresh_token.unwrap())
}

/// What the shop makes of a validation token.
async fn redeemed(app: &TestApp, token: &str) -> Result<IssuedTokens, TokenError> {
    renew_as(&app.tokens, &caller(SHOP), by_token(token, true)).await
}

/// A branch of the caller's session at the shop.
async fn branch(app: &TestApp, holder: &Call) -> IssuedTokens {
    let token = changed(&app.tokens, holder, SHOP).await;
    redeemed(app, &token).await.unwrap()
}

async fn log_out(app: &TestApp, holder: &Call, token: &str) {
    let token = InspectedToken::Other(token.to_owned());
    app.tokens.revoke_token.run(holder, &token).await.unwrap();
}

async fn family_of(app: &TestApp, tokens: &IssuedTokens) -> RefreshFamily {
    app.family_of(tokens.refresh_token.as_ref().unwrap()).await
}

fn assert_dead(answer: &Result<IssuedTokens, TokenError>) {
    assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_at_the_target_keeps_ancestors_and_end_of_the_session() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = session(&app, &user).await;
    app.clock.advance(Duration::from_hours(1));
    let tokens = branch(&app, &holder).await;
    let (trunk, branched) = (app.family_of(&refresh).await, family_of(&app, &tokens).await);
    assert_eq!((&branched.origin.user, branched.origin.client.as_str()), (&user, SHOP));
    assert_eq!(branched.origin.ancestors, std::slice::from_ref(&trunk.id));
    assert_eq!(branched.origin.epoch, trunk.origin.epoch);
    assert_eq!(branched.absolute_expires_at, trunk.absolute_expires_at);
    // A branch of the branch hangs on both.
    let token = changed(&app.tokens, &app.caller_of(&tokens), PORTAL).await;
    let twig = app.renew(&token).await.unwrap();
    let twig = family_of(&app, &twig).await;
    assert_eq!(twig.origin.ancestors, [trunk.id, branched.id]);
    assert_eq!(twig.absolute_expires_at, trunk.absolute_expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_groups_of_the_session_and_the_business_of_the_token_go_along() {
    let app = app().await;
    let user = app.user().await;
    let business = link(&app, &user).await;
    let staff = Group {
        name: "staff".to_owned(),
        roles: Vec::new(),
    };
    app.stores.groups.save(&staff).await.unwrap();
    app.change_client("saml", |saml| saml.may_assert = vec!["staff".to_owned()])
        .await;
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned()],
        business: Some(business.clone()),
        ..hand_off(&address_of(&user))
    };
    let handed_off = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.renew(handed_off.validation_token.reveal()).await.unwrap();
    let handed_off = change_app(&app.tokens, &app.caller_of(&tokens), SHOP).await.unwrap();
    assert_eq!((handed_off.origin_client.as_str(), &handed_off.user), (PORTAL, &user));
    let branched = redeemed(&app, handed_off.validation_token.reveal()).await.unwrap();
    assert_eq!(app.caller_of(&branched).user.as_ref().unwrap().business, Some(business));
    let origin = family_of(&app, &branched).await.origin;
    assert_eq!(
        (origin.groups, origin.administrative_groups),
        (vec!["staff".to_owned()], vec!["staff".to_owned()])
    );
}

/// Links the user to a business.
async fn link(app: &TestApp, user: &UserId) -> BusinessId {
    let id = BusinessId::parse("business").unwrap();
    let mut identity = app.stores.identities.find(user).await.unwrap().unwrap();
    identity.businesses = vec![BusinessLink {
        id: id.clone(),
        roles: Vec::new(),
    }];
    app.stores.identities.replace(&identity).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_there_is_no_ancestor_and_no_group() {
    let app = app().await;
    let user = app.user().await;
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned()],
        ..hand_off(&address_of(&user))
    };
    let handed_off = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.forget(handed_off.validation_token.reveal()).await.unwrap();
    let fresh = family_of(&app, &branch(&app, &app.caller_of(&tokens)).await).await;
    assert!(
        fresh.origin.ancestors.is_empty() && fresh.origin.groups.is_empty(),
        "{fresh:?}"
    );
    assert_eq!(fresh.absolute_expires_at, tokens.expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_works_once_and_at_the_target_only() {
    let app = app().await;
    let (holder, _) = session(&app, &app.user().await).await;
    let token = changed(&app.tokens, &holder, SHOP).await;
    assert_dead(&app.renew(&token).await);
    redeemed(&app, &token).await.unwrap();
    assert_dead(&redeemed(&app, &token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_lives_as_long_as_any_and_no_longer_than_its_session() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let lifetime = TokensSettings::default().validation_token_lifetime;
    for (elapsed, is_good) in [(lifetime - MILLISECOND, true), (lifetime, false)] {
        let token = changed(&app.tokens, &holder, SHOP).await;
        app.clock.advance(elapsed);
        assert_eq!(redeemed(&app, &token).await.is_ok(), is_good);
    }
    let end = keep_until_the_end(&app, refresh).await;
    app.clock.set(end.checked_sub(MILLISECOND).unwrap());
    let token = changed(&app.tokens, &holder, SHOP).await;
    let last = redeemed(&app, &token).await.unwrap();
    assert_eq!(family_of(&app, &last).await.ends_at(), end);
    let token = changed(&app.tokens, &holder, SHOP).await;
    app.clock.set(end);
    assert_dead(&redeemed(&app, &token).await);
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

/// Renews a session until nothing but its absolute expiry is left, and tells that.
async fn keep_until_the_end(app: &TestApp, refresh: String) -> time::Timestamp {
    let step = TokensSettings::default().refresh_idle_lifetime - MILLISECOND;
    let mut current = app.successor(&refresh).await;
    loop {
        let family = app.family_of(&current).await;
        if family.ends_at() == family.absolute_expires_at {
            return family.absolute_expires_at;
        }
        app.clock.advance(step);
        current = app.successor(&current).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_dead_for_it_at_the_exact_instant_of_its_idle_expiry() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let end = app.family_of(&refresh).await.idle_expires_at;
    app.clock.set(end.checked_sub(MILLISECOND).unwrap());
    change_app(&app.tokens, &holder, SHOP).await.unwrap();
    app.clock.set(end);
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_root_its_branches_and_the_tokens_to_new_ones_end() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = session(&app, &user).await;
    let branched = branch(&app, &holder).await;
    let pending = changed(&app.tokens, &holder, SHOP).await;
    log_out(&app, &holder, &refresh).await;
    let token = branched.refresh_token.clone().unwrap();
    assert_dead(&redeemed(&app, &token).await);
    let status = app.family_of(&token).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Ancestor));
    let sessions = app.families(&user).await.len();
    let signatures = app.signer.signatures();
    assert_dead(&redeemed(&app, &pending).await);
    assert_dead(&renew_as(&app.tokens, &caller(SHOP), by_token(&pending, false)).await);
    assert_eq!(app.families(&user).await.len(), sessions);
    assert_eq!(app.signer.signatures(), signatures);
    for holder in [holder, app.caller_of(&branched)] {
        let refused = change_app(&app.tokens, &holder, SHOP).await;
        assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_whose_root_was_revoked_goes_nowhere_before_anybody_met_it() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let branched = branch(&app, &holder).await;
    log_out(&app, &holder, &refresh).await;
    assert_eq!(family_of(&app, &branched).await.status, FamilyStatus::Active);
    let refused = change_app(&app.tokens, &app.caller_of(&branched), PORTAL).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    let status = family_of(&app, &branched).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Ancestor));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_sessions_has_an_end() {
    let app = app().await;
    let user = app.user().await;
    let (mut holder, _) = session(&app, &user).await;
    for _ in 0..MAX_ANCESTORS {
        let tokens = branch(&app, &holder).await;
        holder = app.caller_of(&tokens);
    }
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::ClientNotUsable)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_goes_nowhere() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    app.forget(&refresh).await.unwrap();
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_revoked_between_the_write_and_the_look_gives_nothing_out() {
    let app = Arc::new(app().await);
    let (holder, refresh) = session(&app, &app.user().await).await;
    let (elsewhere, owner) = (app.clone(), holder.clone());
    let overtaken = app.with_faults(&Meanwhile::after("validation_tokens.issue", move || async move {
        log_out(&elsewhere, &owner, &refresh).await;
    }));
    let refused = change_app(&overtaken, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

/// A session of a user who acts for a business.
async fn acting(app: &TestApp, user: &UserId) -> (Call, String) {
    let request = HandleAuthRequest {
        business: Some(link(app, user).await),
        ..hand_off(&address_of(user))
    };
    let handed_off = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.renew(handed_off.validation_token.reveal()).await.unwrap();
    (app.caller_of(&tokens), tokens.refresh_token.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_told_before_a_missing_target_and_a_missing_user() {
    let app = app().await;
    let user = app.user().await;
    let (holder, _) = acting(&app, &user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    app.lock(&user).await;
    app.stores.identities.remove(&user).await.unwrap();
    let refused = change_app(&app.tokens, &holder, "nobody").await;
    assert!(matches!(refused, Err(TokenError::CredentialLocked)), "{refused:?}");
    app.stores.identities.create(&identity).await.unwrap();
    app.unlock(&user).await;
    let refused = change_app(&app.tokens, &holder, "nobody").await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_is_judged_before_the_user_and_both_before_the_target() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = acting(&app, &user).await;
    app.forget(&refresh).await.unwrap();
    app.stores.identities.remove(&user).await.unwrap();
    app.change_client(SHOP, |shop| shop.is_enabled = false).await;
    let (another, _) = acting(&app, &app.user().await).await;
    for target in ["nobody", SHOP] {
        let refused = change_app(&app.tokens, &holder, target).await;
        assert!(
            matches!(refused, Err(TokenError::TokenNotValid)),
            "{target}: {refused:?}"
        );
        let refused = change_app(&app.tokens, &another, target).await;
        assert!(
            matches!(refused, Err(TokenError::ClientNotUsable)),
            "{target}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_must_be_known_and_linked_to_the_business_still() {
    let app = app().await;
    let user = app.user().await;
    let (holder, _) = acting(&app, &user).await;
    let linked = app.stores.identities.find(&user).await.unwrap().unwrap();
    app.stores.identities.remove(&user).await.unwrap();
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::TokenNotValid)), "{refused:?}");
    let mut unlinked = linked.clone();
    unlinked.businesses.clear();
    app.stores.identities.create(&unlinked).await.unwrap();
    let refused = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(refused, Err(TokenError::BusinessNotLinked)), "{refused:?}");
    app.stores.identities.replace(&linked).await.unwrap();
    change_app(&app.tokens, &holder, SHOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_its_own_has_nobody_to_take_along() {
    let app = app().await;
    let refused = change_app(&app.tokens, &caller(PORTAL), SHOP).await;
    assert!(matches!(refused, Err(TokenError::NotPermitted)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_it_says_so_and_a_retry_works() {
    for outage in [Outage::Away, Outage::AnswerLost] {
        let app = app().await;
        let user = app.user().await;
        let (holder, _) = acting(&app, &user).await;
        let mut number = 0;
        loop {
            let fault = Arc::new(FailsOnce::at(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let answer = change_app(&app.with_faults(&injector), &holder, SHOP).await;
            if !fault.has_failed() {
                break;
            }
            assert!(matches!(answer, Err(TokenError::Failed(_))), "call {number} {outage:?}");
            branch(&app, &holder).await;
            number += 1;
        }
        assert!(number >= 7, "it asks its stores {number} times only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_of_a_token_without_a_session_lives_no_longer_than_that_token() {
    let app = app().await;
    let user = app.user().await;
    let first = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let forgetful = app.forget(first.refresh_token.as_ref().unwrap()).await.unwrap();
    let (holder, ends_at) = (app.caller_of(&forgetful), forgetful.expires_at);
    app.clock.advance(Duration::from_secs(100));
    let token = changed(&app.tokens, &holder, SHOP).await;
    let at_the_shop = redeemed(&app, &token).await.unwrap();
    assert_eq!(at_the_shop.expires_at, ends_at);
    assert_eq!(family_of(&app, &at_the_shop).await.absolute_expires_at, ends_at);
    let renewed = renew_as(&app.tokens, &holder, by_identity_provider(&user))
        .await
        .unwrap();
    assert_eq!((renewed.refresh_token, renewed.expires_at), (None, ends_at));
    // Neither by way of a token that is not remembered.
    let token = changed(&app.tokens, &holder, SHOP).await;
    let again = renew_as(&app.tokens, &caller(SHOP), by_token(&token, false))
        .await
        .unwrap();
    assert_eq!((again.refresh_token, again.expires_at), (None, ends_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_access_token_outlives_its_session() {
    let app = app().await;
    let user = app.user().await;
    let (_, refresh) = session(&app, &user).await;
    let ends_at = keep_until_the_end(&app, refresh.clone()).await;
    app.clock.set(ends_at - Duration::from_secs(100));
    let family = app.family_of(&refresh).await;
    let current = app.refresh_token_codec.encode(&family.current_token());
    let tokens = app.renew(&current).await.unwrap();
    assert_eq!(tokens.expires_at.as_second(), ends_at.as_second());
}
