//! The socket against the running kernel, as far as no privilege is needed.

use netlink_packet_core::{DefaultNla, Emitable};

use super::*;

const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const GENL_ID_CTRL: u16 = 16;
/// `genlmsghdr` of CTRL_CMD_GETFAMILY, version 2.
const GET_FAMILY: [u8; 4] = [3, 2, 0, 0];
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

fn raw(message_type: u16, payload: &[u8]) -> Raw {
    Raw {
        message_type,
        payload: payload.to_vec(),
    }
}

/// An `ifinfomsg` that names interface `index`.
fn interface(index: u32) -> Vec<u8> {
    [&[0; 4][..], &index.to_ne_bytes(), &[0; 8]].concat()
}

fn family(name: &str) -> Raw {
    let name = DefaultNla::new(CTRL_ATTR_FAMILY_NAME, [name.as_bytes(), &[0]].concat());
    let mut payload = GET_FAMILY.to_vec();
    payload.resize(GET_FAMILY.len() + name.buffer_len(), 0);
    name.emit(&mut payload[GET_FAMILY.len()..]);
    raw(GENL_ID_CTRL, &payload)
}

#[test]
fn a_dump_lists_the_loopback() {
    let mut socket = Socket::open(NETLINK_ROUTE).unwrap();
    for _ in 0..2 {
        let links: Vec<Raw> = socket
            .dump(&"list links", &raw(RTM_GETLINK, &[0; 16]))
            .unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.payload.windows(3).any(|bytes| bytes == b"lo\0"))
        );
    }
}

#[test]
fn an_answer_comes_with_its_acknowledgement() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    let answers: Vec<Raw> = socket.get(&"find nlctrl", 0, &family("nlctrl")).unwrap();
    assert_eq!(answers.len(), 1);
    let error = socket
        .request(&"find the family \"nowhere\"", 0, &family("nowhere"))
        .unwrap_err();
    assert_eq!(error.refused(), Some(Errno::NOENT));
    assert!(!error.observe_again());
    assert!(
        error
            .to_string()
            .starts_with("cannot find the family \"nowhere\": No such file"),
        "{error}"
    );
}

#[test]
fn each_request_of_a_batch_has_its_own_outcome_across_datagrams() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    // A command that does not exist. (An unknown family would do, but the
    // kernel runs modprobe for each.)
    let (known, unknown) = (family("nlctrl"), raw(GENL_ID_CTRL, &[200, 2, 0, 0]));
    let mut batch = Batch::new();
    for i in 0..5000 {
        batch.push(0, if i % 3 == 1 { &unknown } else { &known });
    }
    assert!(batch.byte_len() > 2 * MAX_DATAGRAM);
    let outcomes = socket.run(&"find families", batch).unwrap();
    assert_eq!(outcomes.len(), 5000);
    for (i, outcome) in outcomes.iter().enumerate() {
        let errno = outcome.as_ref().err().map(|refusal| refusal.errno);
        assert_eq!(
            errno,
            (i % 3 == 1).then_some(Errno::OPNOTSUPP),
            "request {i}"
        );
    }
}

#[test]
fn silence_is_an_error_and_the_socket_is_usable_afterwards() {
    let mut socket = Socket::open(NETLINK_ROUTE).unwrap();
    socket.set_timeout(Duration::from_millis(20)).unwrap();
    // Wait for the answer to a request that was never sent.
    let mut outcomes = [Ok(())];
    let error = socket
        .settle(77, &mut outcomes, &mut |_, _| Ok(()))
        .unwrap_err();
    assert_eq!(error, ErrorKind::Timeout(Duration::from_millis(20)));
    assert!(described(&"wait", error).observe_again());
    socket.stale = true;
    let links: Vec<Raw> = socket
        .get(&"show the loopback", 0, &raw(RTM_GETLINK, &interface(1)))
        .unwrap();
    assert_eq!(links.len(), 1);
}

#[test]
fn answers_that_do_not_fit_are_an_overrun_and_are_forgotten() {
    let mut socket = Socket::open(NETLINK_GENERIC).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket.socket, 4096).unwrap();
    let mut batch = Batch::new();
    for _ in 0..socket.max_messages {
        batch.push(0, &family("nlctrl"));
    }
    let error = socket.run(&"find nlctrl often", batch).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overrun);
    assert!(error.observe_again());
    let answers: Vec<Raw> = socket.get(&"find nlctrl", 0, &family("nlctrl")).unwrap();
    assert_eq!(answers.len(), 1);
}

#[test]
fn the_kernels_own_words_reach_the_error() {
    let mut socket = Socket::open(NETLINK_ROUTE).unwrap();
    // A dump whose header asks for what strict checking forbids.
    let mut payload = interface(0);
    payload[1] = 0xff;
    let error = socket
        .dump::<_, Raw>(&"list links", &raw(RTM_GETLINK, &payload))
        .unwrap_err();
    assert_eq!(error.refused(), Some(Errno::INVAL));
    let ErrorKind::Refused(refusal) = &error.kind else {
        panic!("{error:?}");
    };
    assert!(refusal.text.is_some(), "{error}");
    // The dump was given up by the kernel, not by us: the next one works.
    let links: Vec<Raw> = socket
        .dump(&"list links", &raw(RTM_GETLINK, &interface(0)))
        .unwrap();
    assert!(!links.is_empty());
    // A request on an interface that does not exist.
    let error = socket
        .request(
            &"set link 4000000",
            0,
            &raw(RTM_SETLINK, &interface(4_000_000)),
        )
        .unwrap_err();
    assert!(
        matches!(error.refused(), Some(Errno::NODEV | Errno::PERM)),
        "{error}"
    );
}
