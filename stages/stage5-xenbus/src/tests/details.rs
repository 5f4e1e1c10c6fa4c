//! What a device's folder must not hold any more.

use std::string::{String, ToString};
use std::vec::Vec;

use crate::frontend::{Details, matters, stale};

fn told(keys: &[&str]) -> Details {
    keys.iter().map(|key| (key.to_string(), String::from("1"))).collect()
}

#[test]
fn what_is_not_told_again_goes_with_its_folder() {
    let four: Vec<String> =
        ["multi-queue-num-queues", "queue-0/ring-ref", "queue-0/event-channel-tx", "queue-1/ring-ref"]
            .map(String::from)
            .to_vec();
    let cases: [(&[&str], &[&str]); 4] = [
        (&["ring-ref", "event-channel"], &["multi-queue-num-queues", "queue-0", "queue-0", "queue-1"]),
        (
            &["queue-0/ring-ref", "queue-0/event-channel"],
            &["multi-queue-num-queues", "queue-0/event-channel-tx", "queue-1"],
        ),
        (&["multi-queue-num-queues", "queue-0/ring-ref", "queue-0/event-channel-tx", "queue-1/ring-ref"], &[]),
        // Another state is told, and nothing else.
        (&[], &[]),
    ];
    for (now, gone) in cases {
        assert_eq!(stale(&four, &told(now)), gone, "{now:?}");
    }
    assert!(stale(&[], &told(&["ring-ref"])).is_empty());
}

#[test]
fn what_is_told_about_rings_is_no_reason_to_look_around() {
    for path in ["device", "device/vif", "device/vif/0", "device/vif/0/state", "device/vbd/51712/backend"] {
        assert!(matters(path), "{path}");
    }
    for path in ["device/vif/0/tx-ring-ref", "device/vif/0/queue-1/event-channel-rx", "device/vif/0/queue-1"] {
        assert!(!matters(path), "{path}");
    }
}
