//! Quotas for people and for programs. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::table;

/// Those who have quotas, and which.
#[derive(Debug, Serialize)]
pub(super) struct QuotaLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip: Option<String>,
    pub(super) quotas: BTreeMap<String, f64>,
}

pub(super) fn text(lines: &[QuotaLine]) -> String {
    if lines.is_empty() {
        return "no quotas\n".to_owned();
    }
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
    let mut rows = Vec::new();
    for line in lines {
        for (key, rate) in &line.quotas {
            rows.push([name(&line.user), name(&line.client_id), name(&line.ip), key.clone(), rate.to_string()]);
        }
    }
    table(["user", "client-id", "ip", "quota", "a second"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_a_line() {
        assert_eq!(text(&[]), "no quotas\n");
        let line = QuotaLine {
            user: None,
            client_id: Some("<default>".to_owned()),
            ip: None,
            quotas: BTreeMap::from([("producer_byte_rate".to_owned(), 1024.0)]),
        };
        let text = text(&[line]);
        let words: Vec<&str> = text.lines().nth(1).expect("a line").split_whitespace().collect();
        assert_eq!(words, ["-", "<default>", "-", "producer_byte_rate", "1024"]);
    }
}
