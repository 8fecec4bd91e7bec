use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{
    KeyDirectory, KeyDirectorySettings, KeyRing, RemoteKeySet, RemoteKeySetSettings, VerificationKeys,
};
use ports::{Clock, KeySetSource, Readiness};
use service_runtime::CommandError;

/// The keys of a service.
pub(crate) enum Keys {
    /// Private keys in a directory, which sign and verify.
    Directory(Arc<KeyRing>),
    /// The key set of another service, which only verifies.
    Remote(Arc<RemoteKeySet>),
}

impl Keys {
    /// Opens the source that the settings select. A URL takes precedence, so that a service that only verifies needs no
    /// access to private keys. A service that signs has no URL.
    pub(crate) fn open(
        directory: &KeyDirectorySettings,
        key_set: &RemoteKeySetSettings,
        longest_token_life: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CommandError> {
        match (&key_set.url, &directory.directory) {
            (Some(_), _) => {
                let keys = RemoteKeySet::new(key_set);
                let keys = keys.map_err(CommandError::context("`keys.url` cannot be used"))?;
                Ok(Self::Remote(Arc::new(keys)))
            }
            (None, Some(directory)) => {
                let ring = KeyRing::open(KeyDirectory::new(directory), longest_token_life)
                    .map_err(CommandError::context("the keys in `keys.directory` cannot be read"))?;
                let ring = Arc::new(ring);
                if ring.key_set(clock.clone()).public_keys().is_empty() {
                    return Err(CommandError::msg(
                        "`keys.directory` contains no key: create one with `authme keys generate`",
                    ));
                }
                Ok(Self::Directory(ring))
            }
            (None, None) => Err(CommandError::msg("`keys.directory` or `keys.url` is required")),
        }
    }

    pub(crate) fn verification(&self) -> Arc<dyn VerificationKeys> {
        match self {
            Self::Directory(ring) => ring.clone(),
            Self::Remote(keys) => keys.clone(),
        }
    }

    /// Returns the source to refresh when a token names an unknown key.
    pub(crate) fn on_demand(&self) -> Arc<dyn KeySetSource> {
        match self {
            Self::Directory(ring) => ring.clone(),
            Self::Remote(keys) => keys.clone(),
        }
    }

    /// Returns the source for the refresh loop. A remote key set fetches only when its own interval is over.
    pub(crate) fn periodic(&self) -> Arc<dyn KeySetSource> {
        match self {
            Self::Directory(ring) => ring.clone(),
            Self::Remote(keys) => keys.when_due(),
        }
    }

    /// Returns the readiness check of a remote key set, or `None` for a directory.
    pub(crate) fn readiness(&self) -> Option<Arc<dyn Readiness>> {
        match self {
            Self::Directory(_) => None,
            Self::Remote(keys) => Some(keys.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::time::Timestamp;
    use service_runtime::SystemClock;

    use super::*;

    fn open(url: bool, directory: Option<&Path>) -> Result<Keys, CommandError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let directory = KeyDirectorySettings {
            directory: directory.map(Path::to_path_buf),
        };
        let key_set = RemoteKeySetSettings {
            url: url.then(|| "https://tokens/keys".to_owned()),
            ..RemoteKeySetSettings::default()
        };
        Keys::open(&directory, &key_set, Duration::from_hours(1), &clock)
    }

    #[test]
    fn a_key_set_takes_precedence_over_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        KeyDirectory::new(folder.path())
            .ensure_key(Timestamp::UNIX_EPOCH)
            .unwrap();
        assert!(matches!(open(true, Some(folder.path())), Ok(Keys::Remote(_))));
        assert!(matches!(open(true, None), Ok(Keys::Remote(_))));
        assert!(matches!(open(false, Some(folder.path())), Ok(Keys::Directory(_))));
        assert!(open(false, None).is_err());
    }

    #[test]
    fn a_directory_without_keys_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(false, Some(folder.path())).err().unwrap();
        assert!(error.report().contains("authme keys generate"));
    }
}
