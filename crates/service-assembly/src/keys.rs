use std::fs;
use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{KeyDirectory, KeyRing, RemoteKeySet, RemoteKeySetSettings, VerificationKeys};
use ports::{Clock, KeySetSource, Readiness};
use service_runtime::{CommandError, KeySourceSettings};

/// The use that a service makes of its keys.
pub(crate) struct KeyPurpose {
    pub(crate) signs: bool,
    pub(crate) longest_token_life: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The keys of a service.
pub(crate) enum Keys {
    /// Private keys in a directory, which sign and verify.
    Directory(Arc<KeyRing>),
    /// The key set of another service, which only verifies.
    Remote(Arc<RemoteKeySet>),
}

impl Keys {
    /// Opens the source that the settings select. A service that signs requires the directory. If both are
    /// set, a service that only verifies uses the key set, so that it needs no access to private keys.
    pub(crate) fn open(settings: &KeySourceSettings, purpose: &KeyPurpose) -> Result<Self, CommandError> {
        match (&settings.url, &settings.directory) {
            (Some(url), _) if !purpose.signs => remote(url, settings),
            (_, Some(directory)) => {
                let ring = KeyRing::open(KeyDirectory::new(directory), purpose.longest_token_life)
                    .map_err(CommandError::context("the keys in `keys.directory` cannot be read"))?;
                let ring = Arc::new(ring);
                if ring.key_set(purpose.clock.clone()).public_keys().is_empty() {
                    return Err(CommandError::msg(
                        "`keys.directory` contains no key: create one with `authme keys generate`",
                    ));
                }
                Ok(Self::Directory(ring))
            }
            (_, None) => Err(CommandError::msg("`keys.directory` or `keys.url` is required")),
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

fn remote(url: &str, settings: &KeySourceSettings) -> Result<Keys, CommandError> {
    let authorities = settings.ca_file.as_ref().map(fs::read).transpose();
    let keys = RemoteKeySet::new(&RemoteKeySetSettings {
        url: url.to_owned(),
        authorities: authorities.map_err(CommandError::context("`keys.ca_file` cannot be read"))?,
        longest_age: settings.longest_age,
        allow_insecure: settings.allow_insecure,
    });
    let keys = keys.map_err(CommandError::context("`keys.url` cannot be used"))?;
    Ok(Keys::Remote(Arc::new(keys)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::time::Timestamp;
    use service_runtime::SystemClock;

    use super::*;

    fn open(url: bool, directory: Option<&Path>, signs: bool) -> Result<Keys, CommandError> {
        let settings = KeySourceSettings {
            directory: directory.map(Path::to_path_buf),
            url: url.then(|| "https://tokens/keys".to_owned()),
            ca_file: None,
            allow_insecure: false,
            longest_age: Duration::from_hours(1),
        };
        let purpose = KeyPurpose {
            signs,
            longest_token_life: Duration::from_hours(1),
            clock: Arc::new(SystemClock),
        };
        Keys::open(&settings, &purpose)
    }

    #[test]
    fn signing_uses_the_directory_and_verification_the_key_set() {
        let folder = tempfile::tempdir().unwrap();
        KeyDirectory::new(folder.path())
            .ensure_key(Timestamp::UNIX_EPOCH)
            .unwrap();
        let both = |signs| open(true, Some(folder.path()), signs);
        assert!(matches!(both(true), Ok(Keys::Directory(_))));
        assert!(matches!(both(false), Ok(Keys::Remote(_))));
        assert!(matches!(
            open(false, Some(folder.path()), false),
            Ok(Keys::Directory(_))
        ));
        assert!(open(true, None, true).is_err());
    }

    #[test]
    fn a_directory_without_keys_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(false, Some(folder.path()), false).err().unwrap();
        assert!(error.report().contains("authme keys generate"));
    }
}
