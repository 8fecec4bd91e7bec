use std::process::Stdio;

use test_servers::authme::{DataFolder, Server};

/// Limits that the load never reaches, although one client and few users send all of it. The server still checks them
/// at every request.
pub(crate) const LIMITS: [(&str, &str); 3] = [
    ("AUTHME__LIMITS__REQUESTS_PER_CLIENT", "10000000"),
    ("AUTHME__LIMITS__REQUESTS_PER_USER", "10000000"),
    ("AUTHME__TOKENS__NEW_SESSIONS_PER_MINUTE", "10000000"),
];

/// Starts a server with these settings, given as environment variables.
pub(crate) fn serve(data: &DataFolder, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
    data.serve(&[&LIMITS, settings].concat(), Stdio::null())
}
