use std::collections::BTreeSet;

use end_to_end::{Installation, Options, Servers, Service};

pub(crate) async fn each_service_describes_its_own_operations_and_no_other(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let _services = installation.start_all(&Options::default()).await;
    let caller = installation.caller();
    let mut told = BTreeSet::new();
    for service in Service::ALL {
        let served = caller
            .page(service, "/openapi.json")
            .answer()
            .await
            .with_status(200)
            .json();
        let printed = installation.operator(&["openapi", service.name()]).await;
        let served = served["paths"].as_object().expect("paths").clone();
        assert_eq!(Some(&served), printed[0]["paths"].as_object());
        for path in served.keys() {
            assert!(told.insert(path.clone()), "{path} is told by two services");
        }
        let docs = caller.page(service, "/docs").answer().await;
        // A page for developers, which a service serves only when it is told to.
        docs.with_status(404);
    }
    let last_parts: BTreeSet<&str> = told.iter().filter_map(|path| path.rsplit('/').next()).collect();
    for part in [
        "login",
        "handle-auth",
        "renew-token",
        "authentication-factors",
        "lock",
        "unlock",
    ] {
        assert!(last_parts.contains(part), "nobody tells of {part}: {told:?}");
    }
}
