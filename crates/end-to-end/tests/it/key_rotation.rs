//! Rotation and revocation of signing keys without a restart.

use std::time::Duration;

use domain::time::Timestamp;
use end_to_end::{Installation, Options, Servers, eventually};
use serde_json::Value;

use crate::jwt::{claims, kid};

const EMAIL: &str = "ana@example.com";
const WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn services_accept_the_next_key_without_a_restart(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    installation.register_user(EMAIL, &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();
    let before = caller.start_session(&fixtures, EMAIL).await.text("accessToken");
    caller.own_contacts(&before).send().await.expect_status(200);

    let soon = claims(&before)["iat"].as_i64().expect("a time") + 3;
    let soon = Timestamp::from_second(soon).expect("a time").to_string();
    let generated = installation
        .operate(&["keys", "generate", "--signs-from", &soon, "--force"])
        .await;
    let next = generated[0]["kid"].as_str().expect("a key");

    let key_set = || caller.page(end_to_end::Service::Tokens, "/security/iam/v1/keys");
    let published = eventually("both keys are published", WITHIN, async || {
        let published = kids(&key_set().send().await.expect_status(200).json());
        (published.len() == 2).then_some(published)
    });
    let published = published.await;
    assert!(
        published.contains(&next.to_owned()) && published.contains(&kid(&before)),
        "{published:?}"
    );

    let after = eventually("the next key signs", WITHIN, async || {
        let token = caller.start_session(&fixtures, EMAIL).await.text("accessToken");
        (kid(&token) == next).then_some(token)
    });
    let after = after.await;
    for token in [&after, &before] {
        caller.own_contacts(token).send().await.expect_status(200);
    }
    let desk = caller.client_token(&fixtures.desk).await;
    assert_eq!(kid(&desk), next);
    let ana = claims(&after)["sub"].as_str().expect("a user").to_owned();
    caller.lock(&desk, &ana).send().await.expect_status(204);
}

pub(crate) async fn every_service_rejects_a_revoked_key(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    installation.register_user(EMAIL, &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();
    let user = caller.start_session(&fixtures, EMAIL).await.text("accessToken");
    let desk = caller.client_token(&fixtures.desk).await;
    let ana = claims(&user)["sub"].as_str().expect("a user").to_owned();
    caller.own_contacts(&user).send().await.expect_status(200);
    caller.unlock(&desk, &ana).send().await.expect_status(204);

    installation.operate(&["keys", "revoke", &kid(&user)]).await;
    for (service, token) in [("factors", &user), ("credential-lock", &desk)] {
        let what = format!("{service} rejects tokens of the revoked key");
        eventually(&what, WITHIN, async || {
            let response = match service {
                "factors" => caller.own_contacts(token).send().await,
                _ => caller.unlock(token, &ana).send().await,
            };
            (response.status == 401).then_some(())
        })
        .await;
    }
    // The services fetch the unknown key as soon as they see its token.
    let after = caller.start_session(&fixtures, EMAIL).await.text("accessToken");
    assert_ne!(kid(&after), kid(&user));
    caller.own_contacts(&after).send().await.expect_status(200);
}

fn kids(key_set: &Value) -> Vec<String> {
    let keys = key_set["keys"].as_array().expect("a key set");
    let kid = |key: &Value| key["kid"].as_str().expect("a kid").to_owned();
    keys.iter().map(kid).collect()
}
