//! A write takes effect, but the response of the store is lost.

use end_to_end::{Direction, Flow, Installation, Options, ProxiedStore, Servers, Service};

/// A text that occurs only in the command of a rotation.
const ROTATION: &str = "previousNonce";

/// Disables the grace period, so that only the rotation itself can return the successor.
pub(crate) async fn rotation_with_a_lost_response_returns_its_successor(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    installation.register_user("ana@example.com", &[]).await;
    let mut store = ProxiedStore::new(&servers);
    let strict = Options::default()
        .mongodb_uri(&store.uri)
        .setting("tokens.refresh_grace", "0s");
    let _tokens = installation.start(Service::Tokens, &strict).await;
    let caller = installation.caller();
    let portal = caller.client_token(&fixtures.portal).await;
    let session = caller.start_session(&fixtures, "ana@example.com").await;
    let first = session.text("refreshToken");

    store.proxy.intercept(ROTATION, Direction::ToClient, Flow::Hold);
    let renewing = tokio::spawn(caller.renew(&portal, &first, true).send());
    store.proxy.wait_until_intercepted().await;
    store.proxy.reset();
    store.proxy.restore().expect("the port is reserved");

    let second = renewing.await.unwrap().expect_status(200).text("refreshToken");
    assert_ne!(second, first);
    let third = caller.renew(&portal, &second, true).send().await.expect_status(200);
    assert_ne!(third.text("refreshToken"), second);
    caller.renew(&portal, &first, true).send().await.expect_status(401);
}

/// A redemption makes two writes. Each text occurs in the command of one of them, and in no command before it.
const REDEMPTION_WRITES: [&str; 2] = ["startsSession", "idleExpiresAt"];

/// The response to either write of a redemption is lost. The client repeats the request and gets its one session.
pub(crate) async fn redemption_with_a_lost_response_is_repeated(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    installation.register_user("ana@example.com", &[]).await;
    let mut store = ProxiedStore::new(&servers);
    let options = Options::default()
        .mongodb_uri(&store.uri)
        .setting("tokens.redemption_grace", "30s");
    let _tokens = installation.start(Service::Tokens, &options).await;
    let caller = installation.caller();
    let portal = caller.client_token(&fixtures.portal).await;
    for write in REDEMPTION_WRITES {
        let validation = caller.validation_token(&fixtures, "ana@example.com").await;
        let redeem = || caller.renew(&portal, &validation, true);

        store.proxy.intercept(write, Direction::ToClient, Flow::Hold);
        let redeeming = tokio::spawn(redeem().send());
        store.proxy.wait_until_intercepted().await;
        store.proxy.reset();
        store.proxy.restore().expect("the port is reserved");

        let lost = redeeming.await.unwrap();
        assert!([200, 503].contains(&lost.status), "{write}: {lost:?}");
        let first = redeem().send().await.expect_status(200).text("refreshToken");
        let again = redeem().send().await.expect_status(200).text("refreshToken");
        assert_eq!(again, first, "{write}");
        caller.renew(&portal, &first, true).send().await.expect_status(200);
        redeem().send().await.expect_status(401);
    }
}
