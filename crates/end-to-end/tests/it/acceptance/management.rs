use end_to_end::Service;

use super::{TestApp, error};

pub(crate) async fn each_service_returns_its_health_and_metrics(app: &TestApp) {
    let services = &app.services;
    for process in [&services.tokens, &services.factors, &services.credential_lock] {
        assert!(process.is_live().await && process.is_ready().await);
        assert!(process.metrics().await.contains("# TYPE"));
    }
}

pub(crate) async fn each_service_rejects_paths_of_other_services(app: &TestApp) {
    for (service, path) in [
        (Service::Factors, "/user-identities/renew-token"),
        (Service::CredentialLock, "/client-identities/login"),
        (Service::Tokens, "/user-identities/me/authentication-factors"),
    ] {
        let response = app.caller.request(service, "POST", path, &[]).send().await;
        assert_eq!(response.status_and_code(), error(404, "01"));
    }
}
