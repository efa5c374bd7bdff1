//! The kernel's IPVS table, by generic netlink.
//!
//! What was learned of the kernel's ways, and is relied on here:
//!
//! - The family's number is given out when `ip_vs` is loaded, so a reload of
//!   the module changes it, and requests with the old one are refused with
//!   `ENOENT`. So are others for reasons of their own; which it was is told by
//!   asking for the number again.
//! - Destinations can only be listed by service, and a socket has room for one
//!   listing at a time: reading the table costs three system calls a service.
//! - Listing the destinations of a service that is gone gives none, no error.

use std::collections::BTreeMap;

use ipvs_sys::{
    Daemon, DecodeError, FAMILY, Info, ObservedDestination, ObservedService, Reply, Request,
    ServiceId, Timeouts,
};
use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use rustix::io::Errno;

use super::netlink::{Batch, NETLINK_GENERIC, Outcome, Raw, Socket};
use crate::reconcile::ipvs::{Entry, Op, Table};

mod error;

pub use error::{Action, Error};

/// `GENL_ID_CTRL`: the one family whose number is fixed.
const CONTROLLER: u16 = 16;

/// A service of the kernel's table, with its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedEntry {
    /// The service.
    pub service: ObservedService,
    /// Its destinations, in the order of the kernel's list.
    pub destinations: Vec<ObservedDestination>,
}

impl ObservedEntry {
    /// What can be compared with what is desired.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let destinations = self.destinations.iter().map(|d| d.destination);
        Entry::new(self.service.service.clone(), destinations)
    }
}

/// The kernel's table.
pub type ObservedTable = BTreeMap<ServiceId, ObservedEntry>;

/// What of the kernel's table can be compared with what is desired.
#[must_use]
pub fn comparable(observed: &ObservedTable) -> Table {
    let entries = observed.iter().map(|(id, entry)| (*id, entry.entry()));
    entries.collect()
}

/// A connection to the IPVS of this network namespace. Blocks; see
/// [`netlink`](super::netlink).
#[derive(Debug)]
pub struct Ipvs {
    socket: Socket,
    /// The family's number.
    family: u16,
}

impl Ipvs {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::NotInKernel`] when `ip_vs` is not loaded. The kernel tries to
    /// load it when asked for the family; nothing else is tried here.
    pub fn open() -> Result<Self, Error> {
        let mut socket = Socket::open(NETLINK_GENERIC)?;
        let family = resolve(&mut socket)?;
        Ok(Self { socket, family })
    }

    /// Reads the whole table.
    ///
    /// # Errors
    ///
    /// [`Error::NotInKernel`], or [`Error::Netlink`] when it could not be read.
    pub fn dump(&mut self) -> Result<ObservedTable, Error> {
        let services = self.ask(&Request::DumpServices, service_reply)?;
        let mut table = ObservedTable::new();
        for service in services {
            let id = service.service.id;
            let destinations = self.destinations(id)?;
            table.insert(
                id,
                ObservedEntry {
                    service,
                    destinations,
                },
            );
        }
        Ok(table)
    }

    /// Reads the destinations of one service; none if there is no such service.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn destinations(&mut self, id: ServiceId) -> Result<Vec<ObservedDestination>, Error> {
        self.ask(&Request::DumpDestinations(id), |reply| match reply {
            Reply::Destination(destination) => Some(destination),
            _ => None,
        })
    }

    /// Reads one service without its destinations; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn service(&mut self, id: ServiceId) -> Result<Option<ObservedService>, Error> {
        match self.ask(&Request::GetService(id), service_reply) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if error.errno() == Some(Errno::SRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Carries `ops` out, in order, many in one `sendmsg`; a refused one does
    /// not keep those behind it from being done.
    ///
    /// # Errors
    ///
    /// For each operation its own. The outer error means that nothing certain
    /// is known about any of them: observe again.
    pub fn apply(&mut self, ops: &[Op]) -> Result<Vec<Result<(), Error>>, Error> {
        let requests: Vec<Request> = ops.iter().map(Op::request).collect();
        self.run(&requests)
    }

    /// Carries requests out as [`Ipvs::apply`] does. For those that change
    /// something: replies are dropped.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::apply`].
    pub fn run(&mut self, requests: &[Request]) -> Result<Vec<Result<(), Error>>, Error> {
        let mut outcomes = self.send(requests)?;
        if outcomes.iter().any(is_missing) && self.renew()? {
            self.send_again(requests, &mut outcomes)?;
        }
        let results = requests.iter().zip(outcomes);
        Ok(results
            .map(|(request, outcome)| outcome.map_err(|refusal| Error::refused(request, refusal)))
            .collect())
    }

    /// IPVS's version and the size of its connection table.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn info(&mut self) -> Result<Info, Error> {
        self.ask_one(&Request::GetInfo, |reply| match reply {
            Reply::Info(info) => Some(info),
            _ => None,
        })
    }

    /// How long idle connections are remembered.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.ask_one(&Request::GetTimeouts, |reply| match reply {
            Reply::Timeouts(timeouts) => Some(timeouts),
            _ => None,
        })
    }

    /// The connection synchronisation daemons that run.
    ///
    /// # Errors
    ///
    /// As [`Ipvs::dump`].
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.ask(&Request::DumpDaemons, |reply| match reply {
            Reply::Daemon(daemon) => Some(daemon),
            _ => None,
        })
    }

    fn ask_one<T>(
        &mut self,
        request: &Request,
        pick: impl Fn(Reply) -> Option<T>,
    ) -> Result<T, Error> {
        let answers = self.ask(request, pick)?;
        answers.into_iter().next().ok_or_else(|| Error::Unanswered {
            attempt: request.to_string(),
        })
    }

    /// Sends a request that has replies and picks those that it asked for.
    fn ask<T>(
        &mut self,
        request: &Request,
        pick: impl Fn(Reply) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut replies = self.ask_once(request);
        if let Err(error) = &replies
            && error.refused() == Some(Errno::NOENT)
            && self.renew()?
        {
            replies = self.ask_once(request);
        }
        Ok(replies?.into_iter().filter_map(|r| pick(r.0)).collect())
    }

    fn ask_once(&mut self, request: &Request) -> Result<Vec<Answer>, super::netlink::Error> {
        let message = Raw {
            message_type: self.family,
            payload: encoded(request),
        };
        if request.is_dump() {
            self.socket.dump(request, &message)
        } else {
            self.socket.get(request, 0, &message)
        }
    }

    fn send(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, Error> {
        let mut batch = Batch::new();
        for request in requests {
            batch.push_raw(self.family, 0, &encoded(request));
        }
        let attempt = match requests {
            [] => return Ok(Vec::new()),
            [one] => one.to_string(),
            [first, ..] => format!("{first}, and {} more", requests.len() - 1),
        };
        Ok(self.socket.run(&attempt, batch)?)
    }

    /// Sends those again that were refused for the old number's sake.
    fn send_again(&mut self, requests: &[Request], outcomes: &mut [Outcome]) -> Result<(), Error> {
        let refused: Vec<usize> = outcomes
            .iter()
            .enumerate()
            .filter_map(|(i, outcome)| is_missing(outcome).then_some(i))
            .collect();
        let again: Vec<Request> = refused
            .iter()
            .filter_map(|i| requests.get(*i).cloned())
            .collect();
        for (i, outcome) in refused.into_iter().zip(self.send(&again)?) {
            if let Some(place) = outcomes.get_mut(i) {
                *place = outcome;
            }
        }
        Ok(())
    }

    /// Asks for the family's number again; says whether it is another.
    fn renew(&mut self) -> Result<bool, Error> {
        let family = resolve(&mut self.socket)?;
        let changed = family != self.family;
        self.family = family;
        Ok(changed)
    }
}

fn encoded(request: &Request) -> Vec<u8> {
    let mut payload = Vec::with_capacity(192);
    request.encode(&mut payload);
    payload
}

fn service_reply(reply: Reply) -> Option<ObservedService> {
    match reply {
        Reply::Service(service) => Some(service),
        _ => None,
    }
}

fn is_missing(outcome: &Outcome) -> bool {
    matches!(outcome, Err(refusal) if refusal.errno == Errno::NOENT)
}

/// A [`Reply`], as the socket hands it out.
struct Answer(Reply);

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(_header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Reply::decode(payload).map(Self)
    }
}

/// Asks the kernel for the family's number.
fn resolve(socket: &mut Socket) -> Result<u16, Error> {
    let mut question = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(FAMILY.to_owned())],
    });
    question.set_resolved_family_id(CONTROLLER);
    let attempt = "find IPVS in the kernel";
    let answers: Result<Vec<GenlMessage<GenlCtrl>>, _> = socket.get(&attempt, 0, &question);
    match answers {
        Ok(answers) => answers
            .iter()
            .flat_map(|answer| &answer.payload.nlas)
            .find_map(|attribute| match attribute {
                GenlCtrlAttrs::FamilyId(id) => Some(*id),
                _ => None,
            })
            .ok_or_else(|| Error::Unanswered {
                attempt: attempt.to_owned(),
            }),
        Err(error) if error.refused() == Some(Errno::NOENT) => Err(Error::NotInKernel),
        Err(error) => Err(error.into()),
    }
}
