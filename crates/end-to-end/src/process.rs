use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::addresses::Addresses;
use crate::request::{Request, http_client};
use crate::{Service, eventually};

/// A service has so long to become ready, and to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running service. It is killed when it is dropped.
pub struct Process {
    service: Service,
    child: Child,
    addresses: Addresses,
    log: PathBuf,
    http: reqwest::Client,
}

impl Process {
    pub(crate) fn new(service: Service, child: Child, addresses: Addresses, log: PathBuf) -> Self {
        Self {
            service,
            child,
            addresses,
            log,
            http: http_client(),
        }
    }

    pub fn service(&self) -> Service {
        self.service
    }

    /// Where the API is, such as `http://127.0.0.1:8080`.
    pub fn base_url(&self) -> String {
        self.addresses.base_url()
    }

    /// Where health and metrics are.
    pub fn management_url(&self) -> String {
        self.addresses.management_url()
    }

    /// The loopback port of the API.
    pub fn port(&self) -> u16 {
        self.addresses.api
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.is_good("/health/ready").await
    }

    /// Whether it says that it lives.
    pub async fn is_live(&self) -> bool {
        self.is_good("/health/live").await
    }

    async fn is_good(&self, path: &str) -> bool {
        let request = Request::new(self.http.get(format!("{}{path}", self.management_url())));
        request.attempt().await.is_ok_and(|answer| answer.status == 200)
    }

    /// Its metrics, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let request = Request::new(self.http.get(format!("{}/metrics", self.management_url())));
        request.answer().await.with_status(200).body
    }

    pub(crate) async fn until_ready(&mut self) {
        let name = self.service.name();
        let ready = async || {
            if let Some(status) = self.ended_with() {
                panic!("the service {name} ended with {status}:\n{}", self.log());
            }
            self.is_ready().await.then_some(())
        };
        eventually(&format!("the service {name} is ready"), PATIENCE, ready).await;
    }

    fn ended_with(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Ends it without warning (SIGKILL).
    pub fn kill(mut self) {
        assert_eq!(self.ended_with(), None, "the service ended by itself:\n{}", self.log());
        self.put_down();
    }

    /// Asks it to end (SIGTERM) and waits until it did, which must be in order.
    pub async fn terminate(self) {
        self.ask_to_end();
        self.ended().await;
    }

    /// Asks it to end (SIGTERM), and no more.
    pub fn ask_to_end(&self) {
        self.signal("-TERM");
    }

    /// Waits until it has ended, which must be in order.
    pub async fn ended(mut self) {
        let name = self.service.name();
        let status = eventually(&format!("the service {name} ends"), PATIENCE, async || {
            self.ended_with()
        })
        .await;
        assert!(
            status.success(),
            "the service {name} ended with {status}:\n{}",
            self.log()
        );
    }

    /// Holds it where it is (SIGSTOP).
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.pid().to_string()).status();
        let sent = sent.expect("there is a command `kill`");
        assert!(
            sent.success(),
            "the service {} is gone:\n{}",
            self.service.name(),
            self.log()
        );
    }

    fn put_down(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.put_down();
    }
}
