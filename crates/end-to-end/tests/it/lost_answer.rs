//! The store made a rotation, and its answer is lost on the way.

use end_to_end::{Direction, Flow, Installation, Options, Servers, Service, Store};

/// What the command that rotates says, and no other.
const ROTATION: &str = "previousNonce";

/// Without grace nobody else could tell who the successor is for.
pub(crate) async fn a_rotation_is_recognised_even_without_grace(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    installation.user("ana@example.com", &[]).await;
    let mut store = Store::before(&servers);
    let strict = Options::default()
        .mongodb_uri(&store.uri)
        .setting("tokens.refresh_grace", "0s");
    let _tokens = installation.start(Service::Tokens, &strict).await;
    let caller = installation.caller();
    let portal = caller.client_token(&cast.portal).await;
    let session = caller.session(&cast, "ana@example.com").await;
    let first = session.text("refreshToken");

    store.proxy.trap(ROTATION, Direction::ToClient, Flow::Hold);
    let renewing = tokio::spawn(caller.renew(&portal, &first, true).answer());
    store.proxy.trapped().await;
    store.proxy.reset();
    store.proxy.pass().expect("the port is ours");

    let second = renewing.await.unwrap().with_status(200).text("refreshToken");
    assert_ne!(second, first);
    let third = caller.renew(&portal, &second, true).answer().await.with_status(200);
    assert_ne!(third.text("refreshToken"), second);
    caller.renew(&portal, &first, true).answer().await.with_status(401);
}
