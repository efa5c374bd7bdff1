//! A network of directors, real servers and clients on a real kernel, to try and to test lvsd.
