//! Kernel ABI of IPVS: constants and typed generic-netlink messages, without sockets.
