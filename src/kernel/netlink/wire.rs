//! Netlink framing, as bytes: which messages lie in a datagram, what an
//! acknowledgement says, and many requests packed for one `sendmsg`.
//!
//! Pure: bytes in, values out. Layout from `linux/netlink.h`.

use std::fmt;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSG_ALIGNTO, NetlinkBuffer,
    NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, NlasIterator, Parseable,
    parse_string,
};
use rustix::io::Errno;

/// Length of `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG`: the kernel's words about an error.
const ATTR_MESSAGE: u16 = 1;

/// A message with a payload that is not interpreted: for callers that encode
/// and decode their payload themselves, and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// `nlmsg_type`: for generic netlink the number of the family.
    pub message_type: u16,
    /// Everything after `struct nlmsghdr`.
    pub payload: Vec<u8>,
}

impl NetlinkSerializable for Raw {
    fn message_type(&self) -> u16 {
        self.message_type
    }

    fn buffer_len(&self) -> usize {
        self.payload.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.payload);
    }
}

impl NetlinkDeserializable for Raw {
    type Error = std::convert::Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self {
            message_type: header.message_type,
            payload: payload.to_vec(),
        })
    }
}

/// Why the kernel did not do what one request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number of the answer.
    pub errno: Errno,
    /// The kernel's own words (`NLMSGERR_ATTR_MSG`), where it has any.
    pub text: Option<Box<str>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno)?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Bytes that are no netlink message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Requests packed one after the other, to travel in as few `sendmsg` as the
/// socket's buffers allow. Requests are answered in the order of [`push`]ing.
///
/// [`push`]: Batch::push
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each request ends in `bytes`.
    ends: Vec<usize>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many requests it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all requests together, headers and padding included.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The requests as they are packed, not yet numbered.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a request. `flags` beyond `NLM_F_REQUEST`, which is always
    /// set: `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_REPLACE`. Acknowledgement is
    /// the socket's business.
    pub fn push<T: NetlinkSerializable>(&mut self, flags: u16, message: &T) {
        let length = message.buffer_len();
        self.append(message.message_type(), flags, length, |payload| {
            message.serialize(payload);
        });
    }

    /// Appends a request whose payload the caller has encoded.
    pub fn push_raw(&mut self, message_type: u16, flags: u16, payload: &[u8]) {
        self.append(message_type, flags, payload.len(), |out| {
            out.copy_from_slice(payload);
        });
    }

    fn append(
        &mut self,
        message_type: u16,
        flags: u16,
        payload: usize,
        fill: impl FnOnce(&mut [u8]),
    ) {
        let start = self.bytes.len();
        let length = HEADER + payload;
        self.bytes.resize(start + align(length), 0);
        // A length past 4 GiB cannot be sent anyway: the socket refuses it.
        let field = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some((header, rest)) = self
            .bytes
            .get_mut(start..)
            .and_then(|message| message.split_at_mut_checked(HEADER))
        {
            let mut header = NetlinkBuffer::new(header);
            header.set_length(field);
            header.set_message_type(message_type);
            header.set_flags(flags | NLM_F_REQUEST);
            if let Some(rest) = rest.get_mut(..payload) {
                fill(rest);
            }
        }
        self.ends.push(self.bytes.len());
    }

    /// Where the chunk that begins with request `first` ends: the number of
    /// the first request that is not in it. At least one request long, at
    /// most `max_bytes` and `max_messages` otherwise.
    pub(super) fn chunk_end(&self, first: usize, max_bytes: usize, max_messages: usize) -> usize {
        let limit = self.start_of(first) + max_bytes;
        let fitting = self
            .ends
            .iter()
            .skip(first)
            .take(max_messages)
            .take_while(|end| **end <= limit)
            .count();
        (first + fitting.max(1)).min(self.ends.len())
    }

    /// The bytes of requests `first..end`, numbered upwards from `sequence`,
    /// with an acknowledgement asked for the last one.
    pub(super) fn chunk(&mut self, first: usize, end: usize, sequence: u32) -> &[u8] {
        let mut start = self.start_of(first);
        let range = start..self.start_of(end);
        let mut number = sequence;
        for stop in self.ends.get(first..end).unwrap_or_default() {
            if let Some(message) = self.bytes.get_mut(start..*stop) {
                let mut header = NetlinkBuffer::new(message);
                header.set_sequence_number(number);
                if *stop == range.end {
                    let flags = header.flags();
                    header.set_flags(flags | NLM_F_ACK);
                }
            }
            start = *stop;
            number = number.wrapping_add(1);
        }
        self.bytes.get(range).unwrap_or_default()
    }

    fn start_of(&self, request: usize) -> usize {
        match request.checked_sub(1) {
            Some(previous) => self.ends.get(previous).copied().unwrap_or(self.bytes.len()),
            None => 0,
        }
    }
}

/// The messages of one datagram, in order. Ends after the first malformed
/// one.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<(NetlinkHeader, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.rest);
        let parsed = NetlinkBuffer::new_checked(whole).and_then(|buffer| {
            let header = NetlinkHeader::parse(&buffer)?;
            Ok((header, buffer.payload()))
        });
        Some(match parsed {
            Ok((header, payload)) => {
                let next = align(HEADER + payload.len());
                self.rest = whole.get(next..).unwrap_or_default();
                Ok((header, payload))
            }
            Err(error) => Err(Malformed(error.to_string())),
        })
    }
}

/// What an `NLMSG_ERROR` or `NLMSG_DONE` says: nothing wrong, or a refusal.
///
/// # Errors
///
/// [`Malformed`] when the payload is too short or holds no error number.
pub fn verdict(header: &NetlinkHeader, payload: &[u8]) -> Result<Result<(), Refusal>, Malformed> {
    let Some((code, rest)) = payload.split_first_chunk::<4>() else {
        // The kernel may end a dump with an empty NLMSG_DONE.
        return if payload.is_empty() && header.message_type == netlink_packet_core::NLMSG_DONE {
            Ok(Ok(()))
        } else {
            Err(Malformed(format!("an answer of {} bytes", payload.len())))
        };
    };
    let code = i32::from_ne_bytes(*code);
    if code == 0 || (code > 0 && header.message_type == netlink_packet_core::NLMSG_DONE) {
        return Ok(Ok(()));
    }
    let Some(number) = code.checked_neg().filter(|n| (1..=4095).contains(n)) else {
        return Err(Malformed(format!("{code} is no error number")));
    };
    Ok(Err(Refusal {
        errno: Errno::from_raw_os_error(number),
        text: text(header, rest),
    }))
}

/// The kernel's words in the attributes behind an answer. `rest` begins
/// after the error number.
fn text(header: &NetlinkHeader, rest: &[u8]) -> Option<Box<str>> {
    if header.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let attributes = if header.message_type == netlink_packet_core::NLMSG_DONE {
        rest
    } else {
        // The request itself lies in between: its header only, if capped.
        let request = NetlinkBuffer::new(rest.get(..HEADER)?);
        let length = if header.flags & NLM_F_CAPPED == 0 {
            usize::try_from(request.length()).ok()?.max(HEADER)
        } else {
            HEADER
        };
        rest.get(align(length)..)?
    };
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() == ATTR_MESSAGE)
        .and_then(|attribute| parse_string(attribute.value()).ok())
        .map(String::into_boxed_str)
}

/// `length` rounded up to the boundary the next message begins at.
fn align(length: usize) -> usize {
    length.next_multiple_of(usize::from(NLMSG_ALIGNTO))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_CREATE, NLMSG_DONE, NLMSG_ERROR};
    use proptest::prelude::*;

    use super::*;

    fn header(message_type: u16, flags: u16) -> NetlinkHeader {
        let mut header = NetlinkHeader::default();
        header.message_type = message_type;
        header.flags = flags;
        header
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut out = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        out.extend_from_slice(value);
        out.resize(align(out.len()), 0);
        out
    }

    /// An error answer to a request of `request` bytes, quoted up to `quoted`.
    fn refusal(errno: Errno, request: u32, quoted: usize, attributes: &[u8]) -> Vec<u8> {
        let mut out = (-errno.raw_os_error()).to_ne_bytes().to_vec();
        let mut quote = vec![0; align(quoted)];
        NetlinkBuffer::new(&mut quote).set_length(request);
        out.extend(quote);
        out.extend(attributes);
        out
    }

    #[test]
    fn a_batch_is_numbered_and_asks_for_one_acknowledgement() {
        let mut batch = Batch::new();
        batch.push_raw(16, 0, &[1, 2, 3]);
        batch.push(
            NLM_F_CREATE,
            &Raw {
                message_type: 17,
                payload: vec![4; 8],
            },
        );
        assert_eq!((batch.len(), batch.byte_len()), (2, 20 + 24));
        let bytes = batch.chunk(0, 2, u32::MAX).to_vec();
        let seen: Vec<_> = Messages::new(&bytes).map(Result::unwrap).collect();
        let [(first, one), (second, two)] = seen.as_slice() else {
            panic!("two messages expected: {seen:?}");
        };
        assert_eq!(
            (first.message_type, first.flags, first.sequence_number, *one),
            (16, NLM_F_REQUEST, u32::MAX, [1, 2, 3].as_slice())
        );
        assert_eq!(
            (second.message_type, second.flags, second.sequence_number),
            (17, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 0)
        );
        assert_eq!(*two, [4; 8]);
    }

    #[test]
    fn chunks_respect_both_limits_and_always_advance() {
        let mut batch = Batch::new();
        for _ in 0..5 {
            batch.push_raw(16, 0, &[0; 4]); // 20 bytes each
        }
        assert_eq!(batch.chunk_end(0, 60, 100), 3);
        assert_eq!(batch.chunk_end(3, 60, 100), 5);
        assert_eq!(batch.chunk_end(0, 1000, 2), 2);
        assert_eq!(batch.chunk_end(1, 10, 100), 2);
        assert_eq!(batch.chunk(3, 4, 1).len(), 20);
    }

    #[test]
    fn the_kernels_words_are_found_with_and_without_the_request_quoted() {
        let words = [attribute(2, &[0; 4]), attribute(1, b"Invalid address\0")].concat();
        for (flags, quoted) in [(NLM_F_ACK_TLVS | NLM_F_CAPPED, 16), (NLM_F_ACK_TLVS, 30)] {
            let payload = refusal(Errno::INVAL, 30, quoted, &words);
            let got = verdict(&header(NLMSG_ERROR, flags), &payload).unwrap();
            let refusal = got.unwrap_err();
            assert_eq!(refusal.errno, Errno::INVAL);
            assert_eq!(refusal.text.as_deref(), Some("Invalid address"));
            assert!(refusal.to_string().ends_with(": Invalid address"));
        }
        let payload = refusal(Errno::INVAL, 30, 16, &words);
        let got = verdict(&header(NLMSG_ERROR, NLM_F_CAPPED), &payload).unwrap();
        assert_eq!(got.unwrap_err().text, None);
    }

    #[test]
    fn success_and_the_end_of_a_dump_are_no_refusal() {
        let ack = refusal(Errno::INVAL, 30, 16, &[]);
        let zero = [&[0; 4], ack.get(4..).unwrap()].concat();
        assert_eq!(verdict(&header(NLMSG_ERROR, 0), &zero), Ok(Ok(())));
        assert_eq!(verdict(&header(NLMSG_DONE, 0), &[]), Ok(Ok(())));
        assert_eq!(
            verdict(&header(NLMSG_DONE, 0), &7i32.to_ne_bytes()),
            Ok(Ok(()))
        );
        assert!(verdict(&header(NLMSG_ERROR, 0), &[]).is_err());
        assert!(verdict(&header(NLMSG_ERROR, 0), &7i32.to_ne_bytes()).is_err());
        assert!(verdict(&header(NLMSG_ERROR, 0), &i32::MIN.to_ne_bytes()).is_err());
    }

    #[test]
    fn a_truncated_message_ends_the_walk_with_an_error() {
        let mut batch = Batch::new();
        batch.push_raw(16, 0, &[1; 4]);
        batch.push_raw(16, 0, &[2; 4]);
        let bytes = batch.chunk(0, 2, 1);
        let mut walk = Messages::new(bytes.get(..30).unwrap());
        assert!(walk.next().unwrap().is_ok());
        assert!(walk.next().unwrap().is_err());
        assert!(walk.next().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            flags in any::<u16>(),
            kind in any::<u16>(),
        ) {
            let _ = verdict(&header(kind, flags), &bytes);
            let _ = verdict(&header(NLMSG_ERROR, flags | NLM_F_ACK_TLVS), &bytes);
            let total: usize = Messages::new(&bytes)
                .map_while(Result::ok)
                .map(|(_, payload)| payload.len() + HEADER)
                .sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
