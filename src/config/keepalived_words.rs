//! keepalived's words for what this configuration calls otherwise, so that a key
//! written from habit is answered with the right one.

/// keepalived's word, and what to write. A word that is also a key of ours is answered
/// where it is none.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("global_defs", "write `[global]`"),
    ("vrrp_sync_group", "write `[sync_group.NAME]`"),
    ("vrrp_script", "write `[track_script.NAME]`"),
    ("vrrp_track_process", "write `[track_process.NAME]`"),
    ("vrrp_track_file", "write `[track_file.NAME]`"),
    ("garp_group", "write `[announce_group.NAME]`"),
    (
        "interface_up_down_delays",
        "write `up_delay` and `down_delay` in `[interface.NAME]`",
    ),
    ("static_ipaddress", "write `addresses` in `[static]`"),
    ("static_routes", "write `routes` in `[static]`"),
    ("static_rules", "write `rules` in `[static]`"),
    // [global]
    (
        "enable_script_security",
        "write `script_security = true` in `[global]`",
    ),
    (
        "vrrp_startup_delay",
        "write `startup_delay = \"5s\"` in `[global]`",
    ),
    (
        "vrrp_delay_after_boot",
        "write `delay_after_boot = \"1m\"` in `[global]`",
    ),
    (
        "notify_fifo_script",
        "write `script` in `[global.notify_fifo]`",
    ),
    (
        "vrrp_notify_fifo_script",
        "write `script` in `[global.vrrp_notify_fifo]`",
    ),
    (
        "lvs_notify_fifo_script",
        "write `script` in `[global.lvs_notify_fifo]`",
    ),
    ("notification_email", "write `to` in `[global.mail]`"),
    ("notification_email_from", "write `from` in `[global.mail]`"),
    (
        "smtp_server",
        "write `server = \"HOST:PORT\"` in `[global.mail]`",
    ),
    ("smtp_helo_name", "write `helo_name` in `[global.mail]`"),
    ("smtp_connect_timeout", "write `timeout` in `[global.mail]`"),
    (
        "no_email_faults",
        "write `no_faults = true` in `[global.mail]`",
    ),
    ("smtp_alert", "write `mail = true`"),
    (
        "smtp_alert_vrrp",
        "write `mail = true` in `[vrrp_defaults]`",
    ),
    ("vrrp_version", "write `version` in `[vrrp_defaults]`"),
    (
        "vrrp_mcast_group4",
        "write `multicast_group4` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_mcast_group6",
        "write `multicast_group6` in `[vrrp_defaults]`",
    ),
    ("vrrp_strict", "write `strict = true` in `[vrrp_defaults]`"),
    (
        "vrrp_check_unicast_src",
        "write `check_unicast_source = true` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_skip_check_adv_addr",
        "write `check_addresses = false` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_down_timer_adverts",
        "write `down_timer_adverts` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_lower_prio_no_advert",
        "write `lower_prio_no_advert` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_higher_prio_send_advert",
        "write `higher_prio_send_advert` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_owner_ignore_adverts",
        "write `owner_ignore_adverts` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_notify_priority_changes",
        "write `notify_priority_changes` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_master_delay",
        "write `garp_master_delay` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_master_repeat",
        "write `garp_master_repeat` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_master_refresh",
        "write `garp_master_refresh` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_master_refresh_repeat",
        "write `garp_master_refresh_repeat` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_lower_prio_delay",
        "write `garp_lower_prio_delay` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_lower_prio_repeat",
        "write `garp_lower_prio_repeat` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_extra_if",
        "write `garp_extra_interfaces` in `[vrrp_defaults]`",
    ),
    (
        "vrrp_garp_interval",
        "write `garp_interval` in `[interface.NAME]`",
    ),
    (
        "vrrp_gna_interval",
        "write `gna_interval` in `[interface.NAME]`",
    ),
    (
        "vrrp_min_garp",
        "write `garp_master_repeat = 1` and `garp_master_delay = \"0s\"` in `[vrrp_defaults]`",
    ),
    (
        "default_interface",
        "write `interface` in `[vrrp_defaults]`",
    ),
    (
        "dynamic_interfaces",
        "interfaces may always appear later; leave it out",
    ),
    // [vrrp_instance.NAME]
    ("advert_int", "write `advert_interval = \"1s\"`"),
    (
        "virtual_ipaddress",
        "write `virtual_addresses = [\"IP/LENGTH\"]`",
    ),
    (
        "virtual_ipaddress_excluded",
        "write `excluded_addresses = [\"IP/LENGTH\"]`",
    ),
    ("nopreempt", "write `preempt = false`"),
    (
        "state",
        "every director starts as backup; `priority` decides",
    ),
    (
        "auth_type",
        "write `authentication = { type = \"pass\", password = \"...\" }`",
    ),
    (
        "auth_hmac",
        "write `authentication = { type = \"hmac\", keys = [...] }`",
    ),
    (
        "v3_checksum_as_v2",
        "write `v3_checksum = \"message_only\"`",
    ),
    ("strict_mode", "write `strict = true`"),
    ("no_accept", "write `accept = false`"),
    ("use_vmac", "write `vmac = true`"),
    ("use_vmac_addr", "write `vmac = { addresses_too = true }`"),
    ("vmac_xmit_base", "write `vmac = { transmit_base = true }`"),
    ("use_ipvlan", "write `ipvlan = true`"),
    ("kernel_rx_buf_size", "write `receive_buffer = \"64KiB\"`"),
    ("mcast_src_ip", "write `source = \"IP\"`"),
    ("unicast_src_ip", "write `source = \"IP\"`"),
    ("track_src_ip", "write `track_source = true`"),
    ("mcast_dst_ip", "write `multicast_group = \"IP\"`"),
    ("unicast_peer", "write `unicast_peers = [\"IP\"]`"),
    ("check_unicast_src", "write `check_unicast_source = true`"),
    ("skip_check_adv_addr", "write `check_addresses = false`"),
    ("garp_extra_if", "write `garp_extra_interfaces = \"1m\"`"),
    ("track_interface", "write `track_interfaces = [\"eth1\"]`"),
    ("track_script", "write `track = [\"NAME\"]`"),
    ("track_file", "write `track = [\"NAME\"]`"),
    ("track_process", "write `track = [\"NAME\"]`"),
    (
        "track_bfd",
        "BFD is not available in this version; `[track_ping.NAME]` is near to it",
    ),
    (
        "notify_master",
        "write `notify = { master = \"/PROGRAM\" }`",
    ),
    (
        "notify_backup",
        "write `notify = { backup = \"/PROGRAM\" }`",
    ),
    ("notify_fault", "write `notify = { fault = \"/PROGRAM\" }`"),
    ("notify_stop", "write `notify = { stop = \"/PROGRAM\" }`"),
    ("notify_deleted", "write `notify = { deleted = true }`"),
    (
        "notify_master_rx_lower_pri",
        "write `notify = { master_rx_lower_pri = \"/PROGRAM\" }`",
    ),
    // [sync_group.NAME] and trackers
    ("group", "write `members = [\"NAME\"]`"),
    (
        "sync_group_tracking_weight",
        "write `tracking_weight = true`",
    ),
    ("script", "write `command = \"/PROGRAM\"`"),
    ("file", "write `path = \"/FILE\"`"),
    ("init_file", "write `init = 0`"),
    ("param_match", "write `arguments_match`"),
    // [virtual_server.NAME]
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
