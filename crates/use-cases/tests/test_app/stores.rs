use std::path::Path;

use adapter_sqlite::{EmbeddedStore, SqliteSettings};

/// Opens all stores in one file of the folder.
pub(crate) fn sqlite(folder: &Path) -> EmbeddedStore {
    let file = folder.join("authme.sqlite");
    adapter_sqlite::open(&SqliteSettings { file, workers: 4 }).unwrap()
}
