use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

pub(crate) const HOW_TO_BUILD: &str = "run `cargo build --workspace --bins --features authme/mongodb`";

const BINARIES: [&str; 4] = ["authme", "service-factors", "service-tokens", "service-credential-lock"];

/// The folder of the binaries. It is checked once, so that an edit of a source does not fail running trials.
static FOLDER: LazyLock<Result<PathBuf, String>> = LazyLock::new(find_folder);

/// Returns the path of a binary of the workspace, built with the same profile as this test.
///
/// Cargo does not build a binary for the tests of another crate. So a trial panics when a binary is missing or older
/// than its sources. The message has the command to run.
pub(crate) fn binary(name: &str) -> PathBuf {
    let folder = FOLDER.as_ref();
    folder.unwrap_or_else(|error| panic!("{error}")).join(name)
}

/// Returns the folder of the binaries. Returns an error if a binary is missing or older than its sources.
fn find_folder() -> Result<PathBuf, String> {
    let test = std::env::current_exe().expect("a test has a path");
    // target/<profile>/deps/<test>
    let folder = test.ancestors().nth(2).expect("a test is two folders deep");
    for path in BINARIES.map(|name| folder.join(name)) {
        let built = modification_time(&path).ok_or_else(|| format!("{} is missing: {HOW_TO_BUILD}", path.display()))?;
        let sources = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
        if let Some(source) = newer_source(&sources, built) {
            let (path, source) = (path.display(), source.display());
            return Err(format!("{path} is older than {source}: {HOW_TO_BUILD}"));
        }
    }
    Ok(folder.to_owned())
}

/// Returns the first source in cargo's list of dependencies, which has the form of a makefile, that was modified after
/// `built` or does not exist.
fn newer_source(makefile: &str, built: SystemTime) -> Option<PathBuf> {
    let (_, sources) = makefile.split_once(": ")?;
    let sources = sources.replace("\\ ", "\0");
    let mut sources = sources
        .split_whitespace()
        .map(|source| PathBuf::from(source.replace('\0', " ")));
    sources.find(|source| modification_time(source).is_none_or(|changed| changed > built))
}

fn modification_time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn newer_source_returns_a_source_changed_after_the_build() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("with a space.rs");
        let built = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let listed = source.display().to_string().replace(' ', "\\ ");
        let makefile = format!("/target/debug/service: {listed}\n");
        let newer = |seconds| {
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let file = File::create(&source).expect("a file");
            file.set_modified(changed).expect("a time");
            newer_source(&makefile, built)
        };
        assert_eq!(newer(1_000), None);
        assert_eq!(newer(1_001), Some(source.clone()));
    }
}
