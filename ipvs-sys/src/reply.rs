//! What the kernel answers.

use serde::{Deserialize, Serialize};

use crate::abi::*;
use crate::attr::{Writer, split};
use crate::request::Top;
use crate::{Daemon, DecodeError, Info, ObservedDestination, ObservedService, Timeouts};

/// A message from the kernel, in answer to a `Get` or a `Dump`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `GetService` and `DumpServices`; command `IPVS_CMD_NEW_SERVICE`.
    Service(ObservedService),
    /// To `DumpDestinations`; command `IPVS_CMD_NEW_DEST`. Whose it is it
    /// does not say: the sequence number tells.
    Destination(ObservedDestination),
    /// To `DumpDaemons`; command `IPVS_CMD_NEW_DAEMON`.
    Daemon(Daemon),
    /// To `GetTimeouts`; command `IPVS_CMD_SET_CONFIG`.
    Timeouts(Timeouts),
    /// To `GetInfo`; command `IPVS_CMD_SET_INFO`.
    Info(Info),
}

impl Reply {
    /// Appends the message as a kernel since Linux 4.1 would, for tests that
    /// stand in for one: generic netlink header and attributes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Service(service) => Writer::begin(out, IPVS_CMD_NEW_SERVICE)
                .nested(IPVS_CMD_ATTR_SERVICE, |w| service.write(w)),
            Self::Destination(destination) => Writer::begin(out, IPVS_CMD_NEW_DEST)
                .nested(IPVS_CMD_ATTR_DEST, |w| destination.write(w)),
            Self::Daemon(daemon) => Writer::begin(out, IPVS_CMD_NEW_DAEMON)
                .nested(IPVS_CMD_ATTR_DAEMON, |w| daemon.write(w)),
            Self::Timeouts(timeouts) => {
                timeouts.write(&mut Writer::begin(out, IPVS_CMD_SET_CONFIG));
            }
            Self::Info(info) => info.write(&mut Writer::begin(out, IPVS_CMD_SET_INFO)),
        }
    }

    /// Reads a message: generic netlink header and attributes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: the first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (command, attributes) = split(bytes)?;
        match u32::from(command) {
            IPVS_CMD_NEW_SERVICE => {
                let fields = Top::read(attributes)?.service()?;
                fields.observed().map(Self::Service)
            }
            IPVS_CMD_NEW_DEST => {
                let fields = Top::read(attributes)?.destination()?;
                fields.observed().map(Self::Destination)
            }
            IPVS_CMD_NEW_DAEMON => {
                let fields = Top::read(attributes)?.daemon()?;
                fields.daemon().map(Self::Daemon)
            }
            IPVS_CMD_SET_CONFIG => Timeouts::read(attributes).map(Self::Timeouts),
            IPVS_CMD_SET_INFO => Info::read(attributes).map(Self::Info),
            _ => Err(DecodeError::Command(command)),
        }
    }
}
