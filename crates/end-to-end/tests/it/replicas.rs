//! A second process of each service comes and goes while requests are made, and none of them fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::{Caller, Cast, Installation, Options, Process, Servers, Service, eventually};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);

/// So many requests of each kind are made before, while and after there are replicas.
const ENOUGH: usize = 20;

const RENEWS: &str = "renews@example.com";
const ADDS: &str = "adds@example.com";

pub(crate) async fn come_and_go_and_no_request_fails(servers: Servers) {
    let installation = Installation::new(&servers).await;
    let cast = installation.cast().await;
    for email in [RENEWS, ADDS] {
        installation.user(email, &[]).await;
    }
    let locked = installation.user("is.locked@example.com", &[]).await;
    let _services = installation.start_all(&Options::default()).await;
    let load = Load::new(installation.caller());

    tokio::join!(
        load.renews(&cast, RENEWS),
        load.manages_contacts(&cast, ADDS),
        load.locks(&cast, &locked),
        async {
            load.goes_on().await;
            let (tokens, factors, credential_lock) = tokio::join!(
                load.replica(&installation, Service::Tokens),
                load.replica(&installation, Service::Factors),
                load.replica(&installation, Service::CredentialLock),
            );
            load.goes_on().await;
            tokio::join!(load.let_go(tokens), load.let_go(factors), load.let_go(credential_lock));
            load.goes_on().await;
            load.is_over.store(true, Ordering::Relaxed);
        }
    );
}

/// Callers who never pause, and the one who sends each of their requests to the next process of its service.
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

    /// Calls the first process of the service, and every other time the replica when there is one.
    fn next(&self, service: Service) -> Caller {
        let count = self.count(service).fetch_add(1, Ordering::Relaxed);
        let replicas = self.replicas.lock().expect("no panic");
        match replicas.iter().find(|(replicated, _)| *replicated == service) {
            Some((_, base_url)) if count.is_multiple_of(2) => self.caller.with(service, base_url),
            _ => self.caller.clone(),
        }
    }

    fn count(&self, service: Service) -> &AtomicUsize {
        let at = Service::ALL.iter().position(|known| *known == service);
        &self.requests[at.expect("a service")]
    }

    fn goes(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Waits for enough requests of every kind.
    async fn goes_on(&self) {
        let counts = || Service::ALL.map(|service| self.count(service).load(Ordering::Relaxed));
        let begin = counts();
        eventually("requests are made", WITHIN, async || {
            let made = counts();
            let enough = begin.iter().zip(made).all(|(begin, made)| made >= begin + ENOUGH);
            enough.then_some(())
        })
        .await;
    }

    async fn replica(&self, installation: &Installation, service: Service) -> Process {
        // Longer than it takes to hear that it is unready.
        let options = Options::replica().setting("http.drain", "2s");
        let replica = installation.start(service, &options).await;
        self.replicas
            .lock()
            .expect("no panic")
            .push((service, replica.base_url()));
        replica
    }

    /// What a deployment does: it asks the process to end, and sends nothing more there once that says so.
    async fn let_go(&self, replica: Process) {
        replica.ask_to_end();
        eventually("it is unready", WITHIN, async || {
            (!replica.is_ready().await).then_some(())
        })
        .await;
        let gone = replica.base_url();
        self.replicas
            .lock()
            .expect("no panic")
            .retain(|(_, base_url)| *base_url != gone);
        replica.ended().await;
    }

    async fn renews(&self, cast: &Cast, email: &str) {
        let mut refresh = self.caller.session(cast, email).await.text("refreshToken");
        let portal = self.caller.client_token(&cast.portal).await;
        while self.goes() {
            let caller = self.next(Service::Tokens);
            let renewed = caller.renew(&portal, &refresh, true).answer().await.with_status(200);
            refresh = renewed.text("refreshToken");
        }
    }

    async fn manages_contacts(&self, cast: &Cast, email: &str) {
        let session = self.caller.session(cast, email).await;
        let (access, user) = (session.text("accessToken"), crate::jwt::subject(&session));
        for number in 0_u64.. {
            if !self.goes() {
                break;
            }
            let phone = format!("9{:08}", number % 9);
            let contact = json!({
                "id": format!("contact-{}", number % 9),
                "contactType": "MOBILE",
                "mobile": {"regionCode": 55, "areaCode": 11, "phoneNumber": phone},
            });
            let caller = self.next(Service::Factors);
            let added = caller.add_contacts(&access, &user, &json!([contact])).answer().await;
            added.with_status(201);
            let caller = self.next(Service::Factors);
            caller.own_contacts(&access).answer().await.with_status(200);
        }
    }

    async fn locks(&self, cast: &Cast, user: &str) {
        let desk = self.caller.client_token(&cast.desk).await;
        while self.goes() {
            let caller = self.next(Service::CredentialLock);
            caller.lock(&desk, user).answer().await.with_status(204);
            let caller = self.next(Service::CredentialLock);
            caller.unlock(&desk, user).answer().await.with_status(204);
        }
    }
}
