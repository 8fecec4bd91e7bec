use std::error::Error;
use std::fmt::Debug;

use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The types in which a store writes times and bytes.
pub trait Encoding: Debug + Clone + Send + Sync + 'static {
    /// A time, to the millisecond.
    type Time: Debug + Clone + Send + Sync + Serialize + DeserializeOwned;
    /// A sequence of bytes.
    type Bytes: Debug + Clone + Send + Sync + Serialize + DeserializeOwned;

    /// Returns the stored form of a time.
    fn time(time: Timestamp) -> Self::Time;

    /// Returns the time of a stored form.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for a time outside the range of [`Timestamp`].
    fn read_time(stored: &Self::Time) -> Result<Timestamp, Corrupt>;

    /// Returns the stored form of bytes.
    fn bytes(bytes: &[u8]) -> Self::Bytes;

    /// Returns the bytes of a stored form.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`] for another number of bytes.
    fn read_bytes<const N: usize>(stored: &Self::Bytes) -> Result<[u8; N], Corrupt>;
}

/// The cause for which a stored form cannot be read. The adapter adds what was read, and its key.
#[derive(Debug)]
pub struct Corrupt(pub Box<dyn Error + Send + Sync>);

impl Corrupt {
    /// Returns the error for a member without a valid value.
    pub fn member(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Corrupt {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}
