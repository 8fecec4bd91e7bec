use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

const OP_MSG: i32 = 2013;

/// Drops a database by one `OP_MSG` of MongoDB's protocol, because the stores of AuthMe have no such operation and
/// should have none. Keeps the database when the URI has credentials or several hosts.
pub(crate) fn drop_database(uri: &str, name: &str) -> io::Result<()> {
    let address = uri.strip_prefix("mongodb://").and_then(|rest| rest.split('/').next());
    let Some(address) = address.filter(|address| !address.contains(['@', ','])) else {
        return Ok(());
    };
    let port = if address.contains(':') { "" } else { ":27017" };
    let mut connection = TcpStream::connect(format!("{address}{port}"))?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(&message(name))?;
    let mut length = [0; 4];
    connection.read_exact(&mut length)
}

fn message(database: &str) -> Vec<u8> {
    let mut elements = b"\x10dropDatabase\0\x01\0\0\0\x02$db\0".to_vec();
    elements.extend_from_slice(&length(database.len() + 1));
    elements.extend_from_slice(database.as_bytes());
    elements.extend_from_slice(b"\0\0");
    let mut body = [1, 0, OP_MSG].map(i32::to_le_bytes).concat();
    // No flags, and one section of kind 0, which is a document.
    body.extend_from_slice(&[0; 5]);
    body.extend_from_slice(&length(elements.len() + 4));
    body.extend_from_slice(&elements);
    [length(body.len() + 4).to_vec(), body].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or_default().to_le_bytes()
}
