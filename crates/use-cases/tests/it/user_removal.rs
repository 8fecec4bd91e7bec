//! The removal of a user: what it leaves at every step, and what a later user of the id inherits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::caller::Call;
use domain::directory::events::IDENTITY_REMOVED;
use domain::identity::Identity;
use domain::ids::UserId;
use ports::{IdentitySaveOutcome, StoreError, Stores};
use test_support::TestApp;
use test_support::calls::{PORTAL, address_of, by_token, caller, mobile, renew, saml_login, user_at_the_portal};
use test_support::fault_injection::{FaultInjector, Interleave, Outage, RecordedCalls, with_faults};
use test_support::fixtures;
use test_support::user_removal::erase_removed_users;
use use_cases::directory::RemoveUserError;
use use_cases::factors::ContactError;
use use_cases::sessions::{ActiveCheck, IssuedTokens, TokenError};
use use_cases::tokens::{IssuedValidationToken, TokensUseCases};

use crate::change_app::change_app;

/// Returns the later user of an id.
fn heir(user: &UserId) -> Identity {
    fixtures::user(user.as_str(), &format!("heir-of-{user}@example.com"), &["USER"])
}

async fn remove(app: &TestApp, stores: &Stores, user: &UserId) -> Result<(), RemoveUserError> {
    let remove_user = app.directory_over(stores).remove_user;
    remove_user.run_for_operator("root", user).await
}

/// Removes the user, erases everything, and gives the id to another.
async fn replace_by_heir(app: &TestApp, user: &UserId) {
    remove(app, &app.stores, user).await.unwrap();
    app.erase_removed_users().await;
    let created = app.stores.identities.create(&heir(user)).await.unwrap();
    assert_eq!(created, IdentitySaveOutcome::Saved);
}

async fn add_contact(app: &TestApp, stores: &Stores, call: &Call, user: &UserId) -> Result<(), ContactError> {
    let add_contacts = app.factors_over(stores).add_contacts;
    let added = add_contacts.run(call, user, &[mobile("mobile-1", "911113333")]).await;
    added.map(drop)
}

/// Logs a user in by SAML.
async fn log_in(tokens: &TokensUseCases, address: &str) -> Result<IssuedValidationToken, TokenError> {
    let issued = tokens.handle_auth.run(&caller("saml"), saml_login(address)).await?;
    Ok(issued.into_inner())
}

async fn is_active(app: &TestApp, call: &Call) -> bool {
    let check = ActiveCheck::new(&app.stores, app.clock.clone());
    check.check_caller(&call.caller).await.is_ok()
}

/// Asserts that the id, which belongs to its heir by now, has nothing of the removed user.
async fn assert_inherits_nothing(app: &TestApp, user: &UserId, context: &str) {
    assert_eq!(
        app.stores.identities.find(user).await.unwrap(),
        Some(heir(user)),
        "{context}"
    );
    let set = app.factor_set(user).await;
    assert!(set.contacts.is_empty() && set.codes.is_empty(), "{context}: {set:?}");
    let found = app.stores.identities.find_by_login(&address_of(user)).await.unwrap();
    assert!(found.is_none_or(|found| found.id != *user), "{context}");
}

/// Asserts that tokens that a request got while the user was replaced are worth nothing.
async fn assert_worthless(app: &TestApp, tokens: Result<IssuedTokens, TokenError>, user: &UserId, context: &str) {
    let Ok(tokens) = tokens else { return };
    let holder = app.caller_of(&tokens);
    if holder.user_id() != Some(user) {
        return;
    }
    assert!(!is_active(app, &holder).await, "{context}: an active access token");
    if let Some(refresh) = &tokens.refresh_token {
        assert!(app.renew(refresh).await.is_err(), "{context}: a refresh token");
    }
    let changed = change_app(&app.tokens, &holder, PORTAL).await;
    assert!(changed.is_err(), "{context}: a validation token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_leaves_nothing_to_the_next() {
    let app = TestApp::new().await;
    let user = app.user().await;
    let refresh = app.session(&user).await;
    let tokens = app.renew(&refresh).await.unwrap();
    let (holder, refresh) = (app.caller_of(&tokens), tokens.refresh_token.unwrap());
    let validation_token = app.validation_token(&user).await;
    let me = user_at_the_portal(&user);
    add_contact(&app, &app.stores, &me, &user).await.unwrap();
    remove(&app, &app.stores, &user).await.unwrap();
    let again = remove(&app, &app.stores, &user).await;
    assert!(matches!(again, Err(RemoveUserError::UserNotFound)), "{again:?}");
    assert!(!is_active(&app, &holder).await);
    assert!(matches!(app.renew(&refresh).await, Err(TokenError::UserNotFound)));
    let created = app.stores.identities.create(&heir(&user)).await.unwrap();
    assert_eq!(created, IdentitySaveOutcome::Removed);
    app.erase_removed_users().await;
    let created = app.stores.identities.create(&heir(&user)).await.unwrap();
    assert_eq!(created, IdentitySaveOutcome::Saved);

    assert_inherits_nothing(&app, &user, "after the removal").await;
    assert!(!is_active(&app, &holder).await);
    for token in [&refresh, &validation_token] {
        let rejected = renew(&app.tokens, by_token(token, true)).await;
        assert!(matches!(rejected, Err(TokenError::TokenNotValid)), "{rejected:?}");
    }
    let shown = app.factors.list_own_contacts.run(&me.client, me.user.as_ref().unwrap());
    assert!(shown.await.is_err());
    let rejected = add_contact(&app, &app.stores, &me, &user).await;
    assert!(matches!(rejected, Err(ContactError::UserNotFound)), "{rejected:?}");
    let status = app.stores.lock_statuses.read_linearizable(&user).await.unwrap();
    assert_eq!((status.is_locked, status.epoch), (false, 1));
    let session = app.session(&user).await;
    let own = app.caller_of(&app.renew(&session).await.unwrap());
    assert!(is_active(&app, &own).await);
    assert!(
        app.factors
            .list_own_contacts
            .run(&own.client, own.user.as_ref().unwrap())
            .await
            .is_ok()
    );
    add_contact(&app, &app.stores, &own, &user).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_stays_when_its_user_is_removed() {
    let app = TestApp::new().await;
    let user = app.user().await;
    app.lock(&user).await;
    replace_by_heir(&app, &user).await;
    let status = app.stores.lock_statuses.read_linearizable(&user).await.unwrap();
    assert_eq!((status.is_locked, status.epoch), (true, 2));
    let rejected = log_in(&app.tokens, &format!("heir-of-{user}@example.com")).await;
    assert!(matches!(rejected, Err(TokenError::CredentialLocked)), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saml_login_creates_another_user_in_place_of_a_removed_one() {
    let app = TestApp::new().await;
    let user = app.user().await;
    remove(&app, &app.stores, &user).await.unwrap();
    let issued = log_in(&app.tokens, &address_of(&user)).await.unwrap();
    assert_ne!(issued.user, user);
    app.erase_removed_users().await;
    let found = app.stores.identities.find_by_login(&address_of(&user)).await.unwrap();
    assert_eq!(found.unwrap().id, issued.user);
    assert_eq!(app.stores.identities.find(&user).await.unwrap(), None);
}

/// Ends the process at a store call, counted from 0: no later call is made. The call itself is carried out if its answer
/// is what is lost.
struct KillAt {
    number: usize,
    outage: Outage,
    calls: AtomicUsize,
}

#[async_trait]
impl FaultInjector for KillAt {
    async fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let is_dead = number > self.number || (number == self.number && self.outage == Outage::Unreachable);
        if is_dead {
            Err(StoreError::Unavailable(call.into()))
        } else {
            Ok(())
        }
    }

    async fn after(&self, call: &'static str) -> Result<(), StoreError> {
        if self.calls.load(Ordering::SeqCst) > self.number {
            return Err(StoreError::OutcomeUnknown(call.into()));
        }
        Ok(())
    }
}

/// Returns whether the removal of the user began, and checks that it began as a whole.
async fn has_begun(app: &TestApp, user: &UserId, context: &str) -> bool {
    let removals = app.events_of(user).await;
    let removals = removals.iter().filter(|event| event.kind == IDENTITY_REMOVED).count();
    let found = app.stores.identities.find(user).await.unwrap();
    assert_eq!(removals, usize::from(found.is_none()), "{context}");
    if found.is_some() {
        assert_eq!(app.factor_set(user).await.contacts.len(), 1, "{context}");
        assert_eq!(app.renewable_tokens(user).await.len(), 1, "{context}");
    }
    found.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_is_killed_at_any_step_is_completed_by_repeating_it() {
    let app = TestApp::new().await;
    for outage in [Outage::Unreachable, Outage::AnswerLost] {
        for number in 0.. {
            let context = format!("{outage:?} at call {number}");
            let user = app.user().await;
            let refresh = app.session(&user).await;
            add_contact(&app, &app.stores, &user_at_the_portal(&user), &user)
                .await
                .unwrap();
            app.events().await;
            let kill = Arc::new(KillAt {
                number,
                outage,
                calls: AtomicUsize::new(0),
            });
            let injector: Arc<dyn FaultInjector> = kill.clone();
            let dying = with_faults(&app.stores, &injector);
            let _ = remove(&app, &dying, &user).await;
            let _ = erase_removed_users(&dying).run().await;
            let is_complete = kill.calls.load(Ordering::SeqCst) <= number;

            if !has_begun(&app, &user, &context).await {
                remove(&app, &app.stores, &user).await.unwrap();
            }
            let created = app.stores.identities.create(&heir(&user)).await.unwrap();
            let pending = app.stores.identities.pending_removals(None, 10).await.unwrap();
            if created == IdentitySaveOutcome::Removed {
                assert_eq!(pending.len(), 1, "{context}");
                app.erase_removed_users().await;
                let created = app.stores.identities.create(&heir(&user)).await.unwrap();
                assert_eq!(created, IdentitySaveOutcome::Saved, "{context}");
            } else {
                assert_eq!((created, pending.len()), (IdentitySaveOutcome::Saved, 0), "{context}");
            }
            assert_inherits_nothing(&app, &user, &context).await;
            assert!(
                matches!(app.renew(&refresh).await, Err(TokenError::TokenNotValid)),
                "{context}"
            );
            let status = app.stores.lock_statuses.read_linearizable(&user).await.unwrap();
            assert!(status.epoch >= 1, "{context}");
            if is_complete {
                assert!(number >= 8, "only {number} steps");
                break;
            }
        }
    }
}

/// The requests that a removal may overtake.
#[derive(Debug, Clone, Copy)]
enum Path {
    Renewal,
    Closing,
    Redemption,
    Login,
    ChangeApp,
    AddContact,
}

impl Path {
    const ALL: [Self; 6] = [
        Self::Renewal,
        Self::Closing,
        Self::Redemption,
        Self::Login,
        Self::ChangeApp,
        Self::AddContact,
    ];
}

/// Runs a request of the user over these stores, and redeems what it got.
async fn run(app: &TestApp, path: Path, held: &Held, stores: &Stores) -> Result<IssuedTokens, TokenError> {
    let tokens = app.with_stores(stores);
    let validation_token = match path {
        Path::Renewal => return renew(&tokens, by_token(&held.refresh, true)).await,
        Path::Closing => return renew(&tokens, by_token(&held.refresh, false)).await,
        Path::Redemption => return renew(&tokens, by_token(&held.validation_token, true)).await,
        Path::Login => log_in(&tokens, &address_of(&held.user)).await?.validation_token,
        Path::ChangeApp => change_app(&tokens, &held.holder, PORTAL).await?.validation_token,
        Path::AddContact => {
            let added = add_contact(app, stores, &held.holder, &held.user).await;
            assert!(matches!(added, Ok(()) | Err(ContactError::UserNotFound)), "{added:?}");
            return Err(TokenError::UserNotFound);
        }
    };
    renew(&app.tokens, by_token(validation_token.reveal(), true)).await
}

struct Held {
    user: UserId,
    refresh: String,
    validation_token: String,
    holder: Call,
}

async fn hold_tokens(app: &TestApp) -> Held {
    let user = app.user().await;
    let session = app.session(&user).await;
    let tokens = app.renew(&session).await.unwrap();
    Held {
        holder: app.caller_of(&tokens),
        refresh: tokens.refresh_token.unwrap(),
        validation_token: app.validation_token(&user).await,
        user,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_a_removal_overtakes_reaches_the_next_user() {
    let app = Arc::new(TestApp::new().await);
    let mut overtaken = 0;
    for path in Path::ALL {
        let recorded = Arc::<RecordedCalls>::default();
        let injector: Arc<dyn FaultInjector> = recorded.clone();
        let held = hold_tokens(&app).await;
        let _ = run(&app, path, &held, &with_faults(&app.stores, &injector)).await;
        let calls: BTreeSet<_> = recorded.names().into_iter().collect();
        assert!(
            calls.len() >= 3 || matches!(path, Path::AddContact),
            "{path:?}: {calls:?}"
        );
        for call in calls {
            for is_after in [false, true] {
                let context = format!("{path:?}, {} {call}", if is_after { "after" } else { "before" });
                let held = hold_tokens(&app).await;
                let (inner, user) = (app.clone(), held.user.clone());
                let action = move || async move { replace_by_heir(&inner, &user).await };
                let injector = if is_after {
                    Interleave::after(call, action)
                } else {
                    Interleave::before(call, action)
                };
                let tokens = run(&app, path, &held, &with_faults(&app.stores, &injector)).await;
                assert_worthless(&app, tokens, &held.user, &context).await;
                assert_inherits_nothing(&app, &held.user, &context).await;
                overtaken += 1;
            }
        }
    }
    assert!(overtaken >= 40, "{overtaken} interleavings");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contacts_added_while_a_user_is_removed_are_erased() {
    let app = Arc::new(TestApp::new().await);
    for round in 0..50 {
        let user = app.user().await;
        let adding = (0..4).map(|number| {
            let (app, user) = (app.clone(), user.clone());
            tokio::spawn(async move {
                let draft = mobile(&format!("mobile-{number}"), &format!("91111333{number}"));
                let _ = app.factors.add_contacts.run(&caller(PORTAL), &user, &[draft]).await;
            })
        });
        let adding: Vec<_> = adding.collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        remove(&app, &app.stores, &user).await.unwrap();
        app.erase_removed_users().await;
        for added in adding {
            added.await.unwrap();
        }
        let set = app.factor_set(&user).await;
        assert!(set.contacts.is_empty(), "round {round}: {set:?}");
        assert_eq!(app.stores.identities.pending_removals(None, 10).await.unwrap(), []);
    }
}
