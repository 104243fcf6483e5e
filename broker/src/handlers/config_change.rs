//! What AlterConfigs and IncrementalAlterConfigs have in common: the controller decides, and the answer comes when every shard follows
//! the new configs.

use std::future::Future;
use std::rc::Rc;

use wire::ErrorCode;
use wire::describe_configs::{RESOURCE_TYPE_BROKER, RESOURCE_TYPE_GROUP, RESOURCE_TYPE_TOPIC};

use super::error_codes;
use crate::controller::alter_configs::{AlterConfigs, Alteration, Resource, Wish};
use crate::controller::{MetadataChange, Outcome};
use crate::ids::ShardId;
use crate::mesh::message;
use crate::shard::Context;

/// What is wished for one resource, as the client names it.
pub(super) struct Asked {
    pub(super) resource_type: i8,
    pub(super) resource_name: String,
    pub(super) wish: Wish,
}

/// What came of it.
pub(super) struct Altered {
    pub(super) resource_type: i8,
    pub(super) resource_name: String,
    pub(super) error_code: ErrorCode,
    pub(super) message: Option<String>,
}

impl Altered {
    fn refuse(&mut self, error_code: ErrorCode, message: String) {
        self.error_code = error_code;
        self.message = Some(message);
    }
}

/// Asks the controller. The change is on its way when this returns.
pub(super) fn alter(
    ctx: &Rc<Context>,
    asked: Vec<Asked>,
    validate_only: bool,
) -> impl Future<Output = Vec<Altered>> + use<> {
    let mut answers = Vec::with_capacity(asked.len());
    let (mut places, mut resources) = (Vec::new(), Vec::new());
    for Asked { resource_type, resource_name, wish } in asked {
        let resource = match resource_type {
            RESOURCE_TYPE_TOPIC => Some(Resource::Topic(resource_name.clone())),
            RESOURCE_TYPE_BROKER => Some(Resource::Node(resource_name.clone())),
            RESOURCE_TYPE_GROUP => Some(Resource::Group(resource_name.clone())),
            _ => None,
        };
        let mut answer = Altered { resource_type, resource_name, error_code: ErrorCode::NONE, message: None };
        match resource {
            Some(resource) => {
                places.push(answers.len());
                resources.push(Alteration { resource, wish });
            }
            None => answer.refuse(ErrorCode::INVALID_REQUEST, format!("Unknown resource type {resource_type}")),
        }
        answers.push(answer);
    }
    let change = MetadataChange::AlterConfigs(AlterConfigs { resources, validate_only });
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(change));
    async move {
        match call.await.into_outcome() {
            Outcome::AlterConfigs(results) => {
                for (place, result) in places.into_iter().zip(results) {
                    if let Err(fault) = result {
                        answers[place].refuse(error_codes::of_alteration(&fault), fault.to_string());
                    }
                }
            }
            Outcome::Refused(refusal) => {
                for place in places {
                    answers[place].refuse(error_codes::of_refusal(refusal), refusal.to_string());
                }
            }
            other => unreachable!("configs were to be changed, not {other:?}"),
        }
        answers
    }
}
