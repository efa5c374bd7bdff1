//! Writes `src/abi.rs` anew from the system's `<linux/ip_vs.h>`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/abi.rs");
    std::fs::write(&path, ipvs_sys::regen::generate()?)?;
    println!("wrote {}", path.display());
    Ok(())
}
