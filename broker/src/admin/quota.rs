//! `ringmain quota`: what the sub-commands ask the cluster.

use wire::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterEntityData, AlterEntryData, OpData,
};
use wire::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntryData, MATCH_DEFAULT, MATCH_EXACT,
};
use wire::{ApiKey, ErrorCode};

use super::client::{AdminError, Cluster};
use super::report::Report;
use super::report_config::Altered;
use super::report_quota::QuotaLine;
use super::topic::explain;
use crate::quota::{Entity, EntityKind};

/// Whom a command is about, in the words of the command line. An empty name is the default of its kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Whom {
    pub(super) user: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) ip: Option<String>,
}

impl Whom {
    /// Kind and name of each part; no name for the default.
    fn parts(&self) -> Vec<(EntityKind, Option<&str>)> {
        let kinds =
            [(EntityKind::User, &self.user), (EntityKind::ClientId, &self.client_id), (EntityKind::Ip, &self.ip)];
        let named = |(kind, name)| {
            let name: &Option<String> = name;
            name.as_deref().map(|name| (kind, Some(name).filter(|name| !name.is_empty())))
        };
        kinds.into_iter().filter_map(named).collect()
    }
}

/// Shows the quotas of those who have some.
pub(super) fn list(bootstrap: &str, whom: &Whom) -> Result<Report, AdminError> {
    let component = |(kind, name): (EntityKind, Option<&'_ str>)| (kind.name(), name.map(str::to_owned));
    let parts: Vec<_> = whom.parts().into_iter().map(component).collect();
    let components = parts.iter().map(|(kind, name)| ComponentData {
        entity_type: kind,
        match_type: if name.is_some() { MATCH_EXACT } else { MATCH_DEFAULT },
        _match: name.as_deref(),
    });
    let request = DescribeClientQuotasRequest { components: components.collect(), strict: false };
    let mut cluster = Cluster::connect(bootstrap)?;
    let node = cluster.controller()?;
    let body = node.call(ApiKey::DescribeClientQuotas, |version, out| request.encode(version, out))?;
    let answer = body.read(DescribeClientQuotasResponse::decode)?;
    if answer.error_code.is_error() {
        let detail = answer.error_message.map(|message| message.into_owned());
        return Err(AdminError::Refused { what: "listing quotas".to_owned(), code: answer.error_code, detail });
    }
    Ok(Report::Quotas(answer.entries.iter().flatten().map(line).collect()))
}

fn line(entry: &EntryData<'_>) -> QuotaLine {
    let name = |kind: EntityKind| {
        let part = entry.entity.iter().find(|part| part.entity_type == kind.name())?;
        Some(part.entity_name.as_deref().unwrap_or("<default>").to_owned())
    };
    QuotaLine {
        user: name(EntityKind::User),
        client_id: name(EntityKind::ClientId),
        ip: name(EntityKind::Ip),
        quotas: entry.values.iter().map(|quota| (quota.key.clone().into_owned(), quota.value.get())).collect(),
    }
}

/// Sets quotas, given as `KEY=NUMBER`.
pub(super) fn set(bootstrap: &str, whom: &Whom, quotas: &[String], validate_only: bool) -> Result<Report, AdminError> {
    let changes = quotas.iter().map(|text| {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = pair.ok_or_else(|| AdminError::Usage(format!("{text}: it must be QUOTA=NUMBER")))?;
        let rate = number(value).ok_or_else(|| AdminError::Usage(format!("{key} = {value} is no number")))?;
        Ok((key, Some(rate)))
    });
    alter(bootstrap, whom, &changes.collect::<Result<Vec<_>, AdminError>>()?, validate_only)
}

/// Takes quotas away.
pub(super) fn delete(bootstrap: &str, whom: &Whom, keys: &[String], validate_only: bool) -> Result<Report, AdminError> {
    let changes: Vec<_> = keys.iter().map(|key| (key.as_str(), None)).collect();
    alter(bootstrap, whom, &changes, validate_only)
}

/// A number, with K, M or G for 1024 of the one before.
fn number(text: &str) -> Option<f64> {
    let (digits, unit) = match text.char_indices().next_back()? {
        (at, 'K' | 'k') => (&text[..at], 1024.0),
        (at, 'M' | 'm') => (&text[..at], 1024.0 * 1024.0),
        (at, 'G' | 'g') => (&text[..at], 1024.0 * 1024.0 * 1024.0),
        _ => (text, 1.0),
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

fn alter(
    bootstrap: &str,
    whom: &Whom,
    changes: &[(&str, Option<f64>)],
    validate_only: bool,
) -> Result<Report, AdminError> {
    let parts = whom.parts();
    let entity = parts.iter().map(|(kind, name)| AlterEntityData { entity_type: kind.name(), entity_name: *name });
    let ops = changes.iter().map(|(key, rate)| OpData {
        key,
        value: rate.unwrap_or_default().into(),
        remove: rate.is_none(),
    });
    let entries = vec![AlterEntryData { entity: entity.collect(), ops: ops.collect() }];
    let request = AlterClientQuotasRequest { entries, validate_only };
    let mut cluster = Cluster::connect(bootstrap)?;
    let node = cluster.controller()?;
    let body = node.call(ApiKey::AlterClientQuotas, |version, out| request.encode(version, out))?;
    let answer = body.read(AlterClientQuotasResponse::decode)?;
    let of = Entity::new(parts.iter().map(|(kind, name)| (*kind, name.map(str::to_owned)))).to_string();
    let done: Vec<String> = changes
        .iter()
        .map(|(key, rate)| rate.map_or_else(|| format!("no {key}"), |rate| format!("{key} = {rate}")))
        .collect();
    let would = if validate_only { "would have " } else { "" };
    let altered = answer.entries.iter().map(|entry| Altered {
        of: of.clone(),
        result: match entry.error_code {
            ErrorCode::NONE => format!("{would}{}", done.join(", ")),
            code => explain(code, entry.error_message.as_deref()),
        },
        failed: entry.error_code.is_error(),
    });
    Ok(Report::Altered(altered.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_a_unit_and_an_empty_name_is_the_default() {
        assert_eq!(number("1M"), Some(1_048_576.0));
        assert_eq!(number("12.5"), Some(12.5));
        assert_eq!([number("K"), number(""), number("1T")], [None, None, None]);
        let whom = Whom { user: Some(String::new()), client_id: Some("a".to_owned()), ip: None };
        assert_eq!(whom.parts(), [(EntityKind::User, None), (EntityKind::ClientId, Some("a"))]);
    }
}
