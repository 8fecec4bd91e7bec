use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that connections are given, so that none of those takes a port between its choice and its use.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_999;

/// Test processes that run side by side begin so far apart.
const STRIDE: u32 = 40;

static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let room = u32::from(LAST - FIRST);
    let begin = u16::try_from((process::id() * STRIDE) % room).unwrap_or_default();
    AtomicU16::new(FIRST + begin)
});

/// A loopback port that nobody listens on, given out once by this process.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port >= LAST {
            NEXT.store(FIRST, Ordering::Relaxed);
        }
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Where a service answers, by its ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) api: u16,
    pub(crate) management: u16,
}

impl Addresses {
    pub(crate) fn free() -> Self {
        Self {
            api: free_port(),
            management: free_port(),
        }
    }

    pub(crate) fn base_url(self) -> String {
        format!("http://127.0.0.1:{}", self.api)
    }

    pub(crate) fn management_url(self) -> String {
        format!("http://127.0.0.1:{}", self.management)
    }
}
