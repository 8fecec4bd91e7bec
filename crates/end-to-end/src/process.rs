use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::addresses::Addresses;
use crate::request::{Request, http_client};
use crate::{Service, eventually};

/// The time limit for a service to become ready, and to exit.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A running service. Dropping it kills the process.
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

    /// Returns the base URL of the API, such as `http://127.0.0.1:8080`.
    pub fn base_url(&self) -> String {
        self.addresses.base_url()
    }

    /// Returns the base URL of health and metrics.
    pub fn management_url(&self) -> String {
        self.addresses.management_url()
    }

    /// Returns the loopback port of the API.
    pub fn port(&self) -> u16 {
        self.addresses.api
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns whether its readiness check returns 200.
    pub async fn is_ready(&self) -> bool {
        self.returns_ok("/health/ready").await
    }

    /// Returns whether its liveness check returns 200.
    pub async fn is_live(&self) -> bool {
        self.returns_ok("/health/live").await
    }

    async fn returns_ok(&self, path: &str) -> bool {
        let request = Request::new(self.http.get(format!("{}{path}", self.management_url())));
        request.try_send().await.is_ok_and(|response| response.status == 200)
    }

    /// Returns its metrics in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let request = Request::new(self.http.get(format!("{}/metrics", self.management_url())));
        request.send().await.expect_status(200).body
    }

    pub(crate) async fn wait_until_ready(&mut self) {
        let name = self.service.name();
        let ready = async || {
            if let Some(status) = self.exit_status() {
                panic!("the service {name} ended with {status}:\n{}", self.log());
            }
            self.is_ready().await.then_some(())
        };
        eventually(&format!("the service {name} is ready"), TIMEOUT, ready).await;
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Kills it (SIGKILL). Panics if it has already exited.
    pub fn kill(mut self) {
        assert_eq!(self.exit_status(), None, "the service ended by itself:\n{}", self.log());
        self.kill_and_wait();
    }

    /// Sends SIGTERM and waits until it exits. Panics unless it exits with success.
    pub async fn terminate(self) {
        self.send_sigterm();
        self.wait_for_exit().await;
    }

    /// Sends SIGTERM.
    pub fn send_sigterm(&self) {
        self.signal("-TERM");
    }

    /// Waits until it exits. Panics unless it exits with success.
    pub async fn wait_for_exit(mut self) {
        let name = self.service.name();
        let status = eventually(&format!("the service {name} ends"), TIMEOUT, async || {
            self.exit_status()
        })
        .await;
        assert!(
            status.success(),
            "the service {name} ended with {status}:\n{}",
            self.log()
        );
    }

    /// Pauses it (SIGSTOP).
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Resumes it (SIGCONT).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.pid().to_string()).status();
        let sent = sent.expect("`kill` is installed");
        assert!(
            sent.success(),
            "the service {} has ended:\n{}",
            self.service.name(),
            self.log()
        );
    }

    fn kill_and_wait(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}
