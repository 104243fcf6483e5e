//! All that is read of a machine.

use std::path::Path;

use crate::disk::{self, DiskFacts};
use crate::kernel::{self, KernelFacts};
use crate::network::{self, NetworkFacts};
use crate::power::{self, PowerFacts};
use crate::root::Root;
use crate::topology::{self, TopologyFacts};

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub kernel: KernelFacts,
    pub disk: DiskFacts,
    pub network: NetworkFacts,
    pub topology: TopologyFacts,
    pub power: PowerFacts,
}

impl Facts {
    /// For a broker that keeps its data in `data`, which need not exist.
    pub fn read(root: &Root, data: &Path) -> Facts {
        Facts {
            kernel: kernel::read(root),
            disk: disk::read(root, data),
            network: network::read(root),
            topology: topology::read(root),
            power: power::read(root),
        }
    }
}
