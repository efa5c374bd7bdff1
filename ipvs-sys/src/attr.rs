//! Netlink attributes: a writer and a reader.
//!
//! Numbers are in the host's byte order except where a method says otherwise.

use netlink_packet_core::{NLA_F_NESTED, NlasIterator};

use crate::DecodeError;

/// Attributes start at multiples of this.
const ALIGN: usize = 4;

/// Names longer than this are cut. The kernel's limits are 15 bytes, so what
/// is cut here is refused there; the message stays well-formed.
const LONGEST_NAME: usize = 64;

/// Appends attributes to a buffer.
pub(crate) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Begins a message in `out` with the generic netlink header for `command`.
    pub(crate) fn begin(out: &'a mut Vec<u8>, command: u32) -> Self {
        let [command, ..] = command.to_le_bytes();
        let [version, ..] = crate::abi::IPVS_GENL_VERSION.to_le_bytes();
        out.extend_from_slice(&[command, version, 0, 0]);
        Self(out)
    }

    pub(crate) fn bytes(&mut self, kind: u32, value: &[u8]) {
        self.header(kind, 0, value.len());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
    }

    pub(crate) fn u8(&mut self, kind: u32, value: u8) {
        self.bytes(kind, &[value]);
    }

    pub(crate) fn u16(&mut self, kind: u32, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// In network byte order: ports.
    pub(crate) fn be16(&mut self, kind: u32, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, kind: u32, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub(crate) fn u64(&mut self, kind: u32, value: u64) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// NUL-terminated, as the kernel's policy for names wants it.
    pub(crate) fn name(&mut self, kind: u32, value: &str) {
        let mut bytes: Vec<u8> = value.bytes().take(LONGEST_NAME).collect();
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    pub(crate) fn nested(&mut self, kind: u32, fill: impl FnOnce(&mut Writer<'_>)) {
        let mut inner = Vec::new();
        fill(&mut Writer(&mut inner));
        self.header(kind, NLA_F_NESTED, inner.len());
        self.0.append(&mut inner);
    }

    /// `len` is far below 64 KiB: values are numbers, addresses, names that
    /// were cut, and nests of fewer than twenty of these.
    fn header(&mut self, kind: u32, flags: u16, len: usize) {
        let [k0, k1, ..] = kind.to_le_bytes();
        let kind = u16::from_le_bytes([k0, k1]) | flags;
        let len = u16::try_from(len.saturating_add(ALIGN)).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&len.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
    }
}

/// Calls `see` with each attribute in `bytes`, in order.
///
/// As in the kernel, unknown ones are for `see` to ignore, and of repeated
/// ones the last counts.
pub(crate) fn each(
    of: &'static str,
    bytes: &[u8],
    mut see: impl FnMut(u32, Value<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for attribute in NlasIterator::new(bytes) {
        let attribute = attribute.map_err(|e| DecodeError::Attributes {
            of,
            reason: e.to_string(),
        })?;
        see(u32::from(attribute.kind()), Value(attribute.value()))?;
    }
    Ok(())
}

/// Splits a message into its command and its attributes.
pub(crate) fn split(bytes: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    match bytes {
        [command, _version, _, _, attributes @ ..] => Ok((*command, attributes)),
        _ => Err(DecodeError::Header { len: bytes.len() }),
    }
}

/// `value`, or the error that says it is missing.
pub(crate) fn need<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}

/// The value of one attribute.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a>(pub(crate) &'a [u8]);

impl Value<'_> {
    pub(crate) fn array<const N: usize>(self, field: &'static str) -> Result<[u8; N], DecodeError> {
        // Longer is allowed: the kernel's fields may grow at the end.
        self.0.first_chunk().copied().ok_or(DecodeError::Length {
            field,
            expected: N,
            len: self.0.len(),
        })
    }

    pub(crate) fn u8(self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_ne_bytes)
    }

    /// In network byte order: ports.
    pub(crate) fn be16(self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_ne_bytes)
    }

    /// Up to the first NUL, or the end.
    pub(crate) fn name(self, field: &'static str) -> Result<String, DecodeError> {
        let text = self.0.split(|b| *b == 0).next().unwrap_or_default();
        let text = text.get(..LONGEST_NAME).unwrap_or(text);
        core::str::from_utf8(text)
            .map(str::to_owned)
            .map_err(|_| DecodeError::Text { field })
    }
}
