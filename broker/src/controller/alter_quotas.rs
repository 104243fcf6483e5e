//! Changing quotas: the decision. Either all changes of an entity are made, or none. Kafka's rules (`ClientQuotaControlManager`).

use std::collections::BTreeSet;

use super::image::Image;
use super::records::MetadataRecord;
use crate::quota::limits::{ENTITIES_MAX, ENTITY_NAME_BYTES_MAX};
use crate::quota::{Entity, EntityKind, QuotaKey};

/// How far a number may be from a whole one and pass for it, as in Kafka.
const WHOLE_TOLERANCE: f64 = 1e-6;

/// A request to change quotas.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterQuotas {
    pub entries: Vec<QuotaAlteration>,
    /// Only say what would happen.
    pub validate_only: bool,
}

/// What is to change of one entity's quotas, in the client's words.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaAlteration {
    /// Kind and name of each part; no name for the default.
    pub parts: Vec<(String, Option<String>)>,
    /// What is bounded, and the bound; none to take it away.
    pub changes: Vec<(String, Option<f64>)>,
}

/// Why quotas are not changed. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaFault {
    #[error("Invalid empty client quota entity")]
    NoEntity,
    #[error("Unhandled client quota entity type: {0}")]
    UnknownKind(String),
    #[error("Client quota entity type {0} is named twice")]
    KindTwice(&'static str),
    #[error("Empty {0} not supported")]
    EmptyName(&'static str),
    #[error("A name in a client quota entity has more than {ENTITY_NAME_BYTES_MAX} bytes")]
    NameTooLong,
    #[error("Invalid client quota entity: ip stands alone")]
    IpNotAlone,
    #[error("{0} is not a valid IP or resolvable host.")]
    NotAnAddress(String),
    #[error("Duplicate client quota entity")]
    EntityTwice,
    #[error("Invalid configuration key {0}")]
    UnknownKey(String),
    #[error("Configuration key {0} is named twice")]
    KeyTwice(&'static str),
    #[error("Quota {0} must be greater than 0")]
    NotPositive(&'static str),
    #[error("Configuration {0} must be a whole number")]
    NotWhole(&'static str),
    #[error("There are {ENTITIES_MAX} client quota entities already")]
    TooMany,
}

/// For each entity, in order.
pub type QuotaResults = Vec<Result<(), QuotaFault>>;

/// Decides on changes of quotas.
pub fn alter_quotas(image: &Image, request: &AlterQuotas) -> (Vec<MetadataRecord>, QuotaResults) {
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    let mut count = image.quotas().len();
    let results = request.entries.iter().map(|entry| {
        let entity = entity(&entry.parts)?;
        if !seen.insert(entity.clone()) {
            return Err(QuotaFault::EntityTwice);
        }
        let changes = changes(&entity, &entry.changes)?;
        let is_new = !image.quotas().has(&entity) && changes.iter().any(|(_, rate)| rate.is_some());
        if is_new {
            if count >= ENTITIES_MAX {
                return Err(QuotaFault::TooMany);
            }
            count += 1;
        }
        records.extend(changes.into_iter().map(|(key, rate)| MetadataRecord::ClientQuota {
            entity: entity.clone(),
            key: key.name().to_owned(),
            value: rate.map(|rate| rate.to_string()),
        }));
        Ok(())
    });
    let results = results.collect();
    if request.validate_only {
        records.clear();
    }
    (records, results)
}

/// Reads an entity as a client describes it.
pub fn entity(parts: &[(String, Option<String>)]) -> Result<Entity, QuotaFault> {
    if parts.is_empty() {
        return Err(QuotaFault::NoEntity);
    }
    let mut kinds = BTreeSet::new();
    let mut checked = Vec::new();
    for (kind, name) in parts {
        let kind = EntityKind::named(kind).ok_or_else(|| QuotaFault::UnknownKind(kind.clone()))?;
        if !kinds.insert(kind) {
            return Err(QuotaFault::KindTwice(kind.name()));
        }
        match name.as_deref() {
            Some("") => return Err(QuotaFault::EmptyName(kind.name())),
            Some(name) if name.len() > ENTITY_NAME_BYTES_MAX => return Err(QuotaFault::NameTooLong),
            Some(name) if kind == EntityKind::Ip => {
                // In one spelling, so that it is found when a client comes from there.
                let address = name.parse::<core::net::IpAddr>();
                let address = address.map_err(|_| QuotaFault::NotAnAddress(name.to_owned()))?;
                checked.push((kind, Some(address.to_string())));
            }
            name => checked.push((kind, name.map(str::to_owned))),
        }
    }
    if kinds.contains(&EntityKind::Ip) && kinds.len() > 1 {
        return Err(QuotaFault::IpNotAlone);
    }
    Ok(Entity::new(checked))
}

fn changes(entity: &Entity, asked: &[(String, Option<f64>)]) -> Result<Vec<(QuotaKey, Option<f64>)>, QuotaFault> {
    let mut keys = BTreeSet::new();
    let change = |(name, rate): &(String, Option<f64>)| {
        let unknown = || QuotaFault::UnknownKey(name.clone());
        let key = QuotaKey::named(name).filter(|key| key.fits(entity)).ok_or_else(unknown)?;
        if !keys.insert(key) {
            return Err(QuotaFault::KeyTwice(key.name()));
        }
        Ok((key, rate.map(|rate| check_rate(key, rate)).transpose()?))
    };
    asked.iter().map(change).collect()
}

fn check_rate(key: QuotaKey, rate: f64) -> Result<f64, QuotaFault> {
    if !rate.is_finite() || rate <= 0.0 {
        return Err(QuotaFault::NotPositive(key.name()));
    }
    if !key.is_whole() {
        return Ok(rate);
    }
    let whole = rate.round();
    if (rate - whole).abs() > WHOLE_TOLERANCE {
        return Err(QuotaFault::NotWhole(key.name()));
    }
    // What rounds to nothing is nothing.
    if whole > 0.0 { Ok(whole) } else { Err(QuotaFault::NotPositive(key.name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(parts: &[(&str, Option<&str>)], changes: &[(&str, Option<f64>)]) -> QuotaAlteration {
        QuotaAlteration {
            parts: parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned))).collect(),
            changes: changes.iter().map(|(key, rate)| ((*key).to_owned(), *rate)).collect(),
        }
    }

    fn fault(parts: &[(&str, Option<&str>)], changes: &[(&str, Option<f64>)]) -> String {
        let request = AlterQuotas { entries: vec![entry(parts, changes)], validate_only: false };
        let (records, results) = alter_quotas(&Image::default(), &request);
        assert_eq!(records, [], "nothing is changed");
        results[0].clone().expect_err("it is refused").to_string()
    }

    #[test]
    fn a_quota_is_set_read_back_and_taken_away() {
        let mut image = Image::default();
        let alter = |image: &mut Image, rate, validate_only| {
            let entries = vec![entry(&[("client-id", Some("a"))], &[("producer_byte_rate", rate)])];
            let (records, results) = alter_quotas(image, &AlterQuotas { entries, validate_only });
            records.iter().for_each(|record| drop(image.replay(record)));
            assert_eq!(results, [Ok(())]);
            image.quotas().bounds("u", "a").produce.map(|bound| bound.rate)
        };
        assert_eq!(alter(&mut image, Some(1_048_576.0), true), None);
        assert_eq!(alter(&mut image, Some(1_048_576.0), false), Some(1_048_576.0));
        assert_eq!(alter(&mut image, None, false), None);
        assert_eq!(alter(&mut image, None, false), None, "what is not there can be taken away");
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_a_sentence() {
        let rate = [("producer_byte_rate", Some(1.0))];
        assert_eq!(fault(&[], &rate), "Invalid empty client quota entity");
        assert_eq!(fault(&[("group", None)], &rate), "Unhandled client quota entity type: group");
        assert_eq!(fault(&[("user", Some(""))], &rate), "Empty user not supported");
        assert_eq!(fault(&[("user", None), ("user", None)], &rate), "Client quota entity type user is named twice");
        assert!(fault(&[("ip", None), ("user", None)], &rate).contains("ip stands alone"));
        assert!(fault(&[("ip", Some("here"))], &rate).contains("not a valid IP"));
        assert_eq!(fault(&[("ip", None)], &rate), "Invalid configuration key producer_byte_rate");
        let user = [("user", None)];
        assert!(fault(&user, &[("connection_creation_rate", Some(1.0))]).starts_with("Invalid configuration key"));
        assert!(fault(&user, &[("speed", None)]).starts_with("Invalid configuration key speed"));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(fault(&user, &[("request_percentage", Some(rate))]).contains("greater than 0"), "{rate}");
        }
        assert!(fault(&user, &[("consumer_byte_rate", Some(1.5))]).contains("whole number"));
        assert!(fault(&user, &[rate[0], rate[0]]).contains("named twice"));
    }

    #[test]
    fn one_entity_s_fault_does_not_keep_another_from_changing() {
        let good = entry(&[("client-id", None)], &[("request_percentage", Some(12.5))]);
        let bad = entry(&[("client-id", Some("b"))], &[("producer_byte_rate", Some(1.0)), ("nothing", None)]);
        let entries = vec![good.clone(), bad, good];
        let (records, results) = alter_quotas(&Image::default(), &AlterQuotas { entries, validate_only: false });
        assert_eq!(records.len(), 1);
        assert_eq!(results[0], Ok(()));
        assert!(matches!(results[1..], [Err(QuotaFault::UnknownKey(_)), Err(QuotaFault::EntityTwice)]));
    }
}
