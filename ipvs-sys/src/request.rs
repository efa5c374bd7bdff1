//! What user space sends.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::abi::*;
use crate::attr::{Writer, each, need, split};
use crate::{
    Daemon, DaemonState, DecodeError, Destination, DestinationId, Service, ServiceId, Timeouts,
    daemon, destination, service,
};

/// A message to the kernel, one for every command of the family.
///
/// The kernel answers those that change something with an acknowledgement
/// only (`NLM_F_ACK`), the `Get` ones with one [`Reply`](crate::Reply), the
/// `Dump` ones (`NLM_F_DUMP`, see [`Request::is_dump`]) with any number.
/// All need `CAP_NET_ADMIN`. Errors are the kernel's errno; those worth
/// knowing are named here.
///
/// Displayed as what is attempted: `add service TCP 10.0.0.1:80`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `IPVS_CMD_NEW_SERVICE`. `EEXIST`: it is there. `ENOENT`: no such
    /// scheduler or persistence engine, and its module could not be loaded.
    AddService(Service),
    /// `IPVS_CMD_SET_SERVICE`: all of its properties. `ESRCH`: it is not there.
    EditService(Service),
    /// `IPVS_CMD_DEL_SERVICE`, with its destinations. `ESRCH`: it is not there.
    DeleteService(ServiceId),
    /// `IPVS_CMD_GET_SERVICE`. `ESRCH`: it is not there.
    GetService(ServiceId),
    /// `IPVS_CMD_GET_SERVICE` as a dump: all services.
    DumpServices,
    /// `IPVS_CMD_NEW_DEST`. `ESRCH`: no such service. `EEXIST`: it is there.
    AddDestination(ServiceId, Destination),
    /// `IPVS_CMD_SET_DEST`: all of its properties. `ESRCH`: no such service.
    /// `ENOENT`: it is not there.
    EditDestination(ServiceId, Destination),
    /// `IPVS_CMD_DEL_DEST`. `ESRCH`: no such service. `ENOENT`: it is not there.
    DeleteDestination(ServiceId, DestinationId),
    /// `IPVS_CMD_GET_DEST`, a dump only: all destinations of a service. One
    /// that is not there has none: no error tells.
    DumpDestinations(ServiceId),
    /// `IPVS_CMD_NEW_DAEMON`. `EEXIST`: it runs. `ENODEV`: no such interface.
    StartDaemon(Daemon),
    /// `IPVS_CMD_DEL_DAEMON`. `ESRCH`: it does not run.
    StopDaemon(DaemonState),
    /// `IPVS_CMD_GET_DAEMON`, a dump only: those that run.
    DumpDaemons,
    /// `IPVS_CMD_SET_CONFIG`.
    SetTimeouts(Timeouts),
    /// `IPVS_CMD_GET_CONFIG`.
    GetTimeouts,
    /// `IPVS_CMD_GET_INFO`.
    GetInfo,
    /// `IPVS_CMD_ZERO`: counters of one service and its destinations, or of all.
    Zero(Option<ServiceId>),
    /// `IPVS_CMD_FLUSH`: removes every service.
    Flush,
}

impl Request {
    /// The family's command.
    #[must_use]
    pub const fn command(&self) -> u32 {
        match self {
            Self::AddService(_) => IPVS_CMD_NEW_SERVICE,
            Self::EditService(_) => IPVS_CMD_SET_SERVICE,
            Self::DeleteService(_) => IPVS_CMD_DEL_SERVICE,
            Self::GetService(_) | Self::DumpServices => IPVS_CMD_GET_SERVICE,
            Self::AddDestination(..) => IPVS_CMD_NEW_DEST,
            Self::EditDestination(..) => IPVS_CMD_SET_DEST,
            Self::DeleteDestination(..) => IPVS_CMD_DEL_DEST,
            Self::DumpDestinations(_) => IPVS_CMD_GET_DEST,
            Self::StartDaemon(_) => IPVS_CMD_NEW_DAEMON,
            Self::StopDaemon(_) => IPVS_CMD_DEL_DAEMON,
            Self::DumpDaemons => IPVS_CMD_GET_DAEMON,
            Self::SetTimeouts(_) => IPVS_CMD_SET_CONFIG,
            Self::GetTimeouts => IPVS_CMD_GET_CONFIG,
            Self::GetInfo => IPVS_CMD_GET_INFO,
            Self::Zero(_) => IPVS_CMD_ZERO,
            Self::Flush => IPVS_CMD_FLUSH,
        }
    }

    /// Whether it has to carry `NLM_F_DUMP`, and its answer ends with `NLMSG_DONE`.
    #[must_use]
    pub const fn is_dump(&self) -> bool {
        matches!(
            self,
            Self::DumpServices | Self::DumpDestinations(_) | Self::DumpDaemons
        )
    }

    /// Appends the message: generic netlink header and attributes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::begin(out, self.command());
        match self {
            Self::AddService(service) | Self::EditService(service) => {
                w.nested(IPVS_CMD_ATTR_SERVICE, |w| service.write(w));
            }
            Self::DeleteService(id)
            | Self::GetService(id)
            | Self::DumpDestinations(id)
            | Self::Zero(Some(id)) => write_service_id(&mut w, id),
            Self::AddDestination(id, destination) | Self::EditDestination(id, destination) => {
                write_service_id(&mut w, id);
                w.nested(IPVS_CMD_ATTR_DEST, |w| destination.write(w));
            }
            Self::DeleteDestination(id, destination) => {
                write_service_id(&mut w, id);
                w.nested(IPVS_CMD_ATTR_DEST, |w| {
                    destination::write_id(destination, w);
                });
            }
            Self::StartDaemon(daemon) => w.nested(IPVS_CMD_ATTR_DAEMON, |w| daemon.write(w)),
            Self::StopDaemon(state) => w.nested(IPVS_CMD_ATTR_DAEMON, |w| {
                w.u32(IPVS_DAEMON_ATTR_STATE, state.number());
            }),
            Self::SetTimeouts(timeouts) => timeouts.write(&mut w),
            Self::DumpServices
            | Self::DumpDaemons
            | Self::GetTimeouts
            | Self::GetInfo
            | Self::Zero(None)
            | Self::Flush => {}
        }
    }

    /// Reads a message as [`Request::encode`] writes it. `IPVS_CMD_GET_SERVICE`
    /// without a service is taken for the dump.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: the first thing that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (command, attributes) = split(bytes)?;
        let mut top = Top::default();
        if u32::from(command) != IPVS_CMD_SET_CONFIG {
            top = Top::read(attributes)?;
        }
        match u32::from(command) {
            IPVS_CMD_NEW_SERVICE => Ok(Self::AddService(top.service()?.service()?)),
            IPVS_CMD_SET_SERVICE => Ok(Self::EditService(top.service()?.service()?)),
            IPVS_CMD_DEL_SERVICE => Ok(Self::DeleteService(top.service()?.id()?)),
            IPVS_CMD_GET_SERVICE => Ok(match top.service {
                Some(fields) => Self::GetService(fields.id()?),
                None => Self::DumpServices,
            }),
            IPVS_CMD_NEW_DEST => {
                let destination = top.destination()?.destination()?;
                Ok(Self::AddDestination(top.service()?.id()?, destination))
            }
            IPVS_CMD_SET_DEST => {
                let destination = top.destination()?.destination()?;
                Ok(Self::EditDestination(top.service()?.id()?, destination))
            }
            IPVS_CMD_DEL_DEST => {
                let destination = top.destination()?.id()?;
                Ok(Self::DeleteDestination(top.service()?.id()?, destination))
            }
            IPVS_CMD_GET_DEST => Ok(Self::DumpDestinations(top.service()?.id()?)),
            IPVS_CMD_NEW_DAEMON => Ok(Self::StartDaemon(top.daemon()?.daemon()?)),
            IPVS_CMD_DEL_DAEMON => Ok(Self::StopDaemon(top.daemon()?.state()?)),
            IPVS_CMD_GET_DAEMON => Ok(Self::DumpDaemons),
            IPVS_CMD_SET_CONFIG => Ok(Self::SetTimeouts(Timeouts::read(attributes)?)),
            IPVS_CMD_GET_CONFIG => Ok(Self::GetTimeouts),
            IPVS_CMD_GET_INFO => Ok(Self::GetInfo),
            IPVS_CMD_ZERO => Ok(Self::Zero(match top.service {
                Some(fields) => Some(fields.id()?),
                None => None,
            })),
            IPVS_CMD_FLUSH => Ok(Self::Flush),
            _ => Err(DecodeError::Command(command)),
        }
    }
}

fn write_service_id(w: &mut Writer<'_>, id: &ServiceId) {
    w.nested(IPVS_CMD_ATTR_SERVICE, |w| service::write_id(id, w));
}

/// The attributes of the first level that nest others.
#[derive(Default)]
pub(crate) struct Top {
    service: Option<service::Fields>,
    destination: Option<destination::Fields>,
    daemon: Option<daemon::Fields>,
}

impl Top {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut top = Self::default();
        each("message", bytes, |kind, value| {
            match kind {
                IPVS_CMD_ATTR_SERVICE => top.service = Some(service::Fields::read(value.0)?),
                IPVS_CMD_ATTR_DEST => top.destination = Some(destination::Fields::read(value.0)?),
                IPVS_CMD_ATTR_DAEMON => top.daemon = Some(daemon::Fields::read(value.0)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(top)
    }

    pub(crate) fn service(&mut self) -> Result<service::Fields, DecodeError> {
        need("service", self.service.take())
    }

    pub(crate) fn destination(&mut self) -> Result<destination::Fields, DecodeError> {
        need("destination", self.destination.take())
    }

    pub(crate) fn daemon(&mut self) -> Result<daemon::Fields, DecodeError> {
        need("daemon", self.daemon.take())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(s) => write!(f, "add service {} {}", s.id, s.scheduler),
            Self::EditService(s) => write!(f, "edit service {} {}", s.id, s.scheduler),
            Self::DeleteService(id) => write!(f, "delete service {id}"),
            Self::GetService(id) => write!(f, "get service {id}"),
            Self::DumpServices => write!(f, "list services"),
            Self::AddDestination(id, d) => write!(f, "add destination {} to {id}", d.id),
            Self::EditDestination(id, d) => write!(f, "edit destination {} of {id}", d.id),
            Self::DeleteDestination(id, d) => write!(f, "delete destination {d} of {id}"),
            Self::DumpDestinations(id) => write!(f, "list destinations of {id}"),
            Self::StartDaemon(d) => write!(f, "start sync daemon {} on {}", d.state, d.interface),
            Self::StopDaemon(state) => write!(f, "stop sync daemon {state}"),
            Self::DumpDaemons => write!(f, "list sync daemons"),
            Self::SetTimeouts(_) => write!(f, "set connection timeouts"),
            Self::GetTimeouts => write!(f, "get connection timeouts"),
            Self::GetInfo => write!(f, "get IPVS version"),
            Self::Zero(None) => write!(f, "zero all counters"),
            Self::Zero(Some(id)) => write!(f, "zero counters of {id}"),
            Self::Flush => write!(f, "remove all services"),
        }
    }
}
