use crate::{Corrupt, Encoding};
use domain::time::Timestamp;

/// The encoding of JSON documents, which a store without types of its own keeps: times in milliseconds since 1970, bytes in hexadecimal digits.
#[derive(Debug, Clone)]
pub struct Json;

impl Encoding for Json {
    type Time = i64;
    type Bytes = String;

    fn time(time: Timestamp) -> i64 {
        time.as_millisecond()
    }

    fn read_time(stored: &i64) -> Result<Timestamp, Corrupt> {
        Ok(Timestamp::from_millisecond(*stored)?)
    }

    fn bytes(bytes: &[u8]) -> String {
        domain::hex::encode(bytes)
    }

    fn read_bytes<const N: usize>(stored: &String) -> Result<[u8; N], Corrupt> {
        domain::hex::decode(stored).ok_or_else(|| Corrupt::member("bytes"))
    }
}
