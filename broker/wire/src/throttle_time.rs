//! Where a response says how long its client was throttled, so that this can be written into one that is encoded already.

use crate::ApiKey;

const THROTTLE_TIME_BYTES: usize = 4;
const ERROR_CODE_BYTES: usize = 2;

/// The position of `throttle_time_ms` in the body of a response; none in versions without it. A body that ends with the field must end with no tagged fields.
pub fn throttle_time_at(key: ApiKey, version: i16, body_bytes: usize) -> Option<usize> {
    let since = match key {
        ApiKey::Produce
        | ApiKey::Fetch
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::FindCoordinator
        | ApiKey::ApiVersions => 1,
        ApiKey::ListOffsets | ApiKey::JoinGroup => 2,
        ApiKey::Metadata | ApiKey::OffsetCommit | ApiKey::OffsetFetch => 3,
        // What came or was changed after KIP-219 has it in each version that is spoken.
        _ => 0,
    };
    if version < since {
        return None;
    }
    match key {
        ApiKey::Produce | ApiKey::ApiVersions => {
            // The number of tagged fields, none, is one byte.
            let tagged_bytes = usize::from(version >= key.flexible_from());
            body_bytes.checked_sub(THROTTLE_TIME_BYTES + tagged_bytes)
        }
        ApiKey::OffsetDelete => Some(ERROR_CODE_BYTES),
        _ => Some(0),
    }
}
