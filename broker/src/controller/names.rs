//! Which names a topic may have. The rules are Kafka's (`org.apache.kafka.common.internals.Topic`).

use super::limits::TOPIC_NAME_BYTES_MAX;

/// Why a name is refused. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    #[error("Topic name is invalid: '.' and '..' are not allowed")]
    Dots,
    #[error("Topic name is invalid: the length is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")]
    TooLong,
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Characters(String),
}

/// Checks a topic's name.
pub fn check(name: &str) -> Result<(), NameFault> {
    match name {
        "" => Err(NameFault::Empty),
        "." | ".." => Err(NameFault::Dots),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => Err(NameFault::TooLong),
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) => {
            Err(NameFault::Characters(name.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether the broker keeps its own records in a topic of this name.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// What two names share if they collide: Kafka names its metrics with `_` for `.`, so they could not be told apart.
/// Names without either character collide with none.
pub fn collision_key(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafka_s_rules() {
        for name in ["a", "orders.v1", "__x", "A-9_z.", &"n".repeat(249), "..."] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(""), Err(NameFault::Empty));
        assert_eq!(check("."), Err(NameFault::Dots));
        assert_eq!(check(".."), Err(NameFault::Dots));
        assert_eq!(check(&"n".repeat(250)), Err(NameFault::TooLong));
        for name in ["a b", "a/b", "ä", "a\0", "*", "a\n"] {
            assert_eq!(check(name), Err(NameFault::Characters(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn dots_and_underscores_collide_and_nothing_else_does() {
        assert_eq!(collision_key("a.b"), collision_key("a_b"));
        assert_ne!(collision_key("a.b"), collision_key("a.c"));
        assert_eq!(collision_key("a-b"), None);
    }
}
