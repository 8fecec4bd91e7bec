use std::sync::Arc;
use std::time::Duration;

use adapter_crypto::{KeyDirectory, KeyDirectorySettings, KeyRing, RemoteKeySet, RemoteKeySetSettings};
use ports::Clock;
use service_runtime::CommandError;

use crate::keys::Keys;

/// Opens the source that the settings select. A URL takes precedence, so that a service that only verifies needs no access
/// to private keys. A service that signs has no URL.
pub(crate) fn open(
    directory: &KeyDirectorySettings,
    key_set: &RemoteKeySetSettings,
    longest_token_life: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Keys, CommandError> {
    match (&key_set.url, &directory.directory) {
        (Some(_), _) => {
            let keys = RemoteKeySet::new(key_set);
            let keys = Arc::new(keys.map_err(CommandError::context("`keys.url` cannot be used"))?);
            Ok(Keys {
                signing: None,
                verification: keys.clone(),
                on_demand: keys.clone(),
                periodic: keys.when_due(),
                readiness: Some(keys),
            })
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
            Ok(Keys::of_directory(ring))
        }
        (None, None) => Err(CommandError::msg("`keys.directory` or `keys.url` is required")),
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
        super::open(&directory, &key_set, Duration::from_hours(1), &clock)
    }

    #[test]
    fn a_key_set_takes_precedence_over_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        KeyDirectory::new(folder.path())
            .ensure_key(Timestamp::UNIX_EPOCH)
            .unwrap();
        let has_private_keys = |keys: Result<Keys, CommandError>| keys.unwrap().signing.is_some();
        assert!(!has_private_keys(open(true, Some(folder.path()))));
        assert!(!has_private_keys(open(true, None)));
        assert!(has_private_keys(open(false, Some(folder.path()))));
        assert!(open(false, None).is_err());
    }

    #[test]
    fn a_directory_without_keys_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(false, Some(folder.path())).err().unwrap();
        assert!(error.report().contains("authme keys generate"));
    }
}
