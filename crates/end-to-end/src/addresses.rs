use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// The range of ports, below those that Linux gives to outgoing connections. Otherwise a connection could take a port
/// after it was chosen and before the service listens on it.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_999;

/// The distance between the first ports of test processes that run at the same time.
const STRIDE: u32 = 40;

static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let room = u32::from(LAST - FIRST);
    let begin = u16::try_from((process::id() * STRIDE) % room).unwrap_or_default();
    AtomicU16::new(FIRST + begin)
});

/// Returns a free loopback port, and each port only once per process.
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

/// The ports of a service on the loopback interface.
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
