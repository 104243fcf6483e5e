//! The owner's side of deleting records: logs start further on. SHELL.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use engine::{CutError, Engine, LogId, Offset};

use crate::mesh::message::{Cut, ReadFault, Reply};
use crate::partition::join::join_all;
use crate::shard::Context;

/// Lets each log start where it is to. Where that is, is decided before this returns; all wait for the device together.
pub fn cut(ctx: &Rc<Context>, cuts: &[Cut]) -> Pin<Box<dyn Future<Output = Reply>>> {
    let starts: Vec<_> = cuts.iter().map(|cut| (cut.log, start_of(ctx, cut))).collect();
    let engine = ctx.engine.clone();
    Box::pin(async move {
        let cuts = starts.into_iter().map(|(log, start)| Box::pin(carry_out(engine.clone(), log, start)));
        Reply::Cut(join_all(cuts).await)
    })
}

fn start_of(ctx: &Context, cut: &Cut) -> Result<Offset, ReadFault> {
    ctx.partitions.borrow().get(cut.log).ok_or(ReadFault::UnknownPartition)?;
    let view = ctx.engine.log(cut.log).ok_or(ReadFault::StorageFailed)?;
    Ok(cut.start.unwrap_or(view.committed_end))
}

async fn carry_out(engine: Engine, log: LogId, start: Result<Offset, ReadFault>) -> Result<Offset, ReadFault> {
    engine.cut_log(log, start?).await.map_err(|error| match error {
        CutError::UnknownLog => ReadFault::UnknownPartition,
        CutError::OutOfRange => ReadFault::OutOfRange,
        CutError::Busy | CutError::Failed => ReadFault::StorageFailed,
    })
}
