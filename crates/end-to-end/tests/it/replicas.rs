//! A second process of each service starts and stops under load, and no request fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::{Caller, Fixtures, Installation, Options, Process, Servers, Service, eventually};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);

/// The minimum number of requests of each kind before, during and after the time with replicas.
const REQUESTS_PER_PHASE: usize = 20;

const RENEWING_USER: &str = "renews@example.com";
const ADDING_USER: &str = "adds@example.com";

pub(crate) async fn requests_succeed_while_replicas_start_and_stop(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let fixtures = installation.register_fixtures().await;
    for email in [RENEWING_USER, ADDING_USER] {
        installation.register_user(email, &[]).await;
    }
    let locked = installation.register_user("is.locked@example.com", &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let load = Load::new(installation.caller());

    tokio::join!(
        load.renew(&fixtures, RENEWING_USER),
        load.manage_contacts(&fixtures, ADDING_USER),
        load.lock_and_unlock(&fixtures, &locked),
        async {
            load.await_requests().await;
            let (tokens, factors, credential_lock) = tokio::join!(
                load.start_replica(&installation, Service::Tokens),
                load.start_replica(&installation, Service::Factors),
                load.start_replica(&installation, Service::CredentialLock),
            );
            load.await_requests().await;
            tokio::join!(
                load.stop_replica(tokens),
                load.stop_replica(factors),
                load.stop_replica(credential_lock)
            );
            load.await_requests().await;
            load.is_over.store(true, Ordering::Relaxed);
        }
    );
}

/// A load without pauses, whose requests alternate between the processes of a service.
struct Load {
    caller: Caller,
    replicas: Mutex<Vec<(Service, String)>>,
    requests: [AtomicUsize; 3],
    is_over: AtomicBool,
}

impl Load {
    fn new(caller: Caller) -> Self {
        Self {
            caller,
            replicas: Mutex::default(),
            requests: Default::default(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Returns a caller of the first process of the service. While there is a replica, every other call returns a
    /// caller of the replica.
    fn next_caller(&self, service: Service) -> Caller {
        let count = self.count(service).fetch_add(1, Ordering::Relaxed);
        let replicas = self.replicas.lock().expect("no panic");
        match replicas.iter().find(|(replicated, _)| *replicated == service) {
            Some((_, base_url)) if count.is_multiple_of(2) => self.caller.with(service, base_url),
            _ => self.caller.clone(),
        }
    }

    fn count(&self, service: Service) -> &AtomicUsize {
        let index = Service::ALL.iter().position(|known| *known == service);
        &self.requests[index.expect("a service")]
    }

    fn is_running(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until every service has got enough further requests.
    async fn await_requests(&self) {
        let counts = || Service::ALL.map(|service| self.count(service).load(Ordering::Relaxed));
        let before = counts();
        eventually("there are enough requests", WITHIN, async || {
            let mut before_and_now = before.iter().zip(counts());
            let has_enough = before_and_now.all(|(before, now)| now >= before + REQUESTS_PER_PHASE);
            has_enough.then_some(())
        })
        .await;
    }

    async fn start_replica(&self, installation: &Installation, service: Service) -> Process {
        // Longer than the load takes to notice that the process is unready.
        let options = Options::replica().setting("http.drain", "2s");
        let replica = installation.start(service, &options).await;
        self.replicas
            .lock()
            .expect("no panic")
            .push((service, replica.base_url()));
        replica
    }

    /// Stops a replica as a deployment does: sends SIGTERM, sends it no further requests once it is unready, and waits
    /// until it exits.
    async fn stop_replica(&self, replica: Process) {
        replica.send_sigterm();
        eventually("the replica is unready", WITHIN, async || {
            (!replica.is_ready().await).then_some(())
        })
        .await;
        let replica_url = replica.base_url();
        self.replicas
            .lock()
            .expect("no panic")
            .retain(|(_, base_url)| *base_url != replica_url);
        replica.wait_for_exit().await;
    }

    async fn renew(&self, fixtures: &Fixtures, email: &str) {
        let mut refresh = self.caller.start_session(fixtures, email).await.text("refreshToken");
        let portal = self.caller.client_token(&fixtures.portal).await;
        while self.is_running() {
            let caller = self.next_caller(Service::Tokens);
            let renewed = caller.renew(&portal, &refresh, true).send().await.expect_status(200);
            refresh = renewed.text("refreshToken");
        }
    }

    async fn manage_contacts(&self, fixtures: &Fixtures, email: &str) {
        let session = self.caller.start_session(fixtures, email).await;
        let (access, user) = (session.text("accessToken"), crate::jwt::subject(&session));
        for number in 0_u64.. {
            if !self.is_running() {
                break;
            }
            let phone = format!("9{:08}", number % 9);
            let contact = json!({
                "id": format!("contact-{}", number % 9),
                "contactType": "MOBILE",
                "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": phone},
            });
            let caller = self.next_caller(Service::Factors);
            let added = caller.add_contacts(&access, &user, &json!([contact])).send().await;
            added.expect_status(201);
            let caller = self.next_caller(Service::Factors);
            caller.own_contacts(&access).send().await.expect_status(200);
        }
    }

    async fn lock_and_unlock(&self, fixtures: &Fixtures, user: &str) {
        let desk = self.caller.client_token(&fixtures.desk).await;
        while self.is_running() {
            let caller = self.next_caller(Service::CredentialLock);
            caller.lock(&desk, user).send().await.expect_status(204);
            let caller = self.next_caller(Service::CredentialLock);
            caller.unlock(&desk, user).send().await.expect_status(204);
        }
    }
}
