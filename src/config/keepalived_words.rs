//! keepalived's words for what this configuration calls otherwise, so that a key
//! written from habit is answered with the right one.

/// keepalived's word, and what to write.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("global_defs", "write `[global]`"),
    ("advert_int", "write `advert_interval = \"1s\"`"),
    (
        "virtual_ipaddress",
        "write `virtual_addresses = [\"IP/LENGTH\"]`",
    ),
    ("nopreempt", "write `preempt = false`"),
    (
        "state",
        "every director starts as backup; `priority` decides",
    ),
    (
        "authentication",
        "write `version = 2` and `auth_pass = \"...\"`",
    ),
    ("auth_type", "write `version = 2` and `auth_pass = \"...\"`"),
    (
        "v3_checksum_as_v2",
        "write `v3_checksum = \"message_only\"`",
    ),
    ("lb_algo", "write `scheduler = \"rr\"`"),
    ("lvs_sched", "write `scheduler = \"rr\"`"),
    ("lb_kind", "write `forward = \"dr\"`"),
    ("lvs_method", "write `forward = \"dr\"`"),
    ("uthreshold", "write `upper_threshold`"),
    ("lthreshold", "write `lower_threshold`"),
    ("delay_loop", "write `interval = \"6s\"` in a check"),
    ("retry", "write `retries` in a check"),
    ("nb_get_retry", "write `retries` in a check"),
    ("delay_before_retry", "write `retry_delay` in a check"),
    ("alpha", "write `start = \"down\"` in a check"),
    ("virtualhost", "write `host` in a check of type http"),
    ("status_code", "write `status` in a check of type http"),
    (
        "TCP_CHECK",
        "write `[[virtual_server.NAME.check]]` with `type = \"tcp\"`",
    ),
    (
        "HTTP_GET",
        "write `[[virtual_server.NAME.check]]` with `type = \"http\"`",
    ),
    (
        "PING_CHECK",
        "write `[[virtual_server.NAME.check]]` with `type = \"icmp\"`",
    ),
];

/// What to write instead of `key`, if it is keepalived's.
pub(super) fn advice(key: &str) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(word, _)| *word == key)
        .map(|(_, advice)| *advice)
}
