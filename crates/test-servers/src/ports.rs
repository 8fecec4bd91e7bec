use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// The range of ports of the processes under test. It is below the ports that Linux assigns to outgoing connections.
/// Otherwise a connection could take a port after it was chosen and before the process listens on it.
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
pub fn free_port() -> u16 {
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        if port >= LAST_PORT {
            NEXT_PORT.store(FIRST_PORT, Ordering::Relaxed);
        }
        if is_free(port) {
            return port;
        }
    }
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
