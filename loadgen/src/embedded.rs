//! The broker that runs in this process when no other is named.

use std::path::Path;

use crate::{EmbeddedOptions, Failure};

#[cfg(feature = "embedded")]
pub(crate) use with_broker::Embedded;
#[cfg(not(feature = "embedded"))]
pub(crate) use without_broker::Embedded;

#[cfg(feature = "embedded")]
mod with_broker {
    use std::path::PathBuf;

    use broker::config::{Config, Durability, Settings};
    use broker::embedded::{Running, start};
    use tempfile::TempDir;

    use super::{EmbeddedOptions, Failure, Path};

    /// A running broker, and its directory if that goes with it.
    pub(crate) struct Embedded {
        running: Running,
        data_dir: PathBuf,
        _temporary: Option<TempDir>,
    }

    impl Embedded {
        pub(crate) fn start(options: &EmbeddedOptions) -> Result<Embedded, Failure> {
            let temporary = match options.data_dir {
                Some(_) => None,
                None => Some(temporary_directory()?),
            };
            let data_dir = match (&options.data_dir, &temporary) {
                (Some(given), _) => given.clone(),
                (None, Some(temporary)) => temporary.path().to_owned(),
                (None, None) => unreachable!("one of them is there"),
            };
            let settings = Settings {
                data_dir: Some(data_dir.clone()),
                listen: Some("127.0.0.1:0".to_owned()),
                metrics_listen: Some("none".to_owned()),
                cores: options.cores.clone(),
                durability: Some(match options.durability {
                    crate::Durability::Durable => Durability::Durable,
                    crate::Durability::Relaxed => Durability::Relaxed,
                }),
                trace_filter: Some("warn".to_owned()),
                ..Settings::default()
            };
            let config = Config::check(settings).map_err(|error| Failure::Embedded(error.to_string()))?;
            let running = start(config).map_err(|error| Failure::Embedded(error.to_string()))?;
            Ok(Embedded { running, data_dir, _temporary: temporary })
        }

        pub(crate) fn address(&self) -> String {
            self.running.address.to_string()
        }

        pub(crate) fn data_dir(&self) -> &Path {
            &self.data_dir
        }

        /// Stops the broker and removes a temporary directory.
        pub(crate) fn stop(self) -> Result<(), Failure> {
            self.running.stop().map_err(|error| Failure::Embedded(error.to_string()))
        }
    }

    /// In the system's place for such, or here if that place is memory, which direct I/O cannot use everywhere.
    fn temporary_directory() -> Result<TempDir, Failure> {
        let failed = |error: std::io::Error| Failure::Embedded(format!("no temporary directory: {error}"));
        let system = std::env::temp_dir();
        let parent = if is_in_memory(&system) { std::env::current_dir().map_err(failed)? } else { system };
        tempfile::Builder::new().prefix("ringmain-loadgen-").tempdir_in(parent).map_err(failed)
    }

    fn is_in_memory(directory: &Path) -> bool {
        const TMPFS_MAGIC: u64 = 0x0102_1994;
        rustix::fs::statfs(directory).is_ok_and(|stat| stat.f_type as u64 == TMPFS_MAGIC)
    }
}

#[cfg(not(feature = "embedded"))]
mod without_broker {
    use super::{EmbeddedOptions, Failure, Path};

    /// This build has no broker in it.
    pub(crate) enum Embedded {}

    impl Embedded {
        pub(crate) fn start(_options: &EmbeddedOptions) -> Result<Embedded, Failure> {
            Err(Failure::Embedded("this build has none; name a broker with --bootstrap".to_owned()))
        }

        pub(crate) fn address(&self) -> String {
            match *self {}
        }

        pub(crate) fn data_dir(&self) -> &Path {
            match *self {}
        }

        pub(crate) fn stop(self) -> Result<(), Failure> {
            match self {}
        }
    }
}
