//! The hand-off from a SAML integration.

use std::sync::Arc;

use async_trait::async_trait;
use domain::group::Group;
use domain::identity::Identity;
use domain::ids::{BusinessId, UserId};
use ports::{Clock as _, Identities, IdentitySaveOutcome, StoreError};
use use_cases::tokens::{HandleAuthRequest, TokenError, TokensPorts, TokensSettings};

use crate::test_app::{PORTAL, TestApp, address_of, by_token, caller, client_id, hand_off, renew, renew_as};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_person_becomes_a_user_only_where_the_target_asks_for_it() {
    let app = TestApp::new().await;
    app.change_client(PORTAL, |portal| portal.creates_users = false).await;
    let refused = app
        .tokens
        .handle_auth
        .run(&caller("saml"), hand_off("new@example.com"))
        .await;
    assert!(matches!(refused, Err(TokenError::UserNotFound)));
    app.change_client(PORTAL, |portal| portal.creates_users = true).await;
    let first = app
        .tokens
        .handle_auth
        .run(&caller("saml"), hand_off("new@example.com"))
        .await;
    let again = app
        .tokens
        .handle_auth
        .run(&caller("saml"), hand_off("NEW@example.com"))
        .await;
    let (first, again) = (first.unwrap().into_inner(), again.unwrap().into_inner());
    assert_eq!(first.user, again.user);
    let made = app.stores.identities.find(&first.user).await.unwrap().unwrap();
    assert_eq!(made.roles, TokensSettings::default().saml_default_roles);
}

/// Logins that somebody reserved for a user, and did not live to write it.
struct ReservedLogins {
    holder: UserId,
    inner: Arc<dyn Identities>,
}

#[async_trait]
impl Identities for ReservedLogins {
    async fn find(&self, id: &UserId) -> Result<Option<Identity>, StoreError> {
        self.inner.find(id).await
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Identity>, StoreError> {
        self.inner.find_by_login(login).await
    }

    async fn create(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        if identity.id == self.holder {
            return self.inner.create(identity).await;
        }
        let by = self.holder.clone();
        Ok(IdentitySaveOutcome::LoginTaken { by })
    }

    async fn replace(&self, identity: &Identity) -> Result<IdentitySaveOutcome, StoreError> {
        self.inner.replace(identity).await
    }

    async fn remove(&self, id: &UserId) -> Result<bool, StoreError> {
        self.inner.remove(id).await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_maker_died_is_finished_under_the_id_that_holds_the_login() {
    let app = TestApp::new().await;
    let holder = UserId::parse("begun").unwrap();
    let identities = ReservedLogins {
        holder: holder.clone(),
        inner: app.stores.identities.clone(),
    };
    let tokens = app.wired(&TokensPorts {
        identities: Arc::new(identities),
        ..app.ports.clone()
    });
    let handed_off = tokens
        .handle_auth
        .run(&caller("saml"), hand_off("new@example.com"))
        .await
        .unwrap();
    assert_eq!(handed_off.into_inner().user, holder);
    let found = app.stores.identities.find_by_login("new@example.com").await.unwrap();
    assert_eq!(found.map(|identity| identity.id), Some(holder));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_groups_grant_nothing_unless_the_target_requires_known_ones() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let staff = Group {
        name: "staff".to_owned(),
        roles: vec!["STAFF".to_owned()],
    };
    app.stores.groups.save(&staff).await.unwrap();
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned(), "strangers".to_owned()],
        ..hand_off(&address_of(&user))
    };
    let handed_off = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request.clone())
        .await
        .unwrap()
        .into_inner();
    let tokens = renew(&app.tokens, by_token(handed_off.validation_token.reveal(), true)).await;
    let roles = app.signer.content(&tokens.unwrap().access_token).roles;
    assert_eq!(roles, ["CLI-1STPARTY", "USER", "STAFF"]);
    app.change_client(PORTAL, |portal| portal.requires_known_groups = true)
        .await;
    let refused = app.tokens.handle_auth.run(&caller("saml"), request).await;
    assert!(matches!(refused, Err(TokenError::GroupNotKnown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_calling_client_may_not_assert_is_left_out_before_anything_is_stored() {
    let app = TestApp::new().await;
    let user = app.user().await;
    for (name, role) in [("staff", "STAFF"), ("admins", "ADMIN")] {
        let group = Group {
            name: name.to_owned(),
            roles: vec![role.to_owned()],
        };
        app.stores.groups.save(&group).await.unwrap();
    }
    let request = HandleAuthRequest {
        groups: ["strangers", "admins", "staff"].map(str::to_owned).to_vec(),
        ..hand_off(&address_of(&user))
    };
    let may_assert: [(&[&str], &[&str], &[&str]); 4] = [
        (&[], &[], &[]),
        (&["strangers"], &[], &[]),
        (&["*"], &["staff"], &[]),
        (&["*", "admins"], &["admins", "staff"], &["admins"]),
    ];
    for (may_assert, names, administrative) in may_assert {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        app.change_client("saml", |saml| saml.may_assert = owned(may_assert))
            .await;
        let handle_auth = &app.tokens.handle_auth;
        let handed_off = handle_auth.run(&caller("saml"), request.clone()).await.unwrap();
        let ticket = handed_off.into_inner().validation_token;
        let hash = app.ports.hasher.hash(ticket.reveal());
        let stored = app.stores.validation_tokens.find(&hash, app.clock.now()).await;
        let stored = stored.unwrap().unwrap();
        assert_eq!(stored.groups, owned(names), "{may_assert:?}");
        assert_eq!(stored.administrative_groups, owned(administrative), "{may_assert:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_must_be_a_usable_client() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let elsewhere = HandleAuthRequest {
        target_client: client_id("unknown"),
        ..hand_off(&address_of(&user))
    };
    let refused = app.tokens.handle_auth.run(&caller("saml"), elsewhere).await;
    assert!(matches!(refused, Err(TokenError::ClientNotUsable)));
    app.change_client(PORTAL, |portal| portal.accepts_saml = false).await;
    let refused = app
        .tokens
        .handle_auth
        .run(&caller("saml"), hand_off(&address_of(&user)))
        .await;
    assert!(matches!(refused, Err(TokenError::ClientNotUsable)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_business_of_a_hand_off_follows_its_session_until_it_is_unlinked() {
    let app = TestApp::new().await;
    let business = BusinessId::parse("business").unwrap();
    let request = HandleAuthRequest {
        business: Some(business.clone()),
        ..hand_off("new@example.com")
    };
    let handed_off = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = renew(&app.tokens, by_token(handed_off.validation_token.reveal(), true)).await;
    let tokens = tokens.unwrap();
    let holder = app.caller_of(&tokens);
    assert_eq!(holder.user.as_ref().unwrap().business, Some(business));
    let mut identity = app.stores.identities.find(&handed_off.user).await.unwrap().unwrap();
    identity.businesses.clear();
    app.stores.identities.replace(&identity).await.unwrap();
    let refresh = tokens.refresh_token.unwrap();
    let refused = renew_as(&app.tokens, &holder, by_token(&refresh, true)).await;
    assert!(matches!(refused, Err(TokenError::BusinessNotLinked)));
    assert_eq!(app.family_of(&refresh).await.generation, 1);
}
