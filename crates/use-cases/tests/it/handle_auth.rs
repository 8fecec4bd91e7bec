//! The SAML login.

use adapter_crypto::Sha256;
use ports::Stores;
use ports::tokens::ValidationTokenHasher as _;
use std::sync::Arc;

use async_trait::async_trait;
use domain::event::NewEvent;
use domain::group::Group;
use domain::identity::Identity;
use domain::ids::{BusinessId, UserId};
use domain::removal::{PendingRemoval, RemovalPart};
use ports::{Identities, IdentitySaveOutcome, RemovalOutcome, StoreError};
use use_cases::sessions::TokenError;
use use_cases::tokens::{HandleAuthRequest, TokensSettings};

use test_support::TestApp;
use test_support::calls::{PORTAL, address_of, by_token, caller, renew, renew_as, saml_login};
use test_support::fixtures::client_id;

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_email_creates_a_user_if_allowed() {
    let app = TestApp::new().await;
    app.change_client(PORTAL, |portal| portal.creates_users = false).await;
    let rejected = app
        .tokens
        .handle_auth
        .run(&caller("saml"), saml_login("new@example.com"))
        .await;
    assert!(matches!(rejected, Err(TokenError::UserNotFound)));
    app.change_client(PORTAL, |portal| portal.creates_users = true).await;
    let first = app
        .tokens
        .handle_auth
        .run(&caller("saml"), saml_login("new@example.com"))
        .await;
    let again = app
        .tokens
        .handle_auth
        .run(&caller("saml"), saml_login("NEW@example.com"))
        .await;
    let (first, again) = (first.unwrap().into_inner(), again.unwrap().into_inner());
    assert_eq!(first.user, again.user);
    let made = app.stores.identities.find(&first.user).await.unwrap().unwrap();
    assert_eq!(made.roles, TokensSettings::default().saml_default_roles);
}

/// A store in which every login is reserved for a user that was never written.
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

    async fn remove(&self, id: &UserId, event: NewEvent) -> Result<RemovalOutcome, StoreError> {
        self.inner.remove(id, event).await
    }

    async fn pending_removals(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<PendingRemoval>, StoreError> {
        self.inner.pending_removals(after, limit).await
    }

    async fn release_logins(&self, id: &UserId) -> Result<(), StoreError> {
        self.inner.release_logins(id).await
    }

    async fn finish_removal(&self, id: &UserId, part: RemovalPart) -> Result<(), StoreError> {
        self.inner.finish_removal(id, part).await
    }

    async fn page(&self, after: Option<&UserId>, limit: usize) -> Result<Vec<Identity>, StoreError> {
        self.inner.page(after, limit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_created_user_is_finished_under_its_id() {
    let app = TestApp::new().await;
    let holder = UserId::parse("half-created").unwrap();
    let identities = ReservedLogins {
        holder: holder.clone(),
        inner: app.stores.identities.clone(),
    };
    let tokens = app.with_stores(&Stores {
        identities: Arc::new(identities),
        ..app.stores.clone()
    });
    let issued = tokens
        .handle_auth
        .run(&caller("saml"), saml_login("new@example.com"))
        .await
        .unwrap();
    assert_eq!(issued.into_inner().user, holder);
    let found = app.stores.identities.find_by_login("new@example.com").await.unwrap();
    assert_eq!(found.map(|identity| identity.id), Some(holder));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_groups_are_dropped_or_rejected() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let staff = Group {
        name: "staff".to_owned(),
        roles: vec!["STAFF".to_owned()],
    };
    app.stores.groups.save(&staff).await.unwrap();
    let request = HandleAuthRequest {
        groups: vec!["staff".to_owned(), "strangers".to_owned()],
        ..saml_login(&address_of(&user))
    };
    let issued = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request.clone())
        .await
        .unwrap()
        .into_inner();
    let tokens = renew(&app.tokens, by_token(issued.validation_token.reveal(), true)).await;
    let roles = app.signer.content(&tokens.unwrap().access_token).roles;
    assert_eq!(roles, ["CLI-1STPARTY", "USER", "STAFF"]);
    app.change_client(PORTAL, |portal| portal.requires_known_groups = true)
        .await;
    let rejected = app.tokens.handle_auth.run(&caller("saml"), request).await;
    assert!(matches!(rejected, Err(TokenError::GroupNotKnown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_may_not_be_asserted_are_not_stored() {
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
        ..saml_login(&address_of(&user))
    };
    let may_assert: [(&[&str], &[&str], &[&str]); 4] = [
        (&[], &[], &[]),
        (&["strangers"], &[], &[]),
        (&["*"], &["staff"], &[]),
        (&["*", "admins"], &["admins", "staff"], &["admins"]),
    ];
    for (may_assert, names, administrative) in may_assert {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        app.change_client("saml", |saml| saml.assertable_groups = owned(may_assert))
            .await;
        let handle_auth = &app.tokens.handle_auth;
        let issued = handle_auth.run(&caller("saml"), request.clone()).await.unwrap();
        let validation_token = issued.into_inner().validation_token;
        let hash = Sha256.hash(validation_token.reveal());
        let stored = app.stores.validation_tokens.find(&hash).await;
        let stored = stored.unwrap().unwrap();
        assert_eq!(stored.groups, owned(names), "{may_assert:?}");
        assert_eq!(stored.administrative_groups, owned(administrative), "{may_assert:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_target_client_is_rejected() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let unknown_target = HandleAuthRequest {
        target_client: client_id("unknown"),
        ..saml_login(&address_of(&user))
    };
    let rejected = app.tokens.handle_auth.run(&caller("saml"), unknown_target).await;
    assert!(matches!(rejected, Err(TokenError::ClientNotUsable)));
    app.change_client(PORTAL, |portal| portal.accepts_saml = false).await;
    let rejected = app
        .tokens
        .handle_auth
        .run(&caller("saml"), saml_login(&address_of(&user)))
        .await;
    assert!(matches!(rejected, Err(TokenError::ClientNotUsable)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_keeps_the_business_until_unlinked() {
    let app = TestApp::new().await;
    let business = BusinessId::parse("business").unwrap();
    let request = HandleAuthRequest {
        business: Some(business.clone()),
        ..saml_login("new@example.com")
    };
    let issued = app
        .tokens
        .handle_auth
        .run(&caller("saml"), request)
        .await
        .unwrap()
        .into_inner();
    let tokens = renew(&app.tokens, by_token(issued.validation_token.reveal(), true)).await;
    let tokens = tokens.unwrap();
    let holder = app.caller_of(&tokens);
    assert_eq!(holder.user.as_ref().unwrap().business, Some(business));
    let mut identity = app.stores.identities.find(&issued.user).await.unwrap().unwrap();
    identity.businesses.clear();
    app.stores.identities.replace(&identity).await.unwrap();
    let refresh = tokens.refresh_token.unwrap();
    let rejected = renew_as(&app.tokens, &holder, by_token(&refresh, true)).await;
    assert!(matches!(rejected, Err(TokenError::BusinessNotLinked)));
    assert_eq!(app.family_of(&refresh).await.generation, 1);
}
