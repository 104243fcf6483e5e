//! The machine without a broker: what there is to reach.

use super::Scenario;

/// Measures the ceilings once in each round.
pub const SCENARIO: Scenario = Scenario {
    name: "ceilings",
    about: "the machine alone: durable writes and reads of the disk, loopback TCP, checksum, copy",
    knobs: &[],
    aims: &[],
    notes: &[],
    round: |bed| bed.ceilings(),
};
