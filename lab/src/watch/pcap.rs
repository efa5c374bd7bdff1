//! Capture files that tcpdump and Wireshark read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::Frame;
use crate::failure::{Attempt, Result};

/// Marks time stamps in nanoseconds.
const MAGIC: u32 = 0xa1b2_3c4d;
const LINK_ETHERNET: u32 = 1;
const SNAP_LENGTH: u32 = 65_535;

/// A capture file under way.
pub(super) struct PcapFile {
    out: BufWriter<File>,
}

impl PcapFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).attempt(|| format!("create {}", path.display()))?;
        let mut out = BufWriter::new(file);
        let mut header = Vec::new();
        header.extend(MAGIC.to_ne_bytes());
        header.extend(2u16.to_ne_bytes());
        header.extend(4u16.to_ne_bytes());
        header.extend([0; 8]);
        header.extend(SNAP_LENGTH.to_ne_bytes());
        header.extend(LINK_ETHERNET.to_ne_bytes());
        out.write_all(&header)
            .attempt(|| format!("write {}", path.display()))?;
        Ok(Self { out })
    }

    pub(super) fn add(&mut self, frame: &Frame) -> std::io::Result<()> {
        let length = u32::try_from(frame.bytes.len()).unwrap_or(SNAP_LENGTH);
        let seconds = u32::try_from(frame.at.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, frame.at.subsec_nanos(), length, length] {
            self.out.write_all(&word.to_ne_bytes())?;
        }
        self.out.write_all(&frame.bytes)
    }

    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
