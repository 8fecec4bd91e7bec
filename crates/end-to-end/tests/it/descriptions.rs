use std::collections::BTreeSet;

use end_to_end::{Installation, Options, Servers, Service};

fn contexts(service: Service) -> &'static [&'static str] {
    match service {
        Service::Tokens => &["tokens", "directory"],
        Service::Factors => &["factors"],
        Service::CredentialLock => &["credential-lock"],
    }
}

pub(crate) async fn each_service_describes_only_its_own_operations(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();
    let mut paths = BTreeSet::new();
    for service in Service::ALL {
        let served = caller
            .page(service, "/openapi.json")
            .send()
            .await
            .expect_status(200)
            .json();
        let served = served["paths"].as_object().expect("paths").clone();
        let mut printed = serde_json::Map::new();
        for context in contexts(service) {
            let description = installation.operate(&["openapi", context]).await;
            printed.extend(description[0]["paths"].as_object().expect("paths").clone());
        }
        assert_eq!(served, printed);
        for path in served.keys() {
            assert!(paths.insert(path.clone()), "two services describe {path}");
        }
        let docs = caller.page(service, "/docs").send().await;
        // A service serves this page for developers only when a setting enables it.
        docs.expect_status(404);
    }
    let last_parts: BTreeSet<&str> = paths.iter().filter_map(|path| path.rsplit('/').next()).collect();
    for part in [
        "login",
        "handle-auth",
        "renew-token",
        "authentication-factors",
        "lock",
        "unlock",
    ] {
        assert!(last_parts.contains(part), "no service describes {part}: {paths:?}");
    }
}
