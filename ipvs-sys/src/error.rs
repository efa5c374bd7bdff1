//! Why bytes were not understood.

/// Bytes that are no IPVS message.
///
/// From a kernel this means an ABI this crate does not know; the names are
/// those of the fields in question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the generic netlink header (4 bytes).
    #[error("{len} bytes are too short for a generic netlink header")]
    Header {
        /// Bytes there were.
        len: usize,
    },
    /// A command that does not belong in this direction.
    #[error("IPVS command {0} is unknown here")]
    Command(u8),
    /// The attributes do not add up.
    #[error("attributes of {of} are malformed: {reason}")]
    Attributes {
        /// What they belong to.
        of: &'static str,
        /// The first thing wrong.
        reason: String,
    },
    /// An attribute has the wrong length.
    #[error("{field} has {len} bytes instead of {expected}")]
    Length {
        /// The field.
        field: &'static str,
        /// Bytes there should be (at least).
        expected: usize,
        /// Bytes there were.
        len: usize,
    },
    /// An attribute that has to be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A number outside of what the field may hold.
    #[error("{field} cannot be {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// The number found.
        value: u32,
    },
    /// A name that is not UTF-8.
    #[error("{field} is not text")]
    Text {
        /// The field.
        field: &'static str,
    },
}
