//! Authentication of whole messages: the HMAC trailer and the IP authentication header.

mod ah;
mod clocks;
mod election;
mod hmac;
mod properties;
mod site;
mod vectors;
