//! Introspection: what is told of a token, and that a dead one is told nothing of.

use std::sync::Arc;
use std::time::Duration;

use domain::caller::VerifiedToken;
use domain::ids::UserId;
use domain::tokens::FamilyStatus;
use use_cases::tokens::{ActiveRefreshToken, InspectedToken, Introspection, IssuedTokens};

use crate::change_app::changed;
use crate::world::meddling::{Calls, FailsOnce, Meddler, Outage};
use crate::world::{GRACE, PORTAL, World, by_identity_provider, client_id, renew};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The access token of an answer, as its verifier sees it.
pub(crate) fn access(world: &World, tokens: &IssuedTokens) -> InspectedToken {
    let content = world.signer.content(&tokens.access_token);
    InspectedToken::Access(Arc::new(VerifiedToken {
        caller: world.caller_of(tokens).caller,
        id: content.id,
        issuer: "https://authme.test".to_owned(),
        audience: "authme".to_owned(),
        issued_at: content.issued_at,
    }))
}

fn text(token: &str) -> InspectedToken {
    InspectedToken::Other(token.to_owned())
}

async fn introspect(world: &World, token: &InspectedToken) -> Introspection {
    world.tokens.introspect_token.run(token).await.unwrap()
}

async fn is_active(world: &World, token: &InspectedToken) -> bool {
    introspect(world, token).await != Introspection::Inactive
}

/// Both tokens of a new session.
struct Session {
    access: InspectedToken,
    refresh: String,
    holder: domain::caller::Call,
}

impl Session {
    async fn of(world: &World, user: &UserId) -> Self {
        let tokens = renew(&world.tokens, by_identity_provider(user)).await.unwrap();
        Self::new(world, tokens)
    }

    fn new(world: &World, tokens: IssuedTokens) -> Self {
        Self {
            access: access(world, &tokens),
            holder: world.caller_of(&tokens),
            refresh: tokens.refresh_token.unwrap(),
        }
    }

    /// Made from this one.
    async fn branch(&self, world: &World) -> Self {
        let token = changed(&world.tokens, &self.holder, PORTAL).await;
        Self::new(world, world.renew(&token).await.unwrap())
    }

    async fn log_out(&self, world: &World) {
        let token = text(&self.refresh);
        world.tokens.revoke_token.run(&self.holder, &token).await.unwrap();
    }

    async fn are_active(&self, world: &World) -> [bool; 2] {
        [
            is_active(world, &self.access).await,
            is_active(world, &text(&self.refresh)).await,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_a_living_session_is_told() {
    let world = World::new().await;
    let session = Session::of(&world, &world.user().await).await;
    let InspectedToken::Access(token) = &session.access else {
        unreachable!("it is an access token");
    };
    let told = introspect(&world, &session.access).await;
    assert_eq!(told, Introspection::AccessToken(token.clone()));
    let family = world.family_of(&session.refresh).await;
    let told = introspect(&world, &text(&session.refresh)).await;
    let expected = ActiveRefreshToken {
        client: client_id(PORTAL),
        user: family.origin.user,
        session: family.id,
        expires_at: family.idle_expires_at,
    };
    assert_eq!(told, Introspection::RefreshToken(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_token_asks_for_its_client_alone() {
    let world = World::new().await;
    let token = InspectedToken::Access(Arc::new(VerifiedToken {
        caller: crate::world::caller(PORTAL).caller,
        id: "id".to_owned(),
        issuer: "https://authme.test".to_owned(),
        audience: "authme".to_owned(),
        issued_at: domain::time::Timestamp::UNIX_EPOCH,
    }));
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn Meddler> = calls.clone();
    let told = world.meddled(&watched).introspect_token.run(&token).await.unwrap();
    assert!(matches!(told, Introspection::AccessToken(_)), "{told:?}");
    assert_eq!(calls.seen(), ["clients.find"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_ours_is_inactive_and_asks_no_store() {
    let world = World::new().await;
    let session = Session::of(&world, &world.user().await).await;
    let another_mac = session.refresh.replacen(".1.", ".2.", 1);
    let validation = changed(&world.tokens, &session.holder, PORTAL).await;
    let calls = Arc::new(Calls::default());
    let watched: Arc<dyn Meddler> = calls.clone();
    let tokens = world.meddled(&watched);
    for token in ["x", "rt_", "rt_a.1.b.c.d", "vt_", &another_mac, &validation] {
        let told = tokens.introspect_token.run(&text(token)).await.unwrap();
        assert_eq!(told, Introspection::Inactive, "{token}");
    }
    assert_eq!(calls.seen(), Vec::<&str>::new());
    world.renew(&validation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_users_tokens_are_inactive_at_once_and_stay_so_after_an_unlock() {
    let world = World::new().await;
    let user = world.user().await;
    let session = Session::of(&world, &user).await;
    let without_session = world.validation_token(&user).await;
    let without_session = access(&world, &world.forget(&without_session).await.unwrap());
    assert!(is_active(&world, &without_session).await);
    world.lock(&user).await;
    for _ in 0..2 {
        assert_eq!(session.are_active(&world).await, [false, false]);
        assert!(!is_active(&world, &without_session).await);
        world.unlock(&user).await;
    }
    assert_eq!(Session::of(&world, &user).await.are_active(&world).await, [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_current_refresh_token_is_active_and_asking_changes_nothing() {
    let world = World::new().await;
    let session = Session::of(&world, &world.user().await).await;
    let second = world.successor(&session.refresh).await;
    // Inside the grace time it would get the same successor again; it is spent all the same.
    assert!(!is_active(&world, &text(&session.refresh)).await);
    let third = world.successor(&second).await;
    world.clock.advance(GRACE);
    let family = world.family_of(&third).await;
    for spent in [&session.refresh, &second] {
        assert!(!is_active(&world, &text(spent)).await);
    }
    assert_eq!(world.family_of(&third).await, family);
    assert_eq!(world.figures.replays(), 0);
    assert!(is_active(&world, &text(&third)).await);
    // The access token belongs to the session, whichever generation it came with.
    assert!(is_active(&world, &session.access).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_is_inactive() {
    let world = World::new().await;
    let user = world.user().await;
    let (closed, revoked) = (Session::of(&world, &user).await, Session::of(&world, &user).await);
    let branch = closed.branch(&world).await;
    world.forget(&closed.refresh).await.unwrap();
    revoked.log_out(&world).await;
    assert_eq!(closed.are_active(&world).await, [false, false]);
    assert_eq!(revoked.are_active(&world).await, [false, false]);
    assert_eq!(branch.are_active(&world).await, [true, true], "a closed root's branch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_inactive_as_soon_as_its_root_is_revoked() {
    let world = World::new().await;
    let root = Session::of(&world, &world.user().await).await;
    let branch = root.branch(&world).await;
    assert_eq!(branch.are_active(&world).await, [true, true]);
    root.log_out(&world).await;
    assert_eq!(branch.are_active(&world).await, [false, false]);
    // Nobody had to end it for that, and asking did not.
    assert_eq!(world.family_of(&branch.refresh).await.status, FamilyStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_inactive_from_the_exact_instant_of_its_end() {
    let world = World::new().await;
    let session = Session::of(&world, &world.user().await).await;
    let end = world.family_of(&session.refresh).await.idle_expires_at;
    world.clock.set(end.checked_sub(MILLISECOND).unwrap());
    assert_eq!(session.are_active(&world).await, [true, true]);
    world.clock.set(end);
    assert_eq!(session.are_active(&world).await, [false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_nobody_knows_is_inactive() {
    let world = World::new().await;
    let session = Session::of(&world, &world.user().await).await;
    let InspectedToken::Access(token) = &session.access else {
        unreachable!("it is an access token");
    };
    let mut caller = (*token.caller).clone();
    caller.user.as_mut().unwrap().session = domain::ids::FamilyId::parse("unknown").ok();
    let unknown = InspectedToken::Access(Arc::new(VerifiedToken {
        caller: Arc::new(caller),
        ..(**token).clone()
    }));
    assert!(!is_active(&world, &unknown).await);
    let mut unknown = world.opened(&session.refresh);
    unknown.family = domain::ids::FamilyId::parse("unknown").unwrap();
    assert!(!is_active(&world, &text(&world.refresh_token_codec.encode(&unknown))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_no_answer() {
    let world = World::new().await;
    let root = Session::of(&world, &world.user().await).await;
    let branch = root.branch(&world).await;
    for token in [&branch.access, &text(&branch.refresh)] {
        let mut number = 0;
        loop {
            let fault = Arc::new(FailsOnce::at(number, Outage::Away));
            let meddler: Arc<dyn Meddler> = fault.clone();
            let told = world.meddled(&meddler).introspect_token.run(token).await;
            if !fault.has_failed() {
                break;
            }
            assert!(told.is_err(), "call {number}: {told:?}");
            number += 1;
        }
        assert_eq!(
            number, 5,
            "session, ancestor, credential, user and client are looked at"
        );
    }
}
