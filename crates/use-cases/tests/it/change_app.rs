//! `change-app`: a validation token for a branch of the caller's session.

use std::sync::Arc;
use std::time::Duration;
use use_cases::sessions::SessionSettings;

use domain::caller::Call;
use domain::group::Group;
use domain::identity::BusinessLink;
use domain::ids::{BusinessId, UserId};
use domain::sessions::MAX_ANCESTORS;
use domain::sessions::{FamilyStatus, RefreshFamily, RevocationReason};
use domain::time;
use use_cases::sessions::{IssuedTokens, TokenError};
use use_cases::tokens::{
    ChangeAppRequest, HandleAuthRequest, InspectedToken, IssuedValidationToken, TokensSettings, TokensUseCases,
};

use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{
    PORTAL, address_of, by_identity_provider, by_token, caller, client, renew, renew_as, saml_login,
};
use test_support::fault_injection::{FailNthCall, FaultInjector, Interleave, Outage};
use test_support::fixtures::{client_id, remove_user, restore_user};

/// Another application, not set up for SAML logins.
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

/// Returns the text of a validation token from `change-app`.
pub(crate) async fn change_app_token(tokens: &TokensUseCases, caller: &Call, target: &str) -> String {
    let issued = change_app(tokens, caller, target).await.unwrap();
    issued.validation_token.reveal().to_owned()
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

/// Starts a session at the portal. Returns its holder and its current refresh token.
async fn session(app: &TestApp, user: &UserId) -> (Call, String) {
    let tokens = renew(&app.tokens, by_identity_provider(user)).await.unwrap();
    (app.caller_of(&tokens), tokens.refresh_token.unwrap())
}

/// Renews by a validation token at the shop.
async fn redeem(app: &TestApp, token: &str) -> Result<IssuedTokens, TokenError> {
    renew_as(&app.tokens, &caller(SHOP), by_token(token, true)).await
}

/// Starts a branch of the caller's session at the shop.
async fn branch(app: &TestApp, holder: &Call) -> IssuedTokens {
    let token = change_app_token(&app.tokens, holder, SHOP).await;
    redeem(app, &token).await.unwrap()
}

async fn log_out(app: &TestApp, holder: &Call, token: &str) {
    let token = InspectedToken::Other(token.to_owned());
    app.tokens.revoke_token.run(holder, &token).await.unwrap();
}

async fn family_of(app: &TestApp, tokens: &IssuedTokens) -> RefreshFamily {
    app.family_of(tokens.refresh_token.as_ref().unwrap()).await
}

fn assert_not_valid(answer: &Result<IssuedTokens, TokenError>) {
    assert!(matches!(answer, Err(TokenError::TokenNotValid)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_keeps_ancestors_and_end_of_its_session() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = session(&app, &user).await;
    app.clock.advance(Duration::from_hours(1));
    let tokens = branch(&app, &holder).await;
    let (parent, child) = (app.family_of(&refresh).await, family_of(&app, &tokens).await);
    assert_eq!((&child.origin.user, child.origin.client.as_str()), (&user, SHOP));
    assert_eq!(child.origin.ancestors, std::slice::from_ref(&parent.id));
    assert_eq!(child.origin.epoch, parent.origin.epoch);
    assert_eq!(child.absolute_expires_at, parent.absolute_expires_at);
    // A branch of the branch has both as ancestors.
    let token = change_app_token(&app.tokens, &app.caller_of(&tokens), PORTAL).await;
    let grandchild = app.renew(&token).await.unwrap();
    let grandchild = family_of(&app, &grandchild).await;
    assert_eq!(grandchild.origin.ancestors, [parent.id, child.id]);
    assert_eq!(grandchild.absolute_expires_at, parent.absolute_expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_keeps_groups_and_business() {
    let app = app().await;
    let user = app.user().await;
    let business = link(&app, &user).await;
    let staff = Group {
        name: "staff".to_owned(),
        roles: Vec::new(),
    };
    app.stores.groups.save(&staff).await.unwrap();
    app.change_client("saml", |saml| saml.assertable_groups = vec!["staff".to_owned()])
        .await;
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned()],
        business: Some(business.clone()),
        ..saml_login(&address_of(&user))
    };
    let issued = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.renew(issued.validation_token.reveal()).await.unwrap();
    let issued = change_app(&app.tokens, &app.caller_of(&tokens), SHOP).await.unwrap();
    assert_eq!((issued.origin_client.as_str(), &issued.user), (PORTAL, &user));
    let branch_tokens = redeem(&app, issued.validation_token.reveal()).await.unwrap();
    assert_eq!(
        app.caller_of(&branch_tokens).user.as_ref().unwrap().business,
        Some(business)
    );
    let origin = family_of(&app, &branch_tokens).await.origin;
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
async fn a_token_without_session_passes_no_ancestor_and_group() {
    let app = app().await;
    let user = app.user().await;
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned()],
        ..saml_login(&address_of(&user))
    };
    let issued = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.close(issued.validation_token.reveal()).await.unwrap();
    let fresh = family_of(&app, &branch(&app, &app.caller_of(&tokens)).await).await;
    assert!(
        fresh.origin.ancestors.is_empty() && fresh.origin.groups.is_empty(),
        "{fresh:?}"
    );
    assert_eq!(fresh.absolute_expires_at, tokens.expires_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_validation_token_starts_one_branch_at_its_target_only() {
    let app = app().await;
    let (holder, _) = session(&app, &app.user().await).await;
    let token = change_app_token(&app.tokens, &holder, SHOP).await;
    assert_not_valid(&app.renew(&token).await);
    let branch = redeem(&app, &token).await.unwrap().refresh_token;
    assert_eq!(redeem(&app, &token).await.unwrap().refresh_token, branch);
    app.clock.advance(GRACE);
    assert_not_valid(&redeem(&app, &token).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_validation_token_expires_with_its_session() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let lifetime = TokensSettings::default().validation_token_lifetime;
    for (elapsed, is_valid) in [(lifetime - MILLISECOND, true), (lifetime, false)] {
        let token = change_app_token(&app.tokens, &holder, SHOP).await;
        app.clock.advance(elapsed);
        assert_eq!(redeem(&app, &token).await.is_ok(), is_valid);
    }
    let end = renew_until_absolute_expiry(&app, refresh).await;
    app.clock.set(end.checked_sub(MILLISECOND).unwrap());
    let token = change_app_token(&app.tokens, &holder, SHOP).await;
    let last = redeem(&app, &token).await.unwrap();
    assert_eq!(family_of(&app, &last).await.ends_at(), end);
    let token = change_app_token(&app.tokens, &holder, SHOP).await;
    app.clock.set(end);
    assert_not_valid(&redeem(&app, &token).await);
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

/// Renews a session until it ends at its absolute expiry, and returns that.
async fn renew_until_absolute_expiry(app: &TestApp, refresh: String) -> time::Timestamp {
    let step = SessionSettings::default().refresh_idle_lifetime - MILLISECOND;
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
async fn change_app_is_rejected_from_the_idle_expiry_on() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let end = app.family_of(&refresh).await.idle_expires_at;
    app.clock.set(end.checked_sub(MILLISECOND).unwrap());
    change_app(&app.tokens, &holder, SHOP).await.unwrap();
    app.clock.set(end);
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_session_ends_its_branches_and_validation_tokens() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = session(&app, &user).await;
    let branch_tokens = branch(&app, &holder).await;
    let pending = change_app_token(&app.tokens, &holder, SHOP).await;
    log_out(&app, &holder, &refresh).await;
    let token = branch_tokens.refresh_token.clone().unwrap();
    assert_not_valid(&redeem(&app, &token).await);
    let status = app.family_of(&token).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Ancestor));
    let sessions = app.families(&user).await.len();
    let signatures = app.signer.signatures();
    assert_not_valid(&redeem(&app, &pending).await);
    assert_not_valid(&renew_as(&app.tokens, &caller(SHOP), by_token(&pending, false)).await);
    assert_eq!(app.families(&user).await.len(), sessions);
    assert_eq!(app.signer.signatures(), signatures);
    for holder in [holder, app.caller_of(&branch_tokens)] {
        let rejected = change_app(&app.tokens, &holder, SHOP).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_of_a_revoked_session_cannot_change_app() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    let branch_tokens = branch(&app, &holder).await;
    log_out(&app, &holder, &refresh).await;
    assert_eq!(family_of(&app, &branch_tokens).await.status, FamilyStatus::Active);
    let rejected = change_app(&app.tokens, &app.caller_of(&branch_tokens), PORTAL).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    let status = family_of(&app, &branch_tokens).await.status;
    assert_eq!(status, FamilyStatus::Revoked(RevocationReason::Ancestor));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ninth_session_in_a_chain_is_rejected() {
    let app = app().await;
    let user = app.user().await;
    let (mut holder, _) = session(&app, &user).await;
    for _ in 0..MAX_ANCESTORS {
        let tokens = branch(&app, &holder).await;
        holder = app.caller_of(&tokens);
    }
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::ClientNotUsable)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_cannot_change_app() {
    let app = app().await;
    let (holder, refresh) = session(&app, &app.user().await).await;
    app.close(&refresh).await.unwrap();
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ancestor_revoked_after_the_write_is_detected() {
    let app = Arc::new(app().await);
    let (holder, refresh) = session(&app, &app.user().await).await;
    let (concurrent, owner) = (app.clone(), holder.clone());
    let interleaved = app.with_faults(&Interleave::after("validation_tokens.issue", move || async move {
        log_out(&concurrent, &owner, &refresh).await;
    }));
    let rejected = change_app(&interleaved, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

/// Starts a session of a user who acts for a business.
async fn session_with_business(app: &TestApp, user: &UserId) -> (Call, String) {
    let request = HandleAuthRequest {
        business: Some(link(app, user).await),
        ..saml_login(&address_of(user))
    };
    let issued = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = app.renew(issued.validation_token.reveal()).await.unwrap();
    (app.caller_of(&tokens), tokens.refresh_token.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn change_app_reports_a_lock_before_other_errors() {
    let app = app().await;
    let user = app.user().await;
    let (holder, _) = session_with_business(&app, &user).await;
    let identity = app.stores.identities.find(&user).await.unwrap().unwrap();
    app.lock(&user).await;
    remove_user(&app.stores, &user).await;
    let rejected = change_app(&app.tokens, &holder, "unknown").await;
    assert!(matches!(rejected, Err(TokenError::CredentialLocked)), "{rejected:?}");
    restore_user(&app.stores, &identity).await;
    app.unlock(&user).await;
    let rejected = change_app(&app.tokens, &holder, "unknown").await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_reported_in_order_session_user_target() {
    let app = app().await;
    let user = app.user().await;
    let (holder, refresh) = session_with_business(&app, &user).await;
    app.close(&refresh).await.unwrap();
    remove_user(&app.stores, &user).await;
    app.change_client(SHOP, |shop| shop.is_enabled = false).await;
    let (another, _) = session_with_business(&app, &app.user().await).await;
    for target in ["unknown", SHOP] {
        let rejected = change_app(&app.tokens, &holder, target).await;
        assert!(
            matches!(rejected, Err(TokenError::TokenNotValid)),
            "{target}: {rejected:?}"
        );
        let rejected = change_app(&app.tokens, &another, target).await;
        assert!(
            matches!(rejected, Err(TokenError::ClientNotUsable)),
            "{target}: {rejected:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_or_unlinked_business_is_rejected() {
    let app = app().await;
    let user = app.user().await;
    let (holder, _) = session_with_business(&app, &user).await;
    let linked = app.stores.identities.find(&user).await.unwrap().unwrap();
    remove_user(&app.stores, &user).await;
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    let mut unlinked = linked.clone();
    unlinked.businesses.clear();
    restore_user(&app.stores, &unlinked).await;
    let rejected = change_app(&app.tokens, &holder, SHOP).await;
    assert!(matches!(rejected, Err(TokenError::BusinessNotLinked)), "{rejected:?}");
    app.stores.identities.replace(&linked).await.unwrap();
    change_app(&app.tokens, &holder, SHOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_user_is_rejected() {
    let app = app().await;
    let rejected = change_app(&app.tokens, &caller(PORTAL), SHOP).await;
    assert!(matches!(rejected, Err(TokenError::NotPermitted)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn change_app_survives_each_store_failure() {
    for outage in [Outage::Unreachable, Outage::AnswerLost] {
        let app = app().await;
        let user = app.user().await;
        let (holder, _) = session_with_business(&app, &user).await;
        let mut number = 0;
        loop {
            let fault = Arc::new(FailNthCall::new(number, outage));
            let injector: Arc<dyn FaultInjector> = fault.clone();
            let answer = change_app(&app.with_faults(&injector), &holder, SHOP).await;
            if !fault.has_failed() {
                break;
            }
            assert!(matches!(answer, Err(TokenError::Failed(_))), "call {number} {outage:?}");
            branch(&app, &holder).await;
            number += 1;
        }
        assert!(number >= 7, "it calls its stores {number} times only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_from_a_sessionless_token_end_with_it() {
    let app = app().await;
    let user = app.user().await;
    let first = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let sessionless = app.close(first.refresh_token.as_ref().unwrap()).await.unwrap();
    let (holder, ends_at) = (app.caller_of(&sessionless), sessionless.expires_at);
    app.clock.advance(Duration::from_secs(100));
    let token = change_app_token(&app.tokens, &holder, SHOP).await;
    let at_the_shop = redeem(&app, &token).await.unwrap();
    assert_eq!(at_the_shop.expires_at, ends_at);
    assert_eq!(family_of(&app, &at_the_shop).await.absolute_expires_at, ends_at);
    let renewed = renew_as(&app.tokens, &holder, by_identity_provider(&user))
        .await
        .unwrap();
    assert_eq!((renewed.refresh_token, renewed.expires_at), (None, ends_at));
    // The same holds for a validation token that is renewed without a session.
    let token = change_app_token(&app.tokens, &holder, SHOP).await;
    let again = renew_as(&app.tokens, &caller(SHOP), by_token(&token, false))
        .await
        .unwrap();
    assert_eq!((again.refresh_token, again.expires_at), (None, ends_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_never_outlives_its_session() {
    let app = app().await;
    let user = app.user().await;
    let (_, refresh) = session(&app, &user).await;
    let ends_at = renew_until_absolute_expiry(&app, refresh.clone()).await;
    app.clock.set(ends_at - Duration::from_secs(100));
    let family = app.family_of(&refresh).await;
    let current = app.refresh_token_codec.encode(&family.current_token());
    let tokens = app.renew(&current).await.unwrap();
    assert_eq!(tokens.expires_at.as_second(), ends_at.as_second());
}
