use end_to_end::Service;

use super::{World, refused};

pub(crate) async fn each_process_tells_its_health_and_its_figures(world: &World) {
    let services = &world.services;
    for process in [&services.tokens, &services.factors, &services.credential_lock] {
        assert!(process.is_live().await && process.is_ready().await);
        assert!(process.metrics().await.contains("# TYPE"));
    }
}

pub(crate) async fn a_path_of_another_service_is_not_known(world: &World) {
    for (service, path) in [
        (Service::Factors, "/user-identities/renew-token"),
        (Service::CredentialLock, "/client-identities/login"),
        (Service::Tokens, "/user-identities/lock"),
    ] {
        let answer = world.caller.request(service, "POST", path, &[]).answer().await;
        assert_eq!(answer.refusal(), refused(404, "01"));
    }
}
