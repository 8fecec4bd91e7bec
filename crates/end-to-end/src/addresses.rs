use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// The range of ports. It is below the ports that Linux assigns to outgoing connections. Otherwise a connection could
/// take a port after it was chosen and before the service listens on it.
const FIRST_PORT: u16 = 21_000;
const LAST_PORT: u16 = 31_999;

/// The distance between the first ports of two test processes with consecutive ids, because both may run at the same
/// time.
const STRIDE: u32 = 40;

static NEXT_PORT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let size = u32::from(LAST_PORT - FIRST_PORT);
    let begin = u16::try_from((process::id() * STRIDE) % size).unwrap_or_default();
    AtomicU16::new(FIRST_PORT + begin)
});

/// Returns a free loopback port. Returns each port of the range once before it starts again at the first.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if port >= LAST_PORT {
            NEXT_PORT.store(FIRST_PORT, Ordering::Relaxed);
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
