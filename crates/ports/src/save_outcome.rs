/// What saving an aggregate under its version came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveOutcome {
    Saved,
    /// Somebody else saved since it was found: find it again and decide anew.
    Conflict,
    /// Too many events wait to be published; nothing was written.
    OutboxFull,
}
