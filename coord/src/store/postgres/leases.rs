//! Leases. What happens on the server stands in `sql/leases.sql`.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio_postgres::{Error as PostgresError, Row};

use super::job::Job;
use super::link::{Link, from_token, to_token};
use super::lock::Subject;
use super::statement::{Parameter, Statement};
use super::{duration, failure, microseconds};
use crate::store::standing::{Standing, parse_owner};
use crate::store::{
    Acquired, Contender, FencingToken, LeaseId, LeaseRequest, Renewal, Renewed, Result,
};

pub(super) async fn acquire(link: &Arc<Link>, request: &LeaseRequest) -> Result<Acquired> {
    // Below the least that there is, no token can be counted on from.
    if let Some(floor) = request.token_floor
        && floor > FencingToken::new(0)
    {
        raise_tokens(link, floor).await?;
    }
    let listener = match request.wait_ttl {
        // It listens before it is in line, so no grant is missed.
        Some(_) => {
            link.hearing().await?;
            Parameter::Text(link.channel.to_string())
        }
        None => Parameter::Null,
    };
    let LeaseId { resource, owner } = &request.lease;
    let parameters = [
        (&**resource).into(),
        owner.to_bits().into(),
        i64::from(request.weight).into(),
        i64::from(request.capacity).into(),
        microseconds(request.ttl).into(),
        request.wait_ttl.map(microseconds).into(),
        request.token_floor.map(from_token).into(),
        Parameter::Base,
        (&*request.label).into(),
        listener,
    ];
    let job = Job::new(
        "acquire",
        Statement::LeaseAcquire,
        lock(link, resource),
        parameters,
    );
    let row = job.run(link).await?;
    let standing = Standing::read(&row).map_err(|_| failure::of_reply("acquire"))?;
    // A grant that came since the reply is kept for this.
    Ok(standing.acquired(|| link.wakes.wait_in_line(*owner)))
}

/// In a transaction of its own: whoever moves the tokens holds nothing else that somebody could wait for.
async fn raise_tokens(link: &Arc<Link>, floor: FencingToken) -> Result<()> {
    let floor = [Parameter::Number(from_token(floor))];
    link.read("acquire", Statement::RaiseTokens, &floor)
        .await
        .map(drop)
}

/// All at once, and as few transactions as there is room for them in. Those beyond the limits are refused by
/// themselves.
pub(super) async fn renew(link: &Arc<Link>, renewals: &[Renewal]) -> Vec<Result<Renewed>> {
    // Whoever waits looks again when the connection that hears breaks, and so comes by here.
    if link.wakes.are_wanted() {
        link.hear_again();
    }
    join_all(renewals.iter().map(|renewal| renew_one(link, renewal))).await
}

async fn renew_one(link: &Arc<Link>, renewal: &Renewal) -> Result<Renewed> {
    renewal.check()?;
    let LeaseId { resource, owner } = &renewal.lease;
    let parameters = [
        (&**resource).into(),
        owner.to_bits().into(),
        microseconds(renewal.ttl).into(),
        microseconds(renewal.wait_ttl).into(),
        Parameter::Base,
    ];
    let job = Job::new(
        "renew",
        Statement::LeaseRenew,
        lock(link, resource),
        parameters,
    );
    let row = job.run(link).await?;
    let standing = Standing::read(&row).map_err(|_| failure::of_reply("renew"))?;
    Ok(standing.renewed())
}

pub(super) async fn release(link: &Arc<Link>, lease: &LeaseId) -> Result<bool> {
    let LeaseId { resource, owner } = lease;
    let parameters = [
        (&**resource).into(),
        owner.to_bits().into(),
        Parameter::Base,
    ];
    let job = Job::new(
        "release",
        Statement::LeaseRelease,
        lock(link, resource),
        parameters,
    );
    let row = job.run(link).await?;
    row.try_get(0).map_err(|_| failure::of_reply("release"))
}

pub(super) async fn inspect(link: &Arc<Link>, resource: &str) -> Result<Vec<Contender>> {
    let parameters = [
        Parameter::Number(lock(link, resource)),
        resource.into(),
        Parameter::Base,
    ];
    let rows = link
        .read("inspect", Statement::LeaseInspect, &parameters)
        .await?;
    let line: Option<_> = rows.iter().map(contender).collect();
    line.ok_or_else(|| failure::of_reply("inspect"))
}

fn contender(row: &Row) -> Option<Contender> {
    let label = row.try_get::<_, &[u8]>(1).ok()?;
    Some(Contender {
        owner: parse_owner(row.try_get(0).ok()?)?,
        label: std::str::from_utf8(label).ok()?.into(),
        token: to_token(row.try_get(2).ok()?),
        weight: row.try_get::<_, i64>(3).ok()?.try_into().ok()?,
        granted: row.try_get(4).ok()?,
        expires_in: duration(row.try_get(5).ok()?),
    })
}

impl Standing {
    fn read(row: &Row) -> std::result::Result<Self, PostgresError> {
        let standing: Option<i16> = row.try_get(0)?;
        Ok(match standing {
            None => Self::None,
            Some(1) => Self::Granted(to_token(row.try_get(1)?)),
            Some(_) => Self::Waiting {
                token: to_token(row.try_get(1)?),
                ahead: u32::try_from(row.try_get::<_, i64>(2)?).unwrap_or(u32::MAX),
                look_again_in: row.try_get::<_, Option<i64>>(3)?.map(duration),
            },
        })
    }
}

fn lock(link: &Link, resource: &str) -> i64 {
    Subject::Lease.lock(link.schema.name(), resource.as_bytes())
}
