use test_servers::free_port;

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
