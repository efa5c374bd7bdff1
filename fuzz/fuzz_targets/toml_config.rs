//! Arbitrary text as a configuration: no panic; what is refused says why, and what is accepted
//! survives the way to a worker.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lvsd::config::parse_toml;
use lvsd::model::Config;

fuzz_target!(|text: &str| {
    match parse_toml("fuzz.toml", text) {
        Ok(loaded) => {
            let json = serde_json::to_string(&loaded.config).expect("a configuration is JSON");
            let back: Config = serde_json::from_str(&json).expect("and reads back");
            assert_eq!(back, loaded.config);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
