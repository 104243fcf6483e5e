//! Settings as a command shows them. Pure.

use serde::Serialize;

use super::table::table;

/// What became of the settings of one topic or broker.
#[derive(Debug, Serialize)]
pub(super) struct Altered {
    /// The topic or broker, as a person would say it.
    pub(super) of: String,
    pub(super) result: String,
    pub(super) failed: bool,
}

/// The settings of one topic or broker.
#[derive(Debug, Serialize)]
pub(super) struct ConfigsOf {
    pub(super) of: String,
    pub(super) settings: Vec<ConfigLine>,
    /// Only what was set somewhere is in `settings`.
    #[serde(skip)]
    pub(super) without_defaults: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct ConfigLine {
    pub(super) key: String,
    pub(super) value: Option<String>,
    /// Where the value comes from.
    pub(super) source: &'static str,
    pub(super) read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) documentation: Option<String>,
}

impl Altered {
    pub(super) fn line(&self) -> String {
        format!("{}: {}\n", self.of, self.result)
    }
}

impl ConfigsOf {
    pub(super) fn text(&self) -> String {
        if self.settings.is_empty() {
            let hint = if self.without_defaults { "; --all shows the defaults" } else { "" };
            return format!("{}: nothing is set{hint}\n", self.of);
        }
        let row = |line: &ConfigLine| {
            let value = line.value.clone().unwrap_or_else(|| "(secret)".to_owned());
            let change = if line.read_only { "no" } else { "yes" };
            [line.key.clone(), value, line.source.to_owned(), change.to_owned()]
        };
        let rows: Vec<_> = self.settings.iter().map(row).collect();
        format!("{}\n{}", self.of, table(["KEY", "VALUE", "FROM", "CAN CHANGE"], &rows))
    }
}
