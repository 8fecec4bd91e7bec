//! `OP_MSG`, the message of a command and of its reply.
//!
//! All integers are little-endian. The header has length, request id, `responseTo` and operation code, 4 bytes each.
//! Flags and sections follow: kind 0 is one document; kind 1 is a named sequence of documents, an array member of the
//! document of kind 0.

use std::io::{self, Error, ErrorKind};

use bson::{Bson, Document};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The length of the header in bytes.
const HEADER_LENGTH: usize = 16;
const OP_MSG: i32 = 2013;

/// The flag `moreToCome`: the sender expects no reply.
const MORE_TO_COME: u32 = 1 << 1;

/// The maximum length of a message in bytes. The protocol allows 48 MB.
const MAX_LENGTH: usize = 64 * 1024 * 1024;

/// A message as it was received.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Reads the next message. Returns `None` at the end of the connection.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        match from.read_exact(&mut length).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let whole = usize::try_from(i32::from_le_bytes(length)).map_err(|_| malformed_error("length"))?;
        if !(HEADER_LENGTH..=MAX_LENGTH).contains(&whole) {
            return Err(malformed_error("length"));
        }
        let mut bytes = vec![0; whole];
        let (start, rest) = bytes.split_at_mut(length.len());
        start.copy_from_slice(&length);
        from.read_exact(rest).await?;
        Ok(Some(Self(bytes)))
    }

    /// Encodes a message of one document. `response_to` is the id of the request, or 0 for a request.
    pub(crate) fn new(id: i32, response_to: i32, document: &Document) -> io::Result<Self> {
        let document = document.to_vec().map_err(Error::other)?;
        // Flags and the kind of the one section.
        let length = HEADER_LENGTH + 4 + 1 + document.len();
        let length = i32::try_from(length).map_err(|_| malformed_error("length"))?;
        let mut bytes = [length, id, response_to, OP_MSG].map(i32::to_le_bytes).concat();
        bytes.extend_from_slice(&[0; 5]);
        bytes.extend_from_slice(&document);
        Ok(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn id(&self) -> i32 {
        self.integer(4).map_or(0, i32::from_le_bytes)
    }

    pub(crate) fn expects_reply(&self) -> bool {
        let flags = self.integer(HEADER_LENGTH).map_or(0, u32::from_le_bytes);
        !self.is_msg() || flags & MORE_TO_COME == 0
    }

    /// Decodes the document with its sequences. Returns `None` if the message is not an `OP_MSG`.
    pub(crate) fn document(&self) -> io::Result<Option<Document>> {
        if !self.is_msg() {
            return Ok(None);
        }
        let mut left = self
            .0
            .get(HEADER_LENGTH + 4..)
            .ok_or_else(|| malformed_error("flags"))?;
        let mut body = Document::new();
        let mut sequences = Vec::new();
        // No checksum is expected at the end: drivers send none by default.
        while let Some((kind, rest)) = left.split_first() {
            left = rest;
            match kind {
                0 => body = Document::from_reader(&mut left).map_err(Error::other)?,
                1 => sequences.push(take_sequence(&mut left)?),
                _ => return Err(malformed_error("kind of section")),
            }
        }
        for (name, documents) in sequences {
            body.insert(name, documents);
        }
        Ok(Some(body))
    }

    fn is_msg(&self) -> bool {
        self.integer(12).map(i32::from_le_bytes) == Some(OP_MSG)
    }

    fn integer(&self, at: usize) -> Option<[u8; 4]> {
        self.0.get(at..at + 4)?.try_into().ok()
    }
}

/// Removes the sequence at the start of `left`. Returns its name and documents.
fn take_sequence(left: &mut &[u8]) -> io::Result<(String, Vec<Bson>)> {
    let length = left.first_chunk().copied().map(i32::from_le_bytes);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let whole = length.and_then(|length| left.split_at_checked(length));
    let (whole, rest) = whole.ok_or_else(|| malformed_error("sequence"))?;
    *left = rest;
    let mut parts = whole.get(4..).unwrap_or_default().splitn(2, |byte| *byte == 0);
    let (Some(name), Some(mut documents)) = (parts.next(), parts.next()) else {
        return Err(malformed_error("name of a sequence"));
    };
    let name = String::from_utf8(name.to_vec()).map_err(Error::other)?;
    let mut sequence = Vec::new();
    while !documents.is_empty() {
        let document = Document::from_reader(&mut documents).map_err(Error::other)?;
        sequence.push(Bson::Document(document));
    }
    Ok((name, sequence))
}

fn malformed_error(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("a message has a malformed {what}"))
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[tokio::test]
    async fn encoded_message_is_decoded() {
        let ping = doc! { "ping": 1, "$db": "admin" };
        let sent = Message::new(7, 3, &ping).unwrap();
        let read = Message::read(&mut sent.bytes()).await.unwrap().unwrap();
        assert_eq!((read.id(), read.expects_reply()), (7, true));
        assert_eq!(read.document().unwrap(), Some(ping));
    }

    #[tokio::test]
    async fn sequences_become_arrays_of_the_document() {
        let mut message = Message::new(1, 0, &doc! { "insert": "things" }).unwrap().0;
        let mut documents = b"documents\0".to_vec();
        for n in 0..2 {
            documents.extend(doc! { "_id": n }.to_vec().unwrap());
        }
        message.push(1);
        message.extend(i32::try_from(documents.len() + 4).unwrap().to_le_bytes());
        message.extend(documents);
        let length = i32::try_from(message.len()).unwrap().to_le_bytes();
        message.splice(0..4, length);
        let read = Message::read(&mut &message[..]).await.unwrap().unwrap();
        let whole = doc! { "insert": "things", "documents": [{ "_id": 0 }, { "_id": 1 }] };
        assert_eq!(read.document().unwrap(), Some(whole));
    }

    #[tokio::test]
    async fn read_returns_none_at_the_end_and_rejects_bad_lengths() {
        assert!(Message::read(&mut &b""[..]).await.unwrap().is_none());
        assert!(Message::read(&mut &[3, 0, 0, 0][..]).await.is_err());
    }
}
