//! Pages of topics.

use std::collections::BTreeMap;

use wire::describe_topic_partitions::TopicRequest;

use super::*;
use crate::controller::{MetadataRecord, TopicId};

fn image() -> Image {
    let mut image = Image::default();
    for (id, name, partitions) in [(2, "a", 3), (3, "b", 1), (4, "c", 5)] {
        let configs = BTreeMap::new();
        image.replay(&MetadataRecord::Topic { name: name.into(), id: TopicId(id), partitions, configs });
    }
    image
}

/// The pages of these topics, each as names with the indexes of partitions.
fn pages(topics: &[&'static str], limit: i32) -> Vec<Vec<(String, Vec<i32>)>> {
    let image = image();
    let topics: Vec<_> = topics.iter().map(|&name| TopicRequest { name }).collect();
    let mut cursor: Option<(String, i32)> = None;
    let mut pages = Vec::new();
    loop {
        let cursor_here = cursor.take().map(|(name, index)| Cursor { topic_name: name.into(), partition_index: index });
        let (topics, response_partition_limit) = (topics.clone(), limit);
        let body = DescribeTopicPartitionsRequest { topics, response_partition_limit, cursor: cursor_here };
        let answer = page(&image, NodeId(1), &body, first_of(&body).expect("a cursor of an answer"));
        let described = answer.topics.iter().map(|topic| {
            let indexes = topic.partitions.iter().map(|partition| partition.partition_index).collect();
            (topic.name.clone().expect("a name").into_owned(), indexes)
        });
        pages.push(described.collect());
        match answer.next_cursor {
            Some(next) => cursor = Some((next.topic_name.into_owned(), next.partition_index)),
            None => return pages,
        }
    }
}

#[test]
fn whatever_the_limit_every_partition_comes_once_and_in_order() {
    for limit in [-1, 0, 1, 2, 3, 4, 5, 8, 9, 2_000, i32::MAX] {
        let pages = pages(&[], limit);
        let seen: Vec<(String, i32)> = pages
            .iter()
            .flatten()
            .flat_map(|(name, indexes)| indexes.iter().map(|index| (name.clone(), *index)))
            .collect();
        let expected: Vec<(String, i32)> = [("a", 3), ("b", 1), ("c", 5)]
            .iter()
            .flat_map(|&(name, count)| (0..count).map(move |index| (name.to_owned(), index)))
            .collect();
        assert_eq!(seen, expected, "limit {limit}");
        let most = pages.iter().map(|page| page.iter().map(|(_, indexes)| indexes.len()).sum::<usize>()).max();
        assert!(most <= Some(usize::try_from(limit.max(1)).expect("positive")), "limit {limit}");
    }
}

#[test]
fn only_what_is_asked_for_is_described_and_what_does_not_exist_is_said_to() {
    let seen: Vec<(String, Vec<i32>)> = pages(&["c", "nowhere", "a"], 2_000).remove(0);
    let expected =
        [("a".to_owned(), vec![0, 1, 2]), ("c".to_owned(), vec![0, 1, 2, 3, 4]), ("nowhere".to_owned(), vec![])];
    assert_eq!(seen, expected);
}

#[test]
fn a_cursor_that_came_from_no_answer_is_refused() {
    let cursor = |name: &'static str, index| Some(Cursor { topic_name: name.into(), partition_index: index });
    let body = |cursor| DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest { name: "a" }],
        cursor,
        ..DescribeTopicPartitionsRequest::default()
    };
    assert!(first_of(&body(cursor("b", 0))).is_none());
    assert!(first_of(&body(cursor("a", -1))).is_none());
    assert_eq!(refused(&body(cursor("b", 0))).topics[0].error_code, ErrorCode::INVALID_REQUEST);
    let beyond = body(cursor("a", 99));
    let image = image();
    let answer = page(&image, NodeId(1), &beyond, first_of(&beyond).expect("possible after a deletion"));
    assert_eq!((answer.topics[0].partitions.len(), answer.next_cursor), (0, None));
}
