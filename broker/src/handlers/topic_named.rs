//! The topic that a request means: each API names topics, and from some version on tells their ids instead.

use std::rc::Rc;

use wire::{ErrorCode, Uuid};

use crate::controller::image::Image;
use crate::controller::{Topic, TopicId};

/// How a request names a topic. An id stays with one topic, while its name may come to belong to another.
#[derive(Debug, Clone, Copy)]
pub(super) enum TopicNamed<'a> {
    Name(&'a str),
    Id(Uuid),
}

impl<'a> TopicNamed<'a> {
    pub(super) fn new(has_ids: bool, name: &'a str, id: Uuid) -> Self {
        if has_ids { Self::Id(id) } else { Self::Name(name) }
    }

    pub(super) fn find(self, image: &Image) -> Result<&Rc<Topic>, ErrorCode> {
        match self {
            Self::Name(name) => image.topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Self::Id(id) => image.topic_by_id(TopicId::from_wire(id)).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
        }
    }
}
