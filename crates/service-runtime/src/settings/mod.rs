//! Settings: the defaults of the sections, overridden by a file, overridden by the environment. One error names all
//! unknown settings, or all missing ones.
//!
//! A [`Section`] is a struct beside what it configures. Its fields are the settings, their doc comments the
//! documentation, and its `Default` the defaults.

mod error;
mod known;
mod loaded;
mod section;
mod setting;
mod table;

pub use error::{SettingsError, UnknownSetting};
pub use known::Program;
pub use loaded::Loaded;
pub use section::Section;
pub(crate) use setting::variable_of;
pub use table::settings_table;
