use vectr_delta::changes::site_of;
use vectr_delta::{Dot, ShardId, ShardRead, ShardWrite, SiteId};

use crate::writer::queue::JobKind;
use crate::writer::shard::WriteShard;
use crate::{CoreError, VectrDB};

impl VectrDB {
    /// Advances a shard's version vector to `claimed`: sites as [`VectrDB::shard_statistics`] names them, each with the
    /// number up to which its changes are held. A number that is covered already is skipped. For a greater number,
    /// every change up to it must be current in the shard; a superseded change is not accepted, because it can no
    /// longer be told which vector it belonged to.
    ///
    /// # Errors
    /// `ERR_NOT_HELD`, and nothing has changed; `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
    pub fn advance_version_vector(
        &self,
        shard: &ShardId,
        claimed: &[(String, u64)],
    ) -> Result<(), CoreError> {
        let not_held = |site: &str, claimed: u64| CoreError::NotHeld {
            shard: shard.clone(),
            site: site.to_owned(),
            claimed,
            held: 0,
        };
        let mut dots = Vec::with_capacity(claimed.len());
        for (label, seq) in claimed.iter().filter(|(_, seq)| *seq > 0) {
            let site = site_of(label).ok_or_else(|| not_held(label, *seq))?;
            dots.push((label.clone(), Dot { site: SiteId::new(site), seq: *seq }));
        }
        let known = {
            let shard = shard.clone();
            self.read(move |snapshot| Ok(snapshot.shard(&shard)?.state().version_vector.clone()))?
        };
        dots.retain(|(_, dot)| !known.covers(*dot));
        if dots.is_empty() {
            return Ok(());
        }
        let shard = shard.clone();
        self.call(JobKind::Autocommit, move |writer| {
            writer.write_shard(&shard, |shard| {
                dots.iter().try_for_each(|(label, dot)| claim(shard, label, *dot))
            })
        })
    }
}

fn claim(shard: &mut WriteShard<'_>, label: &str, dot: Dot) -> Result<(), CoreError> {
    let held = shard.state().version_vector.seq(dot.site);
    if held >= dot.seq {
        return Ok(());
    }
    if shard.rows().count_dots(dot.site, held, dot.seq)? != dot.seq - held {
        let shard = shard.shard().clone();
        return Err(CoreError::NotHeld { shard, site: label.to_owned(), claimed: dot.seq, held });
    }
    shard.state_mut().version_vector.add(dot);
    Ok(())
}
